"""Where a reader points to: clicks and drawings, as rough contours by slice."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medcontour.contour.polygons import mask_polygons, polygon_area
from medcontour.errors import MedcontourError
from medcontour.formats.rasterise import file_grid
from medcontour.formats.reader import read_edited
from medcontour.scan import Scan

__all__ = ["clicked", "drawn"]

Starts = dict[int, npt.NDArray[np.float64]]


@dataclass(frozen=True)
class _Circle:
    """What stands for a click.

    Attributes
    ----------
    radius
        Over the slice's longer side: 13 mm on a chest CT of 320 mm, about a nodule's own size.
    corners
        As many as keep a circle's area to 1 %.
    """

    radius: float = 0.04
    corners: int = 24


CIRCLE = _Circle()


def clicked(points: Any, scan: Scan) -> Starts:
    """Circles about the clicks of each slice, as `medcontour.snap` takes them.

    Parameters
    ----------
    points
        ``[[i, j, k], ...]``: voxels of the image's file, counted from 0, as 3D Slicer, OHIF and
        MITK send them. A click may lie between voxels; it belongs to the slice next to it.
    scan
        The scan.

    Returns
    -------
    By slice index: (24, 3) corners, LPS mm. The clicks of a slice are in one circle.

    Raises
    ------
    MedcontourError
        For what are no points, and for points outside the scan.
    """
    grid = file_grid(scan)
    array = np.asarray(points, dtype=np.float64) if _is_points(points) else np.empty((0, 0))
    if array.ndim != 2 or array.shape[1] != 3 or not np.isfinite(array).all():
        raise MedcontourError("Clicks must be voxels of the image, [[i, j, k], ...].")
    if (array < -0.5).any() or (array > np.asarray(grid.shape) - 0.5).any():
        raise MedcontourError(
            f"A click lies outside the image, which has {' x '.join(map(str, grid.shape))} voxels."
        )
    places = defaultdict(list)
    for point in array:
        k, row, column = (
            grid.shape[axis] - 1 - point[axis] if flip else point[axis]
            for axis, flip in zip(grid.axes, grid.flipped, strict=True)
        )
        places[min(max(round(k), 0), scan.slices - 1)].append((column, row))
    return {k: _circle(np.array(own), scan, k) for k, own in places.items()}


def drawn(path: str | os.PathLike[str], scan: Scan, number: int | None = None) -> Starts:
    """The largest region painted on each slice, as `medcontour.snap` takes them.

    Parameters
    ----------
    path
        A label map on the scan's grid, in any format that `medcontour.refine` reads.
    scan
        The scan.
    number
        The value that was painted with; by default every one.

    Returns
    -------
    By slice index: (n, 3) corners, LPS mm.

    Raises
    ------
    MedcontourError
        For a file that is no label map on the scan's grid, and where nothing is painted.
    """
    masks: dict[int, npt.NDArray[Any]] = {}
    for shape in read_edited(path, scan).shapes:
        if shape.values is not None and number in (None, shape.number):
            masks[shape.slice] = np.maximum(masks.get(shape.slice, 0), shape.values)
    if not masks:
        raise MedcontourError("Nothing is drawn on the image; paint a rough contour first.")
    return {
        k: scan.to_lps(max(mask_polygons(mask), key=lambda p: abs(polygon_area(p))), k)
        for k, mask in masks.items()
    }


def _is_points(points: Any) -> bool:
    return isinstance(points, list) and all(
        isinstance(p, list) and all(isinstance(x, (int, float)) for x in p) for p in points
    )


def _circle(column_row: npt.NDArray[np.float64], scan: Scan, k: int) -> npt.NDArray[np.float64]:
    """A circle in mm about the middle of the clicks that holds them all."""
    row, column = scan.pixel_spacing
    mm = column_row * (column, row)
    middle = mm.mean(0)
    radius = CIRCLE.radius * max(scan.rows * row, scan.columns * column)
    radius += np.linalg.norm(mm - middle, axis=1).max()
    angles = np.arange(CIRCLE.corners) * (2 * np.pi / CIRCLE.corners)
    around = middle + radius * np.stack([np.cos(angles), np.sin(angles)], 1)
    return scan.to_lps(around / (column, row), k)
