"""Shapes rescaled to an area or a volume."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor

from medcontour.contour import Shape, Space

__all__ = ["scaled_to_area"]

Scaled = TypeVar("Scaled", bound=Shape)


@torch.no_grad()
def scaled_to_area(curves: Scaled, space: Space, fraction: float | Tensor) -> Scaled:
    """Rescale ``log`` shapes about their centers until they cover a part of their space.

    Parameters
    ----------
    curves
        N curves or surfaces whose centers lie inside the space.
    space
        What they lie in. Only what is inside it counts (decision 5 of Eq. 7's area).
    fraction
        Share of the plane or volume, one value or (N,).

    Examples
    --------
    >>> from medcontour.contour import FourierContour, PlaneGeometry
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
        large = _of_size(curves, middle).share_inside(space) > fraction
        low, high = torch.where(large, low, middle), torch.where(large, middle, high)
    return _of_size(curves, (low + high) / 2)


def _of_size(curves: Scaled, size: Tensor) -> Scaled:
    return curves.with_tensors(curves.tensors() | {"size": size})
