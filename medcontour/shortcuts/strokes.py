"""Burnt-in strokes: letters, crosses, arrows, lines, brighter than their ground."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

__all__ = ["find_strokes"]

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]

WIDTH_SHARE, LEAST_WIDTH = 0.01, 3
"""A stroke is up to twice as wide as this share of the shorter side, or so many pixels."""

BRIGHTER = 0.25
"""Than its ground, as a share of the image's range: what may be a stroke."""

USUAL = 0.15
"""What counts as thin detail of the image's own, at most: marks are not to vouch for themselves."""

NEXT_SHARE, LEAST_NEXT = 0.04, 8
"""How far from a mark its paler neighbours may lie."""

DOTS, STEP, OFF = 6, (2.5, 9.0), 1.6
"""Points in a straight row that make a dotted line, pixels from one to the next, and how many
each may be off its place."""

SMALL_SIDE = 128
"""On fewer pixels anatomy is as thin as a pen."""

TOUCHING = np.ones((3, 3), bool)


@dataclass(frozen=True)
class _Pieces:
    """Thin bright pieces of a picture: arrays of (n,), brightness in shares of the range.

    Attributes
    ----------
    labels
        (rows, columns): 0, or the number of a piece from 1.
    extent
        The longer side of its box in pixels.
    level
        Mean brightness.
    contrast
        That, less the mean of a ring two pixels away.
    sharpness
        The contrast over what the piece stands out by at any distance: near 1 where its edge is
        as sharp as a drawn one.
    calm
        The contrast over the spread of the ring.
    rare
        The contrast over the usual thin detail of that part of the image.
    even
        The part of its pixels that have its brightest value.
    centre
        (n, 2) row and column.
    """

    labels: npt.NDArray[np.int32]
    area: FloatArray
    extent: FloatArray
    level: FloatArray
    contrast: FloatArray
    sharpness: FloatArray
    calm: FloatArray
    rare: FloatArray
    even: FloatArray
    centre: FloatArray

    def mask(self, which: BoolArray) -> BoolArray:
        """(rows, columns) of some pieces."""
        return np.concatenate([[False], which])[self.labels]


def find_strokes(grey: npt.NDArray[np.float32], *, strict: bool = False) -> BoolArray:
    """Find what was drawn into a picture with a bright pen.

    Goes by pieces that are thin, bright and sharp-edged: those that stand on calm ground far above
    the image's own thin detail, or have one and the same value; two of them, or one that is beyond
    doubt; what is nearly like them beside them; and straight, even rows of points. Blurred or pale
    strokes on a bright, busy ground are missed; dark strokes are not looked for.

    Parameters
    ----------
    grey
        (rows, columns).
    strict
        Take only strokes of one value near the image's highest, as on images of fewer than
        `SMALL_SIDE` pixels: where the image has thin, sharp, bright pieces of its own (bone in
        CT).

    Returns
    -------
    numpy.ndarray
        (rows, columns) bool, with a margin of one pixel.

    Examples
    --------
    >>> picture = np.zeros((64, 64), np.float32)
    >>> picture[30, 20:29] = picture[26:35, 24] = 1.0  # a cross
    >>> picture[50:60, 40:60] = 0.8  # a block
    >>> found = find_strokes(picture)
    >>> bool(found[30, 22]), bool(found[55, 50])
    (True, False)
    """
    low, high = float(np.percentile(grey, 0.5)), float(grey.max())
    pieces = _pieces(((grey - low) / max(high - low, 1e-12)).clip(0, 1))
    if pieces is None:
        return np.zeros(grey.shape, bool)
    p = pieces
    one_value = (p.area >= 8) & (p.even >= 0.4)
    drawn = (p.extent >= 4) & (p.level >= 0.55) & (p.contrast >= 0.3)
    likely = drawn & (
        ((p.sharpness >= 0.85) & (p.calm >= 4) & (p.rare >= 8))
        | ((p.sharpness >= 0.85) & (p.calm >= 6) & (p.rare >= 6))
        | ((p.sharpness >= 0.75) & (p.calm >= 2.5) & one_value)
    )
    if strict or min(grey.shape) < SMALL_SIDE:
        likely &= one_value & (p.level >= 0.9)
    surely_one = one_value & (p.area >= 20) & (p.even >= 0.55) & (p.contrast >= 0.4)
    certain = likely & (((p.calm >= 6) & ((p.rare >= 8) | one_value)) | surely_one)
    if not certain.any() and likely.sum() < 2:
        likely[:] = False
    found = p.mask(likely)
    if likely.any():
        reach = max(LEAST_NEXT, NEXT_SHARE * min(grey.shape))
        near = ndimage.distance_transform_edt(~found) <= reach
        beside = ndimage.maximum(near, p.labels, np.arange(1, len(p.area) + 1)).astype(bool)
        found |= p.mask(beside & (p.sharpness >= 0.8) & (p.calm >= 2.5) & (p.rare >= 4))
    if not strict:
        found |= p.mask(_dotted(p))
    return np.asarray(ndimage.binary_dilation(found, TOUCHING))


