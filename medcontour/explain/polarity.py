"""Whether the evidence is something brighter or something darker than what surrounds it."""

from __future__ import annotations

import torch
from torch import Tensor

from medcontour.contour import FourierContour
from medcontour.explain.objective import Objective
from medcontour.explain.perturbation import SHARP, Perturbation

__all__ = ["POLARITY_EVALUATIONS", "evidence_polarity"]

POLARITY_EVALUATIONS = 1.0
"""What `evidence_polarity` costs an image: four variants, forward only."""


@torch.no_grad()
def evidence_polarity(
    perturbation: Perturbation, objective: Objective, curves: FourierContour
) -> Tensor:
    """Ask the classifier which part of the evidence carries its answer.

    Two questions, forward only. Does the answer suffer more when what is brighter than the
    background is deleted, or what is darker? Does it gain when the place is brightened, or
    darkened? Both are in units of similarity, and their sum decides.

    Parameters
    ----------
    perturbation
        B images.
    objective
        As the contours were found.
    curves
        B contours.

    Returns
    -------
    Tensor
        (B,): positive where the evidence is something bright, negative for something dark.
    """
    which = torch.arange(len(perturbation), device=perturbation.images.device)
    mask = curves.mask(perturbation.points, SHARP).unsqueeze(1)
    bright = perturbation.difference.clamp_min(0.0)
    dark = perturbation.difference.clamp_max(0.0)
    away = (perturbation.points - curves.center.view(-1, 1, 1, 2)).square().sum(-1)
    # A bump half as wide as the curve, half as high as the image's own spread.
    bump = torch.exp(-away * torch.pi / curves.area().view(-1, 1, 1)).unsqueeze(1)
    bump = 0.5 * perturbation.images.std((-1, -2, -3), keepdim=True) * bump
    variants = (
        perturbation.images - mask * dark,
        perturbation.images - mask * bright,
        perturbation.images + bump,
        perturbation.images - bump,
    )
    without_dark, without_bright, brighter, darker = (
        objective.similarity(images, which) for images in variants
    )
    return (without_dark - without_bright) + (brighter - darker)
