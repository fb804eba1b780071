"""The names of the methods; nothing heavy is imported."""

from __future__ import annotations

__all__ = ["METHODS"]

METHODS = (
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
"""In the order of the tables."""
