"""Voxels and points of another file onto the scan's own slices, exactly or not at all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from shapely import MultiPolygon

from medcontour.contour.polygons import region, union
from medcontour.errors import MedcontourError
from medcontour.formats.shapes import Edited, FloatArray
from medcontour.results import PlacedContour
from medcontour.scan import Scan

__all__ = [
    "check_near",
    "frame_onto_slice",
    "in_plane",
    "in_reach",
    "nearest_slice",
    "placed_region",
    "placed_regions",
    "plane_mm",
    "slice_gap_mm",
    "slices_about",
    "volume_onto_scan",
]

FAR = 10
EXACT = 0.1
"""Voxels that a grid may be off, over its whole length, and still be the scan's: rounding."""

REACH = 0.49
"""Share of the distance between slices that something may lie off the plane of its slice."""

PLANE = 0.1
"""The same for what lies in the plane, but for how its writer rounds."""


def check_near(edited: Edited, scan: Scan, path: Path) -> None:
    """Refuse polygons with points that are no numbers, or far outside the scan.

    Raises
    ------
    MedcontourError
        When a point lies further away than ten times the longer side of a slice.
    """
    reach = FAR * max(scan.rows, scan.columns)
    for shape in edited.shapes:
        if shape.polygon_lps_mm is None:
            continue
        index = scan.to_index(shape.polygon_lps_mm, shape.slice)
        if not np.abs(index).max(initial=0.0) < reach:  # false for NaN as well
            raise MedcontourError(
                f"{path} holds a contour with points far outside the scan, or that are no numbers; "
                "mend it, or give the scan that it was drawn on."
            )


def nearest_slice(points_lps: npt.ArrayLike, scan: Scan) -> tuple[int, FloatArray]:
    """Give the slice whose plane lies nearest to points, and their signed distances to it in mm."""
    heights = _heights(points_lps, scan)
    k = int(np.abs(heights).mean(axis=0).argmin())
    return k, heights[:, k]


def slices_about(points_lps: npt.ArrayLike, scan: Scan) -> tuple[int, ...]:
    """Give the slice that points are of, or all that they lie across or between."""
    k, off = nearest_slice(points_lps, scan)
    if in_reach(off, scan):
        return (k,)
    heights, gap = _heights(points_lps, scan), slice_gap_mm(scan)
    near = (heights.min(axis=0) < gap) & (heights.max(axis=0) > -gap)
    return (*np.flatnonzero(near).tolist(),) or (k,)


def in_reach(off_mm: FloatArray, scan: Scan) -> bool:
    """Whether points at these distances from a slice's plane are of that slice.

    They are up to half of the smallest distance between two slices away; on the way between two
    slices they are of neither. A single point of many may lie as far off as the next slice.
    """
    reach = REACH * slice_gap_mm(scan)
    far = np.abs(off_mm)
    return bool(far.mean() <= reach and far.max() <= 2 * reach)


def in_plane(off_mm: FloatArray, scan: Scan) -> bool:
    """Whether points at these distances lie in the slice's plane, as others write their numbers."""
    return bool(np.abs(off_mm).max() <= PLANE * slice_gap_mm(scan))


def slice_gap_mm(scan: Scan) -> float:
    """Give the smallest distance between the planes of two slices; of one slice, its thickness."""
    if scan.slices < 2:
        return scan.slice_spacing
    return float(np.diff(np.sort(scan.slice_heights_mm)).min())


def _heights(points_lps: npt.ArrayLike, scan: Scan) -> FloatArray:
    """(n, slices): signed distances in mm of points from each slice's plane."""
    points = np.asarray(points_lps, dtype=np.float64).reshape(-1, 3)
    normals = scan.slice_normals_lps
    return np.asarray(points @ normals.T - (scan.slice_origins_lps * normals).sum(axis=1))


def plane_mm(polygon_lps_mm: npt.ArrayLike, scan: Scan, k: int) -> FloatArray:
    """Points of slice `k`, LPS mm (n, 3), as (n, 2) mm along its rows and its columns.

    For an image without physical size the unit is the pixel.
    """
    row, column = scan.pixel_spacing
    return scan.to_index(polygon_lps_mm, k) * (column, row)


def placed_region(contour: PlacedContour, scan: Scan) -> MultiPolygon:
    """What a contour encloses, in mm of its slice's plane."""
    return region(plane_mm(contour.polygon_lps_mm, scan, contour.slice))


def placed_regions(contours: Iterable[PlacedContour], scan: Scan) -> dict[int, MultiPolygon]:
    """What contours enclose together, by slice."""
    by_slice: dict[int, list[MultiPolygon]] = defaultdict(list)
    for contour in contours:
        by_slice[contour.slice].append(placed_region(contour, scan))
    return {k: union(own) for k, own in by_slice.items()}


