"""Surfaces cut by planes: closed polygons."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from skimage import measure
from torch import Tensor

from medcontour.contour.surface import HarmonicSurface

__all__ = ["cut"]

CELLS = 256
DETAIL = 5
STEPS = 14
ROUNDS = 6


@torch.no_grad()
def cut(
    surface: HarmonicSurface, origin: Tensor, axes: Tensor, tolerance: float = 1e-4
) -> list[Tensor]:
    """Cut one surface by a plane: where the two meet, as polygons in the plane.

    A plane through the center meets a star-convex surface in one star-convex loop. Any other may
    meet it in none, one or several, one inside another among them. They are looked for on a grid
    of 256 cells over what the plane can meet, so that a loop or a gap narrower than a cell may be
    missed; what is found has its vertices on the surface to rounding, and its edges within the
    tolerance of it.

    Parameters
    ----------
    surface
        One surface.
    origin
        (3,): where the plane's coordinates begin, in volume coordinates.
    axes
        (2, 3): perpendicular unit vectors in the plane. The polygons' points are ``origin + s *
        axes[0] + t * axes[1]``.
    tolerance
        In volume coordinates. The default is 0.05 mm or less in volumes up to a metre long.

    Returns
    -------
    list of Tensor
        (V, 2) float64 points (s, t) of each loop, the first not repeated; the surface's inside is
        to the left of every edge, so loops around it are counter-clockwise and holes clockwise.

    Raises
    ------
    ValueError
        For a batch of surfaces, or axes that are not perpendicular and of length one.

    Examples
    --------
    >>> import math
    >>> ball = HarmonicSurface.spheres(torch.zeros(1, 3), torch.tensor([0.5]))
    >>> axes = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    >>> (loop,) = cut(ball, torch.tensor([0.0, 0.0, 0.3]), axes)
    >>> bool((loop.norm(dim=-1) - 0.4).abs().max() < 1e-6)
    True
    >>> cut(ball, torch.tensor([0.0, 0.0, 0.6]), axes)
    []
    """
    if len(surface) != 1:
        raise ValueError(f"cut wants one surface, this batch holds {len(surface)}")
    surface, origin, axes = surface.to(torch.float64), origin.double(), axes.double()
    if not torch.allclose(axes @ axes.T, torch.eye(2, dtype=torch.float64), atol=1e-5):
        raise ValueError("the plane's axes are not perpendicular unit vectors; normalise them")
    # Any two axes that are nearly so are made to be exactly so.
    first = axes[0] / axes[0].norm()
    second = axes[1] - (axes[1] @ first) * first
    axes = torch.stack([first, second / second.norm()])

    def gap(plane: Tensor) -> Tensor:
        return surface.gap(origin + plane @ axes)[0]

    window = _window(surface, origin, axes)
    if window is None:
        return []
    low, step = window
    index = torch.stack(
        torch.meshgrid(*2 * [torch.arange(CELLS + 1, dtype=torch.float64)], indexing="ij"), -1
    )
    values = gap(low + index * step)
    values = torch.where(values == 0, torch.finfo(torch.float64).tiny, values)
    rim = (index == 0) | (index == CELLS)
    values = torch.where(rim.any(-1), -values.abs(), values)
    loops = []
    for found in measure.find_contours(values.numpy(), 0.0, positive_orientation="high"):
        ends = torch.from_numpy(np.stack([np.floor(found), np.ceil(found)]))[:, :-1]
        loop = _zeros(gap, *(low + ends * step))
        loops.append(_refined(gap, loop, tolerance))
    return loops


def _window(surface: HarmonicSurface, origin: Tensor, axes: Tensor) -> tuple[Tensor, Tensor] | None:
    """Corner and cells of a grid in the plane over all that it can meet; None: it meets nothing."""
    mesh, triangles = surface.mesh(DETAIL)
    vertices = mesh[0]
    longest = (vertices[triangles] - vertices[triangles.roll(1, 1)]).norm(dim=-1).max()
    offsets = vertices - origin
    height = (offsets @ torch.linalg.cross(axes[0], axes[1])).abs()
    near = height <= longest
    if not bool(near.any()):
        return None
    plane = offsets[near] @ axes.T
    low, high = plane.amin(0) - 2 * longest, plane.amax(0) + 2 * longest
    return low, (high - low) / CELLS


def _zeros(gap: Callable[[Tensor], Tensor], one: Tensor, other: Tensor) -> Tensor:
    """Points (V, 2) between two ends of different sign where the gap vanishes.

    By false position, where an end that stays has its value halved (the Illinois rule).
    """
    ends, values = [one, other], [gap(one), gap(other)]
    for _ in range(STEPS):
        share = values[0] / (values[0] - values[1])
        middle = ends[0] + share.unsqueeze(-1) * (ends[1] - ends[0])
        value = gap(middle)
        first = (value > 0) == (values[0] > 0)  # the middle takes the first end's place
        for end, takes in enumerate((first, ~first)):
            ends[end] = torch.where(takes.unsqueeze(-1), middle, ends[end])
            values[end] = torch.where(takes, value, values[end] / 2)
    return middle


def _refined(gap: Callable[[Tensor], Tensor], loop: Tensor, tolerance: float) -> Tensor:
    """The loop with vertices between those whose edge is off the surface by the tolerance."""
    for _ in range(ROUNDS):
        following = loop.roll(-1, 0)
        edge = following - loop
        middle = (loop + following) / 2
        # Across the edge, as far as half its length: more would be no bow but another branch.
        across = torch.stack([-edge[:, 1], edge[:, 0]], -1) / 2
        ends = middle - across, middle + across
        bowed = (gap(ends[0]) > 0) != (gap(ends[1]) > 0)
        between = _zeros(gap, *ends)
        far = bowed & ((between - middle).norm(dim=-1) > tolerance / 2)
        if not bool(far.any()):
            break
        pairs = torch.stack([loop, between], 1).flatten(0, 1)
        loop = pairs[torch.stack([torch.ones_like(far), far], 1).flatten()]
    return loop
