"""Label volumes as shapes, whatever file they came from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medcontour.errors import MedcontourError
from medcontour.formats.place import volume_onto_scan
from medcontour.formats.shapes import Edited, EditedShape, FloatArray
from medcontour.limits import check_memory
from medcontour.scan import Scan

__all__ = ["OFF_PLANE", "read_volume", "three_axes", "volume_shapes", "whole_labels"]

OFF_PLANE = "Noted in the file: its planes lie off the slices', by less than half a slice."
ROUNDING = 1e-3
"""How far a number may be from the label that it stands for."""


def read_volume(
    format: str,
    values: npt.NDArray[Any],
    affine_lps: FloatArray,
    names: dict[int, str],
    scan: Scan,
    path: Path,
) -> Edited:
    """Give what a label volume (i, j, k) holds; `affine_lps` is (4, 4), index to LPS mm.

    Raises
    ------
    MedcontourError
        For what is no label map, or lies on another grid than the scan.
    """
    labels = three_axes(whole_labels(values, path), path)
    placed, in_plane = volume_onto_scan(labels, affine_lps, scan, path)
    shapes = tuple(volume_shapes(placed, names))
    return Edited(format, shapes, () if in_plane else (OFF_PLANE,))


def volume_shapes(volume: npt.NDArray[np.generic], names: dict[int, str]) -> Iterator[EditedShape]:
    """One shape for each value and slice of (slices, rows, columns), 0 left out.

    Raises
    ------
    MedcontourError
        For more of them than memory holds: an image, taken for a label map.
    """
    there = sorted(
        (value, k) for k, plane in enumerate(volume) for value in np.unique(plane) if value
    )
    check_memory(
        4 * len(there) * volume[0].size if there else 0,
        f"A label map of {len({value for value, _ in there})} different values",
        "give a label map and not an image, or keep fewer labels",
    )
    for value, k in there:
        mask = (volume[k] == value).astype(np.float32)
        yield EditedShape(names.get(int(value), ""), int(value), int(k), values=mask)


def three_axes(values: npt.NDArray[Any], path: Path) -> npt.NDArray[Any]:
    """Give an array three axes, by axes of length one."""
    while values.ndim > 3 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim > 3:
        raise MedcontourError(f"{path} has more than three axes; save one label map.")
    return values.reshape(values.shape + (1,) * (3 - values.ndim))


def whole_labels(values: npt.NDArray[Any], path: Path) -> npt.NDArray[Any]:
    """Give labels as whole numbers, also where they are stored as 1.0000001.

    Raises
    ------
    MedcontourError
        For fractions and negative numbers: an image where a label map is wanted.
    """
    if values.dtype.kind in "ui":
        if values.dtype.kind == "i" and values.size and values.min() < 0:
            raise MedcontourError(f"{path} holds negative values and is no label map; give one.")
        return values
    if values.dtype.kind not in "fb" or not np.allclose(
        values, np.rint(values), rtol=0, atol=ROUNDING
    ):
        raise MedcontourError(
            f"{path} holds fractions and is no label map; save the segmentation as whole numbers."
        )
    return whole_labels(np.rint(values).astype(np.int64), path)
