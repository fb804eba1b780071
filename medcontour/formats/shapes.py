"""What an edited file holds, whatever its format: named shapes, each on one slice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["Edited", "EditedShape", "FloatArray", "LeftOut", "left_out_notes"]

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
class LeftOut:
    """Something in an edited file that could not be taken over: it is there, and not deleted.

    Attributes
    ----------
    what
        What it is, in the plural: ``"points and open lines"``.
    name, number
        As in `EditedShape`.
    slices
        The slices that it lies on or beside; empty where that is not known.
    """

    what: str
    name: str = ""
    number: int | None = None
    slices: tuple[int, ...] = ()


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
        Plain sentences on what a reader of the report should know. They hold no patient data.
    left_out
        What could not be taken over.
    complete
        Whether an outline that the file does not hold was removed. One curve of many is no
        complete file.
    numbered
        What the numbers of the format's own files count: ``"labels"``; ``"structures"``, of
        which a label has two, outlines and evidence (`medcontour.formats.labels.structures`); or
        ``"categories"``, first those of the labels' outlines, then those of their evidence.
    """

    format: str
    shapes: tuple[EditedShape, ...]
    notes: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    complete: bool = True
    numbered: Literal["labels", "structures", "categories"] = "labels"


def left_out_notes(left_out: Iterable[LeftOut]) -> tuple[str, ...]:
    """Say what was left out of a file, and how many of each kind.

    Examples
    --------
    >>> left_out_notes([LeftOut("points and open lines"), LeftOut("points and open lines")])
    ('Left out of the file: points and open lines, 2.',)
    """
    counts = Counter(each.what for each in left_out)
    return tuple(f"Left out of the file: {what}, {n}." for what, n in counts.items())
