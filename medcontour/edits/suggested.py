"""What was suggested, as curves, regions and pixels, and whether a shape of a file is of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist
from shapely import LinearRing, MultiPolygon

from medcontour.contour.polygons import deviation_mm, distances, union
from medcontour.edits.names import Key, plain
from medcontour.formats import Label, labels
from medcontour.formats.labels import KINDS
from medcontour.formats.markups.writer import control_points
from medcontour.formats.place import placed_region, plane_mm
from medcontour.formats.shapes import EditedShape
from medcontour.results import PlacedContour, Suggestion
from medcontour.results.masks import Mask, pixel_coverage, pixel_mask
from medcontour.scan import Scan

__all__ = ["Painted", "Suggested", "is_as_drawn", "same_fractions"]


@dataclass(frozen=True)
class SameConstants:
    """Within what a shape of a file is the suggested one. Chosen by hand.

    Attributes
    ----------
    point_mm
        In mm: points that are written with decimals come back as near.
    pixels
        In pixels of the finer spacing: other programs round what they write, and nobody draws so
        little.
    spline_mm
        In mm: how near the spline through points on a curve comes to it, and still stands for it.
    fraction
        How far a fraction may be from what a contour covers: files hold steps of 1/255 or so.
    rounding
        A share of a pixel that is no more than rounding of what a contour covers.
    """

    point_mm: float = 0.01
    pixels: float = 0.1
    spline_mm: float = 0.2
    fraction: float = 0.02
    rounding: float = 1e-6


SAME = SameConstants()


class Suggested:
    """What was suggested, by structure and slice; what is made of it is made once.

    Attributes
    ----------
    labels
        By name, one for each finding.
    categories
        Names of the classes.
    keys
        The structures that have contours, in the order of formats of curves.
    editable
        The kind that a reader edits.
    """

    def __init__(self, suggestion: Suggestion, scan: Scan) -> None:
        self.scan = scan
        self.labels: dict[str, Label] = {label.name: label for label in labels(suggestion)}
        self.categories = frozenset(label.category for label in self.labels.values())
        self.editable = suggestion.editable
        self._contours: dict[Key, dict[int, list[PlacedContour]]] = {}
        for label in self.labels.values():
            for kind in KINDS:
                by_slice: dict[int, list[PlacedContour]] = defaultdict(list)
                for contour in label.contours(kind):
                    by_slice[contour.slice].append(contour)
                if by_slice:
                    self._contours[label.name, kind] = dict(by_slice)
        self.keys = list(self._contours)
        self.mask = cache(self._mask)
        self.region = cache(self._region)
        self.coverage = cache(self._coverage)

    def contours(self, key: Key, k: int) -> list[PlacedContour]:
        """A structure's contours on slice `k`."""
        return self._contours.get(key, {}).get(k, [])

    def is_category(self, name: str) -> bool:
        """Whether a name in a file is that of a class, but for blanks and case."""
        return plain(name) in {plain(category) for category in self.categories}

    def on_slice(self, k: int) -> list[Key]:
        """The structures that slice `k` holds."""
        return [key for key in self.keys if k in self._contours[key]]

    def everything(self, k: int) -> Mask:
        """The pixels of slice `k` that are in any structure."""
        own = [self.mask(key, k) for key in self.on_slice(k)]
        return np.asarray(np.any(own or [self._none()], axis=0))

    def shared(self, key: Key, k: int) -> Mask:
        """The pixels of slice `k` that are in another structure."""
        others = [self.mask(other, k) for other in self.on_slice(k) if other != key]
        return np.asarray(np.any(others or [self._none()], axis=0))

    def is_mask_of(
        self, values: npt.NDArray[np.float32], key: Key, k: int, hidden: Mask | None = None
    ) -> Literal[0, 1, 2]:
        """Whether a mask is a structure's own on slice `k`, as files hold it: 2, 1, or 0 if not.

        2 where the pixels are those that we write; 1 where others of the file cover a part
        (`hidden`), where it was filled by another rule than ours (all pixels that the curve
        touches, those that it covers, those that it half covers), or where a tool put the
        outlines and the evidence of a label into one.
        """
        inside, own = values >= 0.5, self.mask(key, k)
        if np.array_equal(inside, own) or same_fractions(values, self.coverage(key, k)):
            return 2
        if hidden is not None and own.any():
            missing = own & ~inside & ~(hidden & self.shared(key, k))
            if not missing.any() and not (inside & ~own).any():
                return 1
        if any(np.array_equal(inside, filled) for filled in self.fillings(key, k)):
            return 1
        other = (key[0], "evidence" if key[1] == "outline" else "outline")
        both = own | self.mask(other, k)
        return 1 if key[1] == self.editable and np.array_equal(inside, both) else 0

    def fillings(self, key: Key, k: int) -> tuple[Mask, ...]:
        """A structure's pixels on slice `k` by each rule: ours, touched, covered, half covered."""
        share = self.coverage(key, k)
        return self.mask(key, k), share > SAME.rounding, share > 1 - SAME.rounding, share >= 0.5

    def _none(self) -> Mask:
        return np.zeros((self.scan.rows, self.scan.columns), dtype=np.bool_)

    def _mask(self, key: Key, k: int) -> Mask:
        own = [pixel_mask(c.polygon_lps_mm, self.scan, k) for c in self.contours(key, k)]
        return np.asarray(np.any(own or [self._none()], axis=0))

    def _coverage(self, key: Key, k: int) -> npt.NDArray[np.float64]:
        own = [pixel_coverage(c.polygon_lps_mm, self.scan, k) for c in self.contours(key, k)]
        return np.asarray(np.minimum(np.sum([self._none(), *own], axis=0), 1.0))

    def _region(self, key: Key, k: int) -> MultiPolygon:
        return union(placed_region(c, self.scan) for c in self.contours(key, k))