def volume_onto_scan(
    volume: npt.NDArray[np.generic], affine_lps: FloatArray, scan: Scan, path: Path
) -> tuple[npt.NDArray[np.generic], bool]:
    """Bring a label volume (i, j, k) onto (slices, rows, columns), without resampling.

    Its planes may lie off the slices', by less than half a slice.

    Parameters
    ----------
    volume
        Labels along the file's own axes.
    affine_lps
        (4, 4): index (i, j, k) to LPS mm.
    scan, path
        The scan, and the file for messages.

    Returns
    -------
    The volume, and whether its planes lie in those of the slices.

    Raises
    ------
    MedcontourError
        Unless the grid is the scan's own with its axes exchanged, turned round or cut.
    """
    if not scan.regular:
        raise MedcontourError(
            f"{path} is a volume of even spacing and the scan's slices are not evenly spaced; "
            "edit the contours as rtstruct, markups or coco instead."
        )
    index = np.linalg.inv(scan.affine_lps) @ affine_lps
    sizes = (scan.columns, scan.rows, scan.slices)
    placed = _placed(volume, index[:3, :3], index[:3, 3], sizes, (EXACT, EXACT, REACH))
    if placed is None:
        raise MedcontourError(
            f"{path} lies on another grid than the scan, and labels are not resampled; save the "
            "segmentation on the scan's own grid (in 3D Slicer: with the scan as its geometry)."
        )
    if np.count_nonzero(placed) != np.count_nonzero(volume):
        raise MedcontourError(
            f"{path} holds labels outside the scan; give the scan that it was drawn on."
        )
    off = abs(index[2, 3] - np.rint(index[2, 3]))
    return placed.transpose(2, 1, 0), bool(off <= PLANE)


def frame_onto_slice(
    frame: npt.NDArray[np.generic], affine_lps: FloatArray, scan: Scan
) -> tuple[int, npt.NDArray[np.generic], float] | None:
    """Bring a frame (rows, columns) onto the slice that it is of, or give None.

    `affine_lps` is (4, 4), index (column, row, 0) to LPS mm. The third is how far, in mm, the
    frame lies off the slice's plane.
    """
    last_row, last_column = (n - 1 for n in frame.shape)
    corners = np.array([[0, 0, 0, 1], [last_column, 0, 0, 1], [0, last_row, 0, 1]]) @ affine_lps.T
    k, off = nearest_slice(corners[:, :3], scan)
    if np.abs(off).max() > REACH * slice_gap_mm(scan):
        return None
    to_index = np.linalg.pinv(scan.slice_affine_lps(k)[:3, :2])
    origin = scan.to_index(affine_lps[:3, 3], k)[0]
    sizes = (scan.columns, scan.rows)
    placed = _placed(frame.T, to_index @ affine_lps[:3, :2], origin, sizes, (EXACT, EXACT))
    return None if placed is None else (k, placed.T, float(off.mean()))


def _placed(
    array: npt.NDArray[np.generic],
    steps: FloatArray,
    origin: FloatArray,
    sizes: tuple[int, ...],
    off: tuple[float, ...],
) -> npt.NDArray[np.generic] | None:
    """`array` on axes of `sizes`; `steps` has for each of its axes, as columns, its step there.

    None unless every step is one along one axis, and the origin is an index, or `off` one at most.
    """
    whole = np.rint(steps)
    free = set(range(len(sizes)))
    target: dict[int, int] = {}
    for axis, length in enumerate(array.shape):
        if length == 1:
            continue  # it has a place, and no direction
        along = np.flatnonzero(whole[:, axis])
        drift = np.abs(steps[:, axis] - whole[:, axis]).max() * (length - 1)
        if len(along) != 1 or abs(whole[along[0], axis]) != 1 or drift > EXACT:
            return None
        if int(along[0]) not in free:
            return None
        target[axis] = int(along[0])
        free.discard(target[axis])
    first = np.rint(origin)
    if (np.abs(origin - first) > off).any():
        return None
    for axis in range(array.ndim):
        if axis not in target:
            target[axis] = free.pop()
    out = np.zeros(sizes, dtype=array.dtype)
    order = sorted(target, key=target.__getitem__)
    to_indices, from_indices = [], []
    for there, axis in enumerate(order):
        sign = whole[there, axis] if array.shape[axis] > 1 else 1
        at = (first[there] + sign * np.arange(array.shape[axis])).astype(int)
        kept = (at >= 0) & (at < sizes[there])
        to_indices.append(at[kept])
        from_indices.append(np.flatnonzero(kept))
    source = array.transpose(order)
    out[np.ix_(*to_indices)] = source[np.ix_(*from_indices)]
    return out
