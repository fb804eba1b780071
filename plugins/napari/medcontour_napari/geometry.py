"""Curves between patient space and layers, which are in index space with the scan's spacing.

A layer's data are (slice, row, column), integers at pixel centres, and its scale is the spacing in
mm: no rotation, since napari edits shapes in planes of its axes alone. Where a slice is in the
patient is known by its own affine, so that turned, flipped and uneven scans come back exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from medcontour_client import Study

__all__ = ["NotOnTheScan", "area_mm2", "corners", "follow_drag", "scale", "study_of", "vertices"]

FloatArray = npt.NDArray[np.float64]

REACH = 0.15
"""Share of a curve's length, to either side of a dragged point, where its neighbours follow."""


class NotOnTheScan(ValueError):
    """A curve lies on no slice of the scan."""


def study_of(scan: Any, id: str = "") -> Study:
    """Give the geometry of a `medcontour.Scan` as a server gives it."""
    return Study(
        id=id,
        modality=scan.modality,
        units=scan.units,
        shape=(scan.slices, scan.rows, scan.columns),
        colour=scan.voxels.ndim == 4,
        pixel_spacing=scan.pixel_spacing,
        slice_spacing=scan.slice_spacing,
        affines_lps=np.stack([scan.slice_affine_lps(k) for k in range(scan.slices)]),
        window=scan.window,
        notes=scan.notes,
        suggested=False,
        edited=False,
    )


def scale(study: Study) -> tuple[float, float, float]:
    """Millimetres between slices, rows and columns."""
    return (study.slice_spacing, *study.pixel_spacing)


def vertices(corners_lps_mm: npt.ArrayLike, k: int, study: Study) -> FloatArray:
    """(n, 3) LPS mm in the plane of slice `k` as a layer's (slice, row, column)."""
    index = study.to_index(corners_lps_mm, k)
    return np.column_stack([np.full(len(index), float(k)), index[:, 1], index[:, 0]])


def corners(vertices: npt.ArrayLike, study: Study) -> tuple[int, FloatArray]:
    """Give the slice of a layer's shape, and its corners (n, 3), LPS mm.

    Raises
    ------
    NotOnTheScan
        For a shape across slices, or beside the scan.
    """
    data = np.asarray(vertices, dtype=np.float64)
    k = round(float(data[:, 0].mean()))
    if np.abs(data[:, 0] - k).max() > 0.5 or not 0 <= k < study.shape[0]:
        raise NotOnTheScan("A curve lies on no slice of the scan; draw it on one slice.")
    return k, study.to_lps(data[:, :0:-1], k)


def area_mm2(vertices: npt.ArrayLike, study: Study) -> float:
    """Area of a layer's shape in mm2 (pixels of an image without physical size)."""
    try:
        _, points = corners(vertices, study)
    except NotOnTheScan:
        return float("nan")
    around = points - points.mean(0)
    doubled = np.cross(around, np.roll(around, -1, axis=0)).sum(0)
    return float(np.linalg.norm(doubled) / 2)


def follow_drag(before: npt.ArrayLike, after: npt.ArrayLike, study: Study) -> FloatArray | None:
    """Let the neighbours of a dragged point follow, less the farther they are along the curve.

    Parameters
    ----------
    before, after
        (n, 3) of a layer's shape, with one point moved between them.

    Returns
    -------
    The shape; None where not exactly one point was moved. What is beyond `REACH` stays exactly.
    """
    old, new = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    if old.shape != new.shape:
        return None
    moved = np.flatnonzero((old != new).any(1))
    if len(moved) != 1:
        return None
    mm = old * scale(study)
    at = np.concatenate([[0.0], np.linalg.norm(mm - np.roll(mm, -1, axis=0), axis=1).cumsum()])
    off = np.abs(at[:-1] - at[moved[0]])
    far = np.minimum(off, at[-1] - off) / (at[-1] * REACH)
    share = np.where(far < 1, (1 - np.minimum(far, 1) ** 2) ** 2, 0.0)
    return np.asarray(old + share[:, None] * (new - old)[moved[0]])
