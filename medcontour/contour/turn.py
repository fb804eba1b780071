"""Star-convex shapes turned about their centers: their parameters, exactly."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from medcontour.contour.fourier import FourierContour
from medcontour.contour.sphere import quadrature
from medcontour.contour.spherical import series
from medcontour.contour.surface import HarmonicSurface

__all__ = ["turned", "turned_surface"]


def turned(curve: FourierContour, angle: Tensor) -> FourierContour:
    """Turn one curve about its center by (M,) angles in radians, frame included."""
    count = len(angle)
    k = torch.arange(1, curve.harmonics.shape[1] + 1, device=angle.device) * angle.unsqueeze(-1)
    a, b = curve.harmonics.unbind(-1)
    harmonics = torch.stack([a * k.cos() - b * k.sin(), a * k.sin() + b * k.cos()], -1)
    p, q = curve.frame.unbind(-1)
    double = 2 * angle
    frame = torch.stack(
        [p * double.cos() - q * double.sin(), p * double.sin() + q * double.cos()], -1
    )
    return replace(
        curve,
        center=curve.center.expand(count, 2).clone(),
        size=curve.size.expand(count).clone(),
        harmonics=harmonics,
        frame=frame,
    )


def turned_surface(surface: HarmonicSurface, turns: Tensor) -> HarmonicSurface:
    """Turn one surface about its center, frame included.

    The harmonics of a degree turn among themselves. What they become is the turned series'
    projection on each, by a quadrature that is exact for it.

    Parameters
    ----------
    surface
        One surface.
    turns
        (M, 3, 3) matrices of rotations in volume coordinates.

    Returns
    -------
    HarmonicSurface
        M surfaces: each holds ``center + R (x - center)`` for every x that `surface` holds.

    Examples
    --------
    >>> ball = HarmonicSurface.spheres(torch.zeros(1, 3), torch.tensor([0.5]))
    >>> long = replace(ball, frame=torch.tensor([[0.5, -0.25, 0.0, 0.0, 0.0]]))
    >>> quarter = torch.tensor([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]])
    >>> turned_surface(long, quarter).frame.tolist()
    [[-0.25, 0.5, 0.0, 0.0, 0.0]]
    """
    count, number = len(turns), surface.harmonics.shape[1]
    directions, weights = (part.to(surface.center) for part in quadrature(surface.degree + 1))
    # Where each direction was before the turn: R^T n.
    before = (turns.unsqueeze(1) * directions.unsqueeze(-1)).sum(-2)
    x, y, z = before.unbind(-1)
    values = series((x, y, z), surface.harmonics.expand(count, number))
    x, y, z = directions.expand(number, *directions.shape).unbind(-1)
    basis = series((x, y, z), torch.eye(number, dtype=values.dtype, device=values.device))
    # The mean square of a harmonic is one half, so its integral over the sphere is 2 pi.
    harmonics = ((values * weights).unsqueeze(1) * basis).sum(-1) / (2 * math.pi)
    p, q, a, b, c = surface.frame[0].unbind(-1)
    logarithm = torch.stack([torch.stack(row) for row in ((p, a, b), (a, q, c), (b, c, -p - q))])
    frame = turns @ logarithm @ turns.mT
    return replace(
        surface,
        center=surface.center.expand(count, 3).clone(),
        size=surface.size.expand(count).clone(),
        harmonics=harmonics,
        frame=torch.stack(
            [frame[:, i, j] for i, j in ((0, 0), (1, 1), (0, 1), (0, 2), (1, 2))], -1
        ),
    )
