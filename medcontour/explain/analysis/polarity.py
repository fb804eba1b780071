"""Whether the evidence is something brighter or something darker than what surrounds it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from medcontour.contour import Shape
from medcontour.explain.objectives.objective import Objective
from medcontour.explain.perturbation import Perturbation

__all__ = ["POLARITY_EVALUATIONS", "evidence_polarity"]

POLARITY_EVALUATIONS = 0.5
"""What `evidence_polarity` costs a contour: one pair of variants, forward only."""


@dataclass(frozen=True)
class PolarityConstants:
    """How the two variants of the image are made. Chosen by hand.

    Attributes
    ----------
    surroundings
        Width of the margin around the contour, in its mean radii.
    quantiles
        Of the place's values: what the bright is brought down to, and the dark up to.
    sharpness
        tau of the mask within which the image is changed: a softer edge than the one by which
        contours are judged.
    most_values
        Of a larger input the quartiles are read from some, evenly spread.
    """

    surroundings: float = 0.3
    quantiles: tuple[float, float] = (0.25, 0.75)
    sharpness: float = 60.0
    most_values: int = 4_000_000


POLARITY = PolarityConstants()


@torch.no_grad()
def evidence_polarity(
    perturbation: Perturbation, objective: Objective, curves: Shape, which: Tensor
) -> Tensor:
    """Ask the classifier which costs it more: what is bright in the contour, or what is dark.

    Two variants of the image: inside the contour all values above the lower quartile of the
    place are brought down to it, so that anything bright there is gone; or all below the upper
    quartile are brought up. The place is the contour with a margin of 0.3 of its mean radius, so
    that its quartiles hold the surroundings.

    Parameters
    ----------
    perturbation
        B images, or volumes.
    objective
        As the contours were found.
    curves
        M contours, or surfaces.
    which
        (M,) the image of each.

    Returns
    -------
    Tensor
        (M,) difference of the similarities: positive where the evidence is something bright,
        negative for something dark.
    """
    images = perturbation.images[which]
    points = perturbation.points
    ones = (1,) * (points.ndim - 1)
    margin = POLARITY.surroundings * curves.mean_radius.view(-1, *ones)
    place = curves.gap(points) > -margin
    place |= place.logical_not().flatten(1).all(1).view(-1, *ones)  # outside the image: all of it
    values = images.masked_fill(~place.unsqueeze(1), torch.nan).flatten(2)
    values = values[..., :: 1 + values.shape[-1] // POLARITY.most_values]
    low, high = torch.nanquantile(values, values.new_tensor(POLARITY.quantiles), dim=-1)
    inside = curves.mask(points, POLARITY.sharpness).unsqueeze(1)
    without_bright = images.minimum(low.view(*low.shape, *ones))
    without_dark = images.maximum(high.view(*high.shape, *ones))
    bright_gone = objective.similarity(torch.lerp(images, without_bright, inside), which)
    dark_gone = objective.similarity(torch.lerp(images, without_dark, inside), which)
    return dark_gone - bright_gone
