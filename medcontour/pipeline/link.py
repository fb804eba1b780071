"""Which contours on neighbouring slices belong to one object in the patient: pure geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
    """

    slice: int
    polygon_lps_mm: FloatArray


def link(
    extents: Sequence[Extent], scan: Scan, linking: Linking = LINKING
) -> list[tuple[int, ...]]:
    """Group contours into objects, each with one contour a slice at most.

    Two contours are linked where they overlap, or nearly do, as seen along the slices' normal
    from their true places; the greatest overlaps come first, and among equal ones the nearest
    slices, then the place in the plane, never the order of `extents`. Two contours on one slice
    are never of one object, also where both overlap the same contour on the next.

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
    along = scan.slice_heights_mm
    rank = np.argsort(np.argsort(along))
    step = float(np.median(np.diff(np.sort(along)))) if len(along) > 1 else 0.0
    flat = [region(in_plane(extent.polygon_lps_mm, scan)) for extent in extents]
    # What tells two contours apart whatever their order: where they lie in the stack.
    place = [
        (int(rank[extent.slice]), *np.round(shape.bounds, linking.digits).tolist())
        for extent, shape in zip(extents, flat, strict=True)
    ]
    pairs: list[tuple[float, float, int, list[tuple[float, ...]], int, int]] = []
    for i, one in enumerate(extents):
        for j, other in enumerate(extents[:i]):
            between = abs(int(rank[one.slice]) - int(rank[other.slice])) - 1
            apart = abs(float(along[one.slice] - along[other.slice]))
            if not 0 <= between <= linking.bridged or apart > linking.farthest * step:
                continue
            gap = round(float(shapely.distance(flat[i], flat[j])), linking.digits)
            if gap <= round(linking.slant * apart, linking.digits):
                shared = round(overlap(flat[i], flat[j]), linking.digits)
                pairs.append((-shared, gap, between, sorted([place[i], place[j]]), i, j))
    objects = [{i} for i in range(len(extents))]
    for *_order, i, j in sorted(pairs):
        joined = objects[i] | objects[j]
        if len({extents[n].slice for n in joined}) == len(joined):
            for n in joined:
                objects[n] = joined
    by_slice = {tuple(sorted(own, key=lambda n: extents[n].slice)) for own in objects}
    return sorted(by_slice, key=lambda own: (extents[own[0]].slice, own))


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
