"""The outline of what a network drew on an image."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from skimage import measure
from torch import Tensor

from medcontour.contour import PlaneShape, fit_polygon
from medcontour.contour.parts import largest_part
from medcontour.outline.outliner import Outline

__all__ = ["drawn_outline", "soft_dice"]

LEAST_PIXELS = 4
"""Of the map: a smaller part of it is no outline."""

HELD = 0.95
"""Dice of a curve and the region that it is fitted to, below which that keeps its exact polygon."""

Mask = npt.NDArray[np.bool_]


def drawn_outline(drawn: Tensor, points: Tensor, near: PlaneShape, energy: float) -> Outline | None:
    """Give the outline of a map's part that a contour lies on, else of its largest.

    Parameters
    ----------
    drawn
        (H, W) how likely each pixel belongs to the object; it does above one half.
    points
        (H, W, 2) plane coordinates of the pixels.
    near
        One contour.
    energy
        As of `Outline`.

    Returns
    -------
    The curve of the part, its holes filled, and its polygon where no such curve holds that; None
    where the map holds no part.

    Examples
    --------
    >>> from medcontour.contour import FourierContour, PlaneGeometry
    >>> points = PlaneGeometry(64, 64).pixel_centres()
    >>> near = FourierContour.circles(torch.zeros(1, 2), torch.tensor([0.1]))
    >>> outline = drawn_outline((points.norm(dim=-1) < 0.5).float(), points, near, -1.0)
    >>> round(float(outline.contour.mean_radius), 2), outline.exact
    (0.5, None)
    """
    part = _part_of(drawn, points, near)
    if part is None:
        return None
    polygon = _polygon_of(part, drawn, points)
    curve = fit_polygon(polygon).to(torch.float32)
    inside = curve.contains(points).float()
    held = float(soft_dice(inside, torch.from_numpy(part)[None].float()))
    return Outline(curve, energy, clear=True, exact=polygon if held < HELD else None)


def soft_dice(one: Tensor, other: Tensor) -> Tensor:
    """(N,) Dice of two (N, H, W) of maps from 0 to 1.

    Examples
    --------
    >>> soft_dice(torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[0.5, 0.5]]]))
    tensor([0.5000])
    """
    both: Tensor = 2 * (one * other).sum((1, 2))
    return both / (one + other).sum((1, 2)).clamp_min(1e-6)


def _part_of(drawn: Tensor, points: Tensor, near: PlaneShape) -> Mask | None:
    """(H, W) a map's part that a contour lies on, else its largest; None where none is."""
    numbers = drawn.numpy()
    parts, _ = ndimage.label(numbers > 0.5)
    under = parts[near.to("cpu").contains(points)[0].numpy()]
    touched = np.bincount(under, minlength=2)[1:]
    own = parts == 1 + int(np.argmax(touched)) if touched.any() else largest_part(numbers > 0.5)
    return ndimage.binary_fill_holes(own) if own.sum() >= LEAST_PIXELS else None


def _polygon_of(part: Mask, drawn: Tensor, points: Tensor) -> Tensor:
    """(V, 2) plane coordinates of the boundary of a part, where the map passes one half."""
    numbers = drawn.numpy()
    alone = np.pad(np.where(part, numbers.clip(0.51), numbers.clip(max=0.49)), 1)
    outer = torch.from_numpy(max(measure.find_contours(alone, 0.5), key=len)[:-1] - 1)
    return _between(points, outer)


def _between(points: Tensor, index: Tensor) -> Tensor:
    """(V, 2) plane coordinates at (row, column) indices of a map; affine, so also beyond."""
    origin = points[0, 0].double()
    down, right = points[1, 0].double() - origin, points[0, 1].double() - origin
    return origin + index[:, :1] * down + index[:, 1:] * right