class Painted:
    """The masks of a file, slice by slice: a label map holds one label a pixel, and hides others.

    Parameters
    ----------
    shapes
        All shapes of the file.
    suggested
        What was suggested; only on its slices is anything looked at.
    """

    def __init__(self, shapes: Iterable[EditedShape], suggested: Suggested) -> None:
        self._suggested = suggested
        self._count: dict[int, npt.NDArray[np.int32]] = {}
        for shape in shapes:
            if shape.values is not None and suggested.on_slice(shape.slice):
                inside = (shape.values >= 0.5).astype(np.int32)
                before = self._count.get(shape.slice)
                self._count[shape.slice] = inside if before is None else before + inside

    def hidden(self, k: int, but: EditedShape | None = None) -> Mask:
        """Pixels of slice `k` that masks were suggested to cover, and do; one may be left out."""
        whole = self._suggested.everything(k)
        count = self._count.get(k)
        if count is None:
            return np.zeros_like(whole)
        if but is not None and but.values is not None:
            count = count - (but.values >= 0.5)
        return (count > 0) & whole


def same_fractions(
    values: npt.NDArray[np.float32], coverage: npt.NDArray[np.float64], near: Mask | None = None
) -> bool:
    """Whether fractions are what curves cover of each pixel, as an untouched file has them.

    `near` says which pixels count, by default all.
    """
    there = slice(None) if near is None else near
    if not ((values > 0) & (values < 1))[there].any():
        return False
    return bool(np.abs(values - coverage)[there].max() <= SAME.fraction)


def is_as_drawn(shape: EditedShape, contour: PlacedContour, scan: Scan) -> bool:
    """Whether a polygon is a suggested contour as files hold it, untouched.

    Where a person drags points, they are the points that we write of the contour; points added to
    these on the curve change nothing.
    """
    assert shape.polygon_lps_mm is not None
    k = shape.slice
    if k != contour.slice:
        return False
    near = max(SAME.point_mm, SAME.pixels * min(scan.pixel_spacing))
    edited, before = (plane_mm(p, scan, k) for p in (shape.polygon_lps_mm, contour.polygon_lps_mm))
    if len(edited) == len(before) and np.abs(edited - before).max() <= SAME.point_mm:
        return True
    reach = np.abs(edited.max(0) - before.max(0)).max(), np.abs(edited.min(0) - before.min(0)).max()
    if shape.handles_lps_mm is None:
        return bool(max(reach) <= near) and deviation_mm(edited, before) <= near
    handles = plane_mm(shape.handles_lps_mm, scan, k)
    written = plane_mm(control_points(contour.polygon_lps_mm, len(handles)), scan, k)
    apart = cdist(handles, written)
    if max(apart.min(axis=0).max(), apart.min(axis=1).max()) <= near:
        return True
    if max(reach) > SAME.spline_mm or distances(handles, LinearRing(before)).max() > SAME.point_mm:
        return False
    return deviation_mm(edited, before) <= SAME.spline_mm
