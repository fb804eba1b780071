"""How much of an image one curve may cover, and curves rescaled to an area."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from medcontour.contour import FourierContour, PlaneGeometry
from medcontour.errors import MedcontourError

__all__ = ["LARGEST_AREA", "LEAST_AREA", "check_area", "scaled_to_area"]

LEAST_AREA, LARGEST_AREA = 0.001, math.pi / 4
"""Fractions of the image that one curve reaches.

A circle about the middle of a square plane covers pi / 4 of it; a curve of less than a thousandth,
a few pixels, explains nothing.
"""


def check_area(area: float) -> None:
    """Refuse a fraction of the image that one contour does not reach.

    Raises
    ------
    MedcontourError
        Outside [0.001, 0.785].

    Examples
    --------
    >>> check_area(0.3)
    >>> check_area(0.9)
    Traceback (most recent call last):
    medcontour.errors.MedcontourError: An area fraction of 0.9 is out of reach: one contour covers \
from 0.001 to 0.785 of the image; ask for a fraction in that range.
    """
    if not LEAST_AREA <= area <= LARGEST_AREA:
        raise MedcontourError(
            f"An area fraction of {area:g} is out of reach: one contour covers from "
            f"{LEAST_AREA:g} to {LARGEST_AREA:.3f} of the image; ask for a fraction in that range."
        )


@torch.no_grad()
def scaled_to_area(
    curves: FourierContour, plane: PlaneGeometry, fraction: float | Tensor
) -> FourierContour:
    """Rescale ``log`` curves about their centers until they cover a part of the plane.

    Parameters
    ----------
    curves
        N curves whose centers lie inside the plane.
    plane
        What they lie in. Only what is inside it counts (decision 5 of Eq. 7's area).
    fraction
        Share of the plane, one value or (N,).

    Examples
    --------
    >>> plane = PlaneGeometry(rows=40, columns=80, pixel_spacing=(3.0, 1.0))
    >>> corner = FourierContour.circles(torch.tensor([[0.6, 0.9]]), torch.tensor([0.1]))
    >>> half = scaled_to_area(corner, plane, 0.5)
    >>> round(half.area_inside(plane).item() / plane.area, 4)
    0.5
    """
    curves = curves.detach()
    low, high = curves.size - 4.0, curves.size + 4.0
    for _ in range(30):
        middle = (low + high) / 2
        large = replace(curves, size=middle).area_inside(plane) > fraction * plane.area
        low, high = torch.where(large, low, middle), torch.where(large, middle, high)
    return replace(curves, size=(low + high) / 2)
