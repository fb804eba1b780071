"""What an edited file holds, whatever its format: named shapes, each on one slice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["Edited", "EditedShape", "FloatArray"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class EditedShape:
    """One closed polygon, or one mask, of an edited file.

    Attributes
    ----------
    name
        As the file calls it; empty where the format has no names.
    number
        ROI number, segment number or label value; None where the format has none.
    slice
        Index of the scan's slice that it lies on.
    polygon_lps_mm
        (n, 3) corners in that slice's plane, LPS mm, the first not repeated: exactly those of the
        file. None where the format holds voxels.
    values
        (rows, columns) float32 of the slice, from 0 to 1, at least 0.5 inside. None where the
        format holds polygons.
    handles_lps_mm
        (n, 3) points that a person drags, where the polygon is a spline through them.
    kind
        What the file itself says the shape is, where it says so.
    """

    name: str
    number: int | None
    slice: int
    polygon_lps_mm: FloatArray | None = field(default=None, repr=False)
    values: npt.NDArray[np.float32] | None = field(default=None, repr=False)
    handles_lps_mm: FloatArray | None = field(default=None, repr=False)
    kind: Literal["outline", "evidence"] | None = None


@dataclass(frozen=True)
class Edited:
    """What was read from an edited file.

    Attributes
    ----------
    format
        What the file is, in words.
    shapes
        In the file's order.
    notes
        Plain sentences on what could not be taken over. They hold no patient data.
    complete
        Whether an outline that the file does not hold was removed. One curve of many is no
        complete file.
    drawn
        How near, in mm, a polygon of this format comes to the curve that it was written from.
    """

    format: str
    shapes: tuple[EditedShape, ...]
    notes: tuple[str, ...] = ()
    complete: bool = True
    drawn: float = 0.01
