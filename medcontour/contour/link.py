"""From a series to a radius above zero: the two parametrisations that curves and surfaces share."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

__all__ = ["LOG_REACH", "Parametrisation", "mean_radius", "radius_and_slope", "reach", "size_of"]

Parametrisation = Literal["bounded", "log"]

SMALLEST, LARGEST = 0.1, 1.0  # R_min and R_max of Eq. 12

LOG_REACH = math.log(1e4)
"""Largest ``|log r|`` of ``log``: nothing overflows, and float32 vertices stay apart."""


def size_of(radius: Tensor, parametrisation: Parametrisation) -> Tensor:
    """(N,) sizes of circles or spheres; ``bounded`` brings radii into what it holds, (0.1, 1)."""
    if parametrisation == "log":
        return radius.log()
    share = ((radius - SMALLEST) / (LARGEST - SMALLEST)).clamp(1e-3, 1 - 1e-3)
    return torch.logit(share)


def mean_radius(size: Tensor, parametrisation: Parametrisation) -> Tensor:
    """(N,): r0, the inverse of `size_of`."""
    if parametrisation == "log":
        return size.exp()
    return SMALLEST + (LARGEST - SMALLEST) * size.sigmoid()


def reach(middle: Tensor) -> Tensor:
    """(N,): s of Eq. 12, the most that ``bounded`` radii differ from their r0."""
    return torch.minimum(middle - SMALLEST, LARGEST - middle)


def radius_and_slope(
    size: Tensor, series: Tensor, parametrisation: Parametrisation
) -> tuple[Tensor, Tensor]:
    """Radii of (N,) sizes and (N, ...) series u, and ``dr / du``."""
    rest = (1,) * (series.ndim - 1)
    if parametrisation == "log":
        total = size.view(-1, *rest) + series
        radius = torch.exp(total.clamp(-LOG_REACH, LOG_REACH))
        return radius, radius * (total.abs() <= LOG_REACH)
    middle = mean_radius(size, parametrisation)
    most, share = reach(middle).view(-1, *rest), torch.tanh(series)
    return middle.view(-1, *rest) + most * share, most * (1 - share * share)