def _pieces(grey: npt.NDArray[np.float32]) -> _Pieces | None:
    radius = max(LEAST_WIDTH, round(WIDTH_SHARE * min(grey.shape)))
    row, column = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disc = np.hypot(row, column) <= radius + 0.3
    thin = grey - ndimage.grey_opening(grey, footprint=disc)
    labels, count = ndimage.label(thin > BRIGHTER, TOUCHING)
    if not count:
        return None
    every = np.arange(1, count + 1)
    usual = ndimage.gaussian_filter(np.minimum(thin, USUAL), min(grey.shape) / 16)
    away, nearest = ndimage.distance_transform_edt(labels == 0, return_indices=True)
    ring = np.where((away >= 1.4) & (away < 3), labels[tuple(nearest)], 0)
    top = np.concatenate([[2.0], ndimage.maximum(grey, labels, every)])
    level = ndimage.mean(grey, labels, every)
    with np.errstate(invalid="ignore", divide="ignore"):  # a piece whose ring others have taken
        around, unrest = (f(grey, ring, every) for f in (ndimage.mean, ndimage.standard_deviation))
    contrast = np.nan_to_num(level - around)
    return _Pieces(
        labels=labels,
        area=ndimage.sum(labels > 0, labels, every),
        extent=np.array(
            [max(s.stop - s.start for s in box) for box in ndimage.find_objects(labels)]
        ),
        level=level,
        contrast=contrast,
        sharpness=contrast / ndimage.mean(thin, labels, every),
        calm=contrast / (np.nan_to_num(unrest, nan=1.0) + 0.02),
        rare=contrast / (ndimage.mean(usual, labels, every) + 0.02),
        even=ndimage.mean(grey >= top[labels] - 0.015, labels, every),
        centre=np.array(ndimage.center_of_mass(labels > 0, labels, every)),
    )


def _dotted(pieces: _Pieces) -> BoolArray:
    """(n,): the pieces that are points of a straight row with even steps."""
    found = np.zeros(len(pieces.area), bool)
    points = np.flatnonzero(
        (pieces.extent <= 3) & (pieces.contrast >= 0.3) & (pieces.rare >= 4) & (pieces.calm >= 3)
    )
    if len(points) < DOTS:
        return found
    at = pieces.centre[points]
    tree = cKDTree(at)
    pairs = tree.query_pairs(STEP[1], output_type="ndarray")
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    pairs = pairs[np.hypot(*(at[pairs[:, 1]] - at[pairs[:, 0]]).T) >= STEP[0]]
    rows = [pairs[:, 0], pairs[:, 1]]
    for done in range(1, DOTS - 1):
        first, last = at[rows[0]], at[rows[-1]]
        missed, following = tree.query(last + (last - first) / done)
        kept = missed <= OFF
        rows = [column[kept] for column in rows] + [following[kept]]
    found[points[np.unique(np.concatenate(rows))]] = True
    return found
