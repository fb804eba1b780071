"""The names of the methods; nothing heavy is imported."""

from __future__ import annotations

__all__ = ["DEFAULT_METHODS", "METHODS"]

DEFAULT_METHODS = (
    "extremal-contour",
    "extremal-contour-paper",
    "gradient-shap",
    "integrated-gradients",
    "grad-cam++",
    "smooth-mask",
    "rise",
    "occlusion",
    "random",
)
"""What is run where no methods are named, in the order of the tables."""

METHODS = (
    *DEFAULT_METHODS,
    "layercam",
    "score-cam",
    "meaningful-perturbations",
    "extremal-perturbations",
    "relax",
    "iba",
    "attention-rollout",
    "inr",
    "nem-u",
    "nemt",
    "amortised-contour",
)
"""All of them."""
