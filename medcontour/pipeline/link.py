"""Which contours on neighbouring slices belong to one object in the patient: pure geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
import numpy.typing as npt
import shapely

from medcontour.contour.polygons import overlap, region
from medcontour.scan import Scan

__all__ = ["LINKING", "Extent", "Linking", "in_plane", "link"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Linking:
    """When two contours are of one object.

    Attributes
    ----------
    bridged
        Slices between two linked ones that may have no contour of the object. One, as a classifier
        whose score hovers about its threshold skips single slices.
    farthest
        How far apart two linked slices may lie at most, in median distances of neighbouring
        slices: two of them are a bridged slice, and the rest allows for uneven ones.
    slant
        Gap in the plane of two contours on linked slices, in mm for each mm between the slices. An
        object's side that leaves the slices' normal by 27 degrees moves by half their distance;
        more would join an object of 5 mm to another beside it on slices 5 mm apart.
    digits
        Decimals of a millimetre (and of an overlap) that count, so that rounding in the patient's
        coordinates decides nothing.
    """

    bridged: int = 1
    farthest: float = 2.5
    slant: float = 0.5
    digits: int = 6


LINKING = Linking()


@dataclass(frozen=True)
class Extent:
    """What one contour encloses.

    Attributes
    ----------
    slice
        Index of its slice.
    polygon_lps_mm
        (n, 3) corners in the slice's plane, LPS mm; the first is not repeated.
    stands_in
        Whether it is evidence in the place of an outline that its slice does not have.
    """

    slice: int
    polygon_lps_mm: FloatArray
    stands_in: bool = False


def link(
    extents: Sequence[Extent], scan: Scan, linking: Linking = LINKING
) -> list[tuple[int, ...]]:
    """Group contours into objects, each with one contour a slice at most.

    Two contours are linked where they overlap, or nearly do, as seen along the slices' normal
    from their true places; the greatest overlaps come first, and among equal ones the nearest
    slices, then the place in the plane, never the order of `extents`. Two contours on one slice
    are never of one object, also where both overlap the same contour on the next. Evidence that
    stands in for an outline is broad and says little of an object's borders: through it, two
    objects are joined only where their nearest outlines overlap, or nearly do, as well.

    Parameters
    ----------
    extents
        In any order.
    scan
        What they were found on.
    linking
        When two are of one object.

    Returns
    -------
    list of tuple of int
        The places in `extents` of each object's contours, by slice; every contour is in one. The
        objects are in order of their first slices.

    Examples
    --------
    >>> affine = np.diag([1.0, 1.0, 3.0, 1.0])
    >>> origins = np.arange(3)[:, None] * affine[:3, 2]
    >>> scan = Scan(np.zeros((3, 9, 9), np.float32), affine, origins, "mm", "CT", "memory", (0, 1))
    >>> square = np.array([[1, 1], [4, 1], [4, 4], [1, 4]])
    >>> link([Extent(k, scan.to_lps(square + shift, k)) for k, shift in [(2, 1), (0, 0)]], scan)
    [(1, 0)]
    """
    layout = _Layout(extents, scan, linking)
    objects = [{i} for i in range(len(extents))]
    for i, j in layout.pairs():
        joined = objects[i] | objects[j]
        if len({extents[n].slice for n in joined}) < len(joined):
            continue
        through_evidence = extents[i].stands_in or extents[j].stands_in
        if through_evidence and not layout.hang_together(objects[i], objects[j]):
            continue
        for n in joined:
            objects[n] = joined
    by_slice = {tuple(sorted(own, key=lambda n: extents[n].slice)) for own in objects}
    return sorted(by_slice, key=lambda own: (extents[own[0]].slice, own))


class _Layout:
    """How contours lie to each other, seen along the slices' normal from their true places."""

    def __init__(self, extents: Sequence[Extent], scan: Scan, linking: Linking) -> None:
        self.extents, self.linking = extents, linking
        self.heights = [float(scan.slice_heights_mm[extent.slice]) for extent in extents]
        rank = np.argsort(np.argsort(scan.slice_heights_mm))
        self.ranks = [int(rank[extent.slice]) for extent in extents]
        steps = np.diff(np.sort(scan.slice_heights_mm))
        self.reach = linking.farthest * float(np.median(steps)) if len(steps) else 0.0
        self.regions = [region(in_plane(extent.polygon_lps_mm, scan)) for extent in extents]
        self.gap = cache(self._gap)

    def pairs(self) -> list[tuple[int, int]]:
        """Contours of neighbouring slices that overlap or nearly do, the likeliest first."""
        found: list[tuple[float, float, int, list[tuple[float, ...]], int, int]] = []
        for i in range(len(self.extents)):
            for j in range(i):
                between = abs(self.ranks[i] - self.ranks[j]) - 1
                if not 0 <= between <= self.linking.bridged or self.apart(i, j) > self.reach:
                    continue
                if self.near(i, j):
                    shared = self._rounded(overlap(self.regions[i], self.regions[j]))
                    places = sorted([self._place(i), self._place(j)])
                    found.append((-shared, self.gap(i, j), between, places, i, j))
        return [(i, j) for *_order, i, j in sorted(found)]

    def hang_together(self, one: set[int], other: set[int]) -> bool:
        """Whether the nearest outlines of two groups overlap or nearly do, where both have some."""
        drawn = [[n for n in group if not self.extents[n].stands_in] for group in (one, other)]
        across = [(self._rounded(self.apart(i, j)), i, j) for i, j in product(*drawn)]
        least = min((apart for apart, *_ in across), default=0.0)
        return not across or any(self.near(i, j) for apart, i, j in across if apart == least)

    def apart(self, i: int, j: int) -> float:
        """Mm between two contours' slices."""
        return abs(self.heights[i] - self.heights[j])

    def near(self, i: int, j: int) -> bool:
        """Whether the gap between two is no more than an object's slant explains."""
        return self.gap(i, j) <= self._rounded(self.linking.slant * self.apart(i, j))

    def _gap(self, i: int, j: int) -> float:
        return self._rounded(float(shapely.distance(self.regions[i], self.regions[j])))

    def _place(self, i: int) -> tuple[float, ...]:
        """What tells two contours apart whatever their order: where they lie in the stack."""
        return (self.ranks[i], *map(self._rounded, self.regions[i].bounds))

    def _rounded(self, value: float) -> float:
        return round(value, self.linking.digits)


def in_plane(points_lps_mm: npt.ArrayLike, scan: Scan) -> FloatArray:
    """(n, 2) mm of (n, 3) LPS points along the first slice's rows and columns: seen from above."""
    return np.asarray(points_lps_mm, dtype=np.float64) @ _frame(scan)[:, :2]


def _frame(scan: Scan) -> FloatArray:
    """(3, 3): unit vectors along the first slice's rows and columns, and their normal."""
    along_row, along_column = (scan.slice_affine_lps(0)[:3, axis] for axis in (0, 1))
    along_row = along_row / np.linalg.norm(along_row)
    along_column = along_column - (along_column @ along_row) * along_row
    along_column = along_column / np.linalg.norm(along_column)
    return np.stack([along_row, along_column, np.cross(along_row, along_column)], 1)
