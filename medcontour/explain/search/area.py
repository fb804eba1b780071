"""What a shape's area or volume costs, and shapes rescaled to it."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor

from medcontour.contour import Shape, Space

__all__ = ["area_cost", "scaled_to_area"]

Scaled = TypeVar("Scaled", bound=Shape)


def area_cost(share: Tensor, space: Space) -> Tensor:
    r"""What lambda_a of Eq. 5 is the price of: the share of a plane, of a volume to the power 2/3.

    .. math:: \left(|V| / |\Omega|\right)^{2/3}

    goes with the square of the size, as an area does. By the share of the volume itself, a ball of
    a tenth of the volume's width would cost 0.0005 where a disc of a tenth of an image's width
    costs 0.008: nothing would hold a surface back.

    Parameters
    ----------
    share
        (N,) of the plane or volume.
    space
        Which of them.

    Examples
    --------
    >>> from medcontour.contour import PlaneGeometry, VolumeGeometry
    >>> share = torch.tensor([0.001, 1.0])
    >>> area_cost(share, PlaneGeometry(10, 10)).tolist() == share.tolist()
    True
    >>> [round(cost, 4) for cost in area_cost(share, VolumeGeometry(10, 10, 10)).tolist()]
    [0.01, 1.0]
    """
    axes = len(space.extent)
    return share if axes == 2 else share.clamp_min(1e-12) ** (2 / axes)


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
