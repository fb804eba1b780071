"""Where a reader points to: clicks and drawings of a request, as rough contours by slice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import medcontour as mc
from lib.names import segment_names
from medcontour.contour.polygons import mask_polygons, polygon_area
from medcontour.formats.rasterise import file_grid
from medcontour.formats.reader import read_edited

__all__ = ["clicked", "drawn"]

RADIUS = 0.04
"""Of the circle about a click, over the slice's longer side."""

CORNERS = 24
SCRIBBLE = "foreground_scribbles"


def clicked(points: Any, scan: mc.Scan) -> dict[int, npt.NDArray[np.float64]]:
    """Circles about the clicks of each slice, (n, 3) LPS mm.

    Parameters
    ----------
    points
        ``[[i, j, k], ...]`` voxels of the image's file, as 3D Slicer, OHIF and MITK send them.
    scan
        The scan.

    Raises
    ------
    MedcontourError
        For points that are none, or outside the scan.
    """
    grid = file_grid(scan)
    array = np.asarray(points, dtype=np.float64) if _is_points(points) else np.empty((0, 0))
    if array.ndim != 2 or array.shape[1] != 3 or not np.isfinite(array).all():
        raise mc.MedcontourError(
            "Clicks must be voxels of the image, [[i, j, k], ...] under foreground (params)."
        )
    if (array < -0.5).any() or (array > np.asarray(grid.shape) - 0.5).any():
        raise mc.MedcontourError(
            f"A click lies outside the image, which has {' x '.join(map(str, grid.shape))} voxels."
        )
    places = defaultdict(list)
    for point in array:
        k, row, column = (
            grid.shape[axis] - 1 - point[axis] if flip else point[axis]
            for axis, flip in zip(grid.axes, grid.flipped, strict=True)
        )
        places[round(k)].append((column, row))
    return {k: _circle(np.array(own), scan, k) for k, own in places.items()}


def drawn(
    path: Path, params: Mapping[str, Any], scan: mc.Scan
) -> dict[int, npt.NDArray[np.float64]]:
    """The largest region painted on each slice, (n, 3) LPS mm.

    3D Slicer sends all segments of the scene: where one of them is its layer of foreground
    scribbles, that one is meant.

    Raises
    ------
    MedcontourError
        For a file that is no label map on the scan's grid.
    """
    names = segment_names(dict(params))
    wanted = names.index(SCRIBBLE) + 1 if SCRIBBLE in names else None
    masks: dict[int, npt.NDArray[Any]] = {}
    for shape in read_edited(path, scan).shapes:
        if shape.values is not None and wanted in (None, shape.number):
            masks[shape.slice] = np.maximum(masks.get(shape.slice, 0), shape.values)
    if not masks:
        raise mc.MedcontourError("Nothing is drawn on the image; paint a rough contour first.")
    return {
        k: scan.to_lps(max(mask_polygons(mask), key=lambda p: abs(polygon_area(p))), k)
        for k, mask in masks.items()
    }


def _is_points(points: Any) -> bool:
    return isinstance(points, list) and all(
        isinstance(p, list) and all(isinstance(x, (int, float)) for x in p) for p in points
    )


def _circle(column_row: npt.NDArray[np.float64], scan: mc.Scan, k: int) -> npt.NDArray[np.float64]:
    """A circle in mm about the middle of the clicks that holds them all."""
    row, column = scan.pixel_spacing
    mm = column_row * (column, row)
    middle = mm.mean(0)
    radius = RADIUS * max(scan.rows * row, scan.columns * column)
    radius += np.linalg.norm(mm - middle, axis=1).max()
    angles = np.arange(CORNERS) * (2 * np.pi / CORNERS)
    around = middle + radius * np.stack([np.cos(angles), np.sin(angles)], 1)
    return scan.to_lps(around / (column, row), k)
