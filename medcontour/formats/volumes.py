"""Label volumes as shapes, whatever file they came from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medcontour.errors import MedcontourError
from medcontour.formats.shapes import EditedShape

__all__ = ["volume_shapes", "whole_labels"]


def volume_shapes(volume: npt.NDArray[np.generic], names: dict[int, str]) -> Iterator[EditedShape]:
    """One shape for each value and slice of (slices, rows, columns), 0 left out."""
    for value in np.unique(volume):
        if not value:
            continue
        mask = volume == value
        for k in np.flatnonzero(mask.any(axis=(1, 2))):
            yield EditedShape(
                names.get(int(value), ""), int(value), int(k), values=mask[k].astype(np.float32)
            )


def whole_labels(values: npt.NDArray[Any], path: Path) -> npt.NDArray[Any]:
    """Refuse an image where a label map is wanted."""
    if values.dtype.kind in "ui":
        if values.dtype.kind == "i" and values.size and values.min() < 0:
            raise MedcontourError(f"{path} holds negative values and is no label map; give one.")
        return values
    if values.dtype.kind not in "fb" or not np.array_equal(values, np.rint(values)):
        raise MedcontourError(
            f"{path} holds fractions and is no label map; save the segmentation as whole numbers."
        )
    return whole_labels(np.rint(values).astype(np.int64), path)
