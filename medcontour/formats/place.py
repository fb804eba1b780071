"""Voxels and points of another file onto the scan's own slices, exactly or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from medcontour.errors import MedcontourError
from medcontour.formats.shapes import Edited, FloatArray
from medcontour.scan import Scan

__all__ = [
    "check_near",
    "frame_onto_slice",
    "nearest_slice",
    "plane_mm",
    "slice_tolerance_mm",
    "volume_onto_scan",
]

FAR = 10
EXACT = 0.1
"""Voxels that a grid may be off, over its whole length, and still be the scan's: rounding."""


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
    points = np.asarray(points_lps, dtype=np.float64).reshape(-1, 3)
    distances = []
    for k in range(scan.slices):
        affine = scan.slice_affine_lps(k)
        normal = np.cross(affine[:3, 0], affine[:3, 1])
        distances.append((points - affine[:3, 3]) @ (normal / np.linalg.norm(normal)))
    k = int(np.argmin([np.abs(d).mean() for d in distances]))
    return k, distances[k]


def plane_mm(polygon_lps_mm: npt.ArrayLike, scan: Scan, k: int) -> FloatArray:
    """Points of slice `k`, LPS mm (n, 3), as (n, 2) mm along its rows and its columns.

    For an image without physical size the unit is the pixel.
    """
    row, column = scan.pixel_spacing
    return scan.to_index(polygon_lps_mm, k) * (column, row)


def slice_tolerance_mm(scan: Scan) -> float:
    """How far off a slice's plane a point may lie and still belong to it: a tenth of the gap."""
    if scan.slices < 2:
        return 0.1
    affine = scan.slice_affine_lps(0)
    normal = np.cross(affine[:3, 0], affine[:3, 1])
    heights = np.sort(scan.slice_origins_lps @ (normal / np.linalg.norm(normal)))
    return 0.1 * float(np.diff(heights).min()) + 1e-3


def volume_onto_scan(
    volume: npt.NDArray[np.generic], affine_lps: FloatArray, scan: Scan, path: Path
) -> npt.NDArray[np.generic]:
    """Bring a label volume (i, j, k) onto (slices, rows, columns), without resampling.

    Parameters
    ----------
    volume
        Labels along the file's own axes.
    affine_lps
        (4, 4): index (i, j, k) to LPS mm.
    scan, path
        The scan, and the file for messages.

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
    placed = _placed(volume, index[:3, :3], index[:3, 3], sizes)
    if placed is None:
        raise MedcontourError(
            f"{path} lies on another grid than the scan, and labels are not resampled; save the "
            "segmentation on the scan's own grid (in 3D Slicer: with the scan as its geometry)."
        )
    if np.count_nonzero(placed) != np.count_nonzero(volume):
        raise MedcontourError(
            f"{path} holds labels outside the scan; give the scan that it was drawn on."
        )
    return placed.transpose(2, 1, 0)


def frame_onto_slice(
    frame: npt.NDArray[np.generic], affine_lps: FloatArray, scan: Scan
) -> tuple[int, npt.NDArray[np.generic]] | None:
    """Bring a frame (rows, columns) onto the slice whose plane it lies in, or give None.

    `affine_lps` is (4, 4), index (column, row, 0) to LPS mm.
    """
    last_row, last_column = (n - 1 for n in frame.shape)
    corners = np.array([[0, 0, 0, 1], [last_column, 0, 0, 1], [0, last_row, 0, 1]]) @ affine_lps.T
    k, off = nearest_slice(corners[:, :3], scan)
    if np.abs(off).max() > slice_tolerance_mm(scan):
        return None
    to_index = np.linalg.pinv(scan.slice_affine_lps(k)[:3, :2])
    origin = scan.to_index(affine_lps[:3, 3], k)[0]
    placed = _placed(frame.T, to_index @ affine_lps[:3, :2], origin, (scan.columns, scan.rows))
    return None if placed is None else (k, placed.T)


def _placed(
    array: npt.NDArray[np.generic],
    steps: FloatArray,
    origin: FloatArray,
    sizes: tuple[int, ...],
) -> npt.NDArray[np.generic] | None:
    """`array` on axes of `sizes`; `steps` has for each of its axes, as columns, its step there.

    None unless every step is one along one axis, and the origin is an index.
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
    if np.abs(origin - first).max() > EXACT:
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
