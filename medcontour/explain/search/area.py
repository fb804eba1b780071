"""Curves rescaled to an area."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from medcontour.contour import FourierContour, PlaneGeometry

__all__ = ["scaled_to_area"]


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
