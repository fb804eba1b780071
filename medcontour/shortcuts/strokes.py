"""Burnt-in strokes: letters, crosses, arrows, lines, brighter than their ground."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

__all__ = ["find_strokes"]

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]


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


@dataclass(frozen=True)
class Least:
    """The least that a piece has of each figure of `_Pieces`; of what is not given, anything."""

    area: float = -np.inf
    extent: float = -np.inf
    level: float = -np.inf
    contrast: float = -np.inf
    sharpness: float = -np.inf
    calm: float = -np.inf
    rare: float = -np.inf
    even: float = -np.inf

    def met(self, pieces: _Pieces) -> BoolArray:
        """(n,): which pieces have it."""
        figures = [(getattr(pieces, f.name), getattr(self, f.name)) for f in fields(self)]
        return np.asarray(np.all([there >= least for there, least in figures], axis=0))


@dataclass(frozen=True)
class StrokeConstants:
    """What is taken for a drawn stroke.

    All values were chosen on images of the kinds in the table of `docs/concepts/shortcuts.md`:
    marks drawn on speckle and on brain MR slices. Brightness is in shares of the image's range,
    from its 0.5th percentile to its highest value.

    Attributes
    ----------
    width_share, least_width
        A stroke is up to twice as wide as this share of the shorter side, or so many pixels.
    brighter
        Than its ground: what may be a stroke.
    usual
        What counts as thin detail of the image's own, at most: marks are not to vouch for
        themselves.
    usual_reach
        Over which share of the shorter side that detail is averaged (standard deviation).
    ring
        Pixels away from a piece, from and to, that are its ring.
    least_unrest
        Added to the ring's spread, and to the usual detail, before the contrast is divided by it.
    same_value
        Within which a piece's pixels have its brightest value.
    one_value
        A piece that has one and the same value.
    drawn
        Any stroke.
    likely
        A drawn piece is likely a stroke by one of these.
    strict_level
        The level of those that are taken where only pieces of one value are.
    certain
        A likely piece is beyond doubt by one of these.
    beside
        What is nearly like a stroke, near one.
    next_share, least_next
        How near: a share of the shorter side, or pixels.
    point, point_extent
        A point of a dotted line, and how many pixels it is long at most.
    dots, dot_steps, dot_off
        Points in a straight row that make a dotted line, pixels from one to the next, and how many
        each may be off its place.
    small_side
        In pixels: on fewer anatomy is as thin as a pen.
    """

    width_share: float = 0.01
    least_width: int = 3
    brighter: float = 0.25
    usual: float = 0.15
    usual_reach: float = 1 / 16
    ring: tuple[float, float] = (1.4, 3.0)
    least_unrest: float = 0.02
    same_value: float = 0.015
    one_value: Least = Least(area=8, even=0.4)
    drawn: Least = Least(extent=4, level=0.55, contrast=0.3)
    likely: tuple[Least, ...] = (
        Least(sharpness=0.85, calm=4, rare=8),
        Least(sharpness=0.85, calm=6, rare=6),
        Least(sharpness=0.75, calm=2.5, area=8, even=0.4),
    )
    strict_level: float = 0.9
    certain: tuple[Least, ...] = (
        Least(calm=6, rare=8),
        Least(calm=6, area=8, even=0.4),
        Least(area=20, even=0.55, contrast=0.4),
    )
    beside: Least = Least(sharpness=0.8, calm=2.5, rare=4)
    next_share: float = 0.04
    least_next: int = 8
    point: Least = Least(contrast=0.3, rare=4, calm=3)
    point_extent: int = 3
    dots: int = 6
    dot_steps: tuple[float, float] = (2.5, 9.0)
    dot_off: float = 1.6
    small_side: int = 128


STROKES = StrokeConstants()
TOUCHING = np.ones((3, 3), bool)


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
        128 pixels: where the image has thin, sharp, bright pieces of its own (bone in CT).

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
    likely = STROKES.drawn.met(p) & _any(STROKES.likely, p)
    if strict or min(grey.shape) < STROKES.small_side:
        likely &= STROKES.one_value.met(p) & (p.level >= STROKES.strict_level)
    certain = likely & _any(STROKES.certain, p)
    if not certain.any() and likely.sum() < 2:
        likely[:] = False
    found = p.mask(likely)
    if likely.any():
        reach = max(STROKES.least_next, STROKES.next_share * min(grey.shape))
        near = ndimage.distance_transform_edt(~found) <= reach
        beside = ndimage.maximum(near, p.labels, np.arange(1, len(p.area) + 1)).astype(bool)
        found |= p.mask(beside & STROKES.beside.met(p))
    if not strict:
        found |= p.mask(_dotted(p))
    return np.asarray(ndimage.binary_dilation(found, TOUCHING))


def _any(of: tuple[Least, ...], pieces: _Pieces) -> BoolArray:
    return np.asarray(np.any([least.met(pieces) for least in of], axis=0))


def _pieces(grey: npt.NDArray[np.float32]) -> _Pieces | None:
    radius = max(STROKES.least_width, round(STROKES.width_share * min(grey.shape)))
    row, column = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disc = np.hypot(row, column) <= radius + 0.3
    thin = grey - ndimage.grey_opening(grey, footprint=disc)
    labels, count = ndimage.label(thin > STROKES.brighter, TOUCHING)
    if not count:
        return None
    every = np.arange(1, count + 1)
    spread = STROKES.usual_reach * min(grey.shape)
    usual = ndimage.gaussian_filter(np.minimum(thin, STROKES.usual), spread)
    away, nearest = ndimage.distance_transform_edt(labels == 0, return_indices=True)
    ring = np.where((away >= STROKES.ring[0]) & (away < STROKES.ring[1]), labels[tuple(nearest)], 0)
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
        calm=contrast / (np.nan_to_num(unrest, nan=1.0) + STROKES.least_unrest),
        rare=contrast / (ndimage.mean(usual, labels, every) + STROKES.least_unrest),
        even=ndimage.mean(grey >= top[labels] - STROKES.same_value, labels, every),
        centre=np.array(ndimage.center_of_mass(labels > 0, labels, every)),
    )


def _dotted(pieces: _Pieces) -> BoolArray:
    """(n,): the pieces that are points of a straight row with even steps."""
    found = np.zeros(len(pieces.area), bool)
    points = np.flatnonzero((pieces.extent <= STROKES.point_extent) & STROKES.point.met(pieces))
    if len(points) < STROKES.dots:
        return found
    at = pieces.centre[points]
    tree = cKDTree(at)
    pairs = tree.query_pairs(STROKES.dot_steps[1], output_type="ndarray")
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    pairs = pairs[np.hypot(*(at[pairs[:, 1]] - at[pairs[:, 0]]).T) >= STROKES.dot_steps[0]]
    rows = [pairs[:, 0], pairs[:, 1]]
    for done in range(1, STROKES.dots - 1):
        first, last = at[rows[0]], at[rows[-1]]
        missed, following = tree.query(last + (last - first) / done)
        kept = missed <= STROKES.dot_off
        rows = [column[kept] for column in rows] + [following[kept]]
    found[points[np.unique(np.concatenate(rows))]] = True
    return found
