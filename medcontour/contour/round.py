"""Discs and balls: the roundest shapes of a plane and of a volume, and how much they take of it."""

from __future__ import annotations

import math

from torch import Tensor

from medcontour.contour.fourier import FourierContour
from medcontour.contour.link import Parametrisation
from medcontour.contour.plane import PlaneGeometry
from medcontour.contour.surface import HarmonicSurface
from medcontour.contour.volume import VolumeGeometry

__all__ = ["Space", "round_shapes", "unit_share"]

Space = PlaneGeometry | VolumeGeometry
"""What holds shapes: a plane or a volume."""


def round_shapes(
    center: Tensor,
    radius: Tensor,
    harmonics: int = 5,
    parametrisation: Parametrisation = "log",
) -> FourierContour | HarmonicSurface:
    """Circles about (N, 2) centers, or spheres about (N, 3), with (N,) radii.

    Parameters
    ----------
    center, radius
        In coordinates of their space.
    harmonics
        K of curves, L of surfaces.
    parametrisation
        Of the radius.
    """
    if center.shape[1] == 2:
        return FourierContour.circles(center, radius, harmonics, parametrisation)
    return HarmonicSurface.spheres(center, radius, harmonics, parametrisation)


def unit_share(space: Space) -> float:
    """Share of a space that a disc or ball of radius one is as large as; one of r takes r^n of it.

    Examples
    --------
    >>> unit_share(PlaneGeometry(10, 10)) == math.pi / 4
    True
    >>> round(unit_share(VolumeGeometry(10, 10, 10)) * 6 / math.pi, 12)
    1.0
    """
    axes = len(space.extent)
    ball = math.pi ** (axes / 2) / math.gamma(axes / 2 + 1)
    share: float = ball / (2**axes * math.prod(space.extent))
    return share
