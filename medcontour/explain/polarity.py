"""Whether the evidence is something brighter or something darker than what surrounds it."""

from __future__ import annotations

import torch
from torch import Tensor

from medcontour.contour import FourierContour
from medcontour.explain.objective import Objective
from medcontour.explain.perturbation import Perturbation

__all__ = ["POLARITY_EVALUATIONS", "evidence_polarity"]

POLARITY_EVALUATIONS = 0.5
"""What `evidence_polarity` costs an image: one pair of variants, forward only."""

HEIGHT, WIDTH = 0.5, 0.7


@torch.no_grad()
def evidence_polarity(
    perturbation: Perturbation, objective: Objective, curves: FourierContour, which: Tensor
) -> Tensor:
    """Ask the classifier whether its answer gains when the evidence is brightened or darkened.

    A smooth bump, half as high as the image's own spread and a little narrower than the contour,
    is added at the contour's center, and taken away.

    Parameters
    ----------
    perturbation
        B images.
    objective
        As the contours were found.
    curves
        M contours.
    which
        (M,) the image of each.

    Returns
    -------
    Tensor
        (M,) difference of the similarities: positive where the evidence is something bright,
        negative for something dark.
    """
    images = perturbation.images[which]
    away = (perturbation.points - curves.center.view(-1, 1, 1, 2)).square().sum(-1)
    bump = torch.exp(-away * torch.pi / (WIDTH**2 * curves.area().view(-1, 1, 1))).unsqueeze(1)
    bump = HEIGHT * images.std((-1, -2, -3), keepdim=True) * bump
    brighter = objective.similarity(images + bump, which)
    return brighter - objective.similarity(images - bump, which)
