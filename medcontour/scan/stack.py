"""From single slices with a place each to a volume: order, affine, and what cannot be stacked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from medcontour.errors import MedcontourError

__all__ = ["Plane", "Stack", "stack_planes"]

FloatArray = npt.NDArray[np.float64]

# Slices nearer than this along their normal (mm) are at the same place.
_SAME_PLACE = 1e-3
# Millimetres of pixel spacing that differ by less are one value, written twice.
_SAME_VALUE = 1e-4
# Direction cosines that differ by less are one direction, rounded by a scanner (0.1 degrees): every
# slice keeps its own, so that nothing is moved by it.
_SAME_DIRECTION = 2e-3
# Millimetres that a corner may be off by it without a word.
_NOTED = 0.05


@dataclass(frozen=True)
class Plane:
    """The place of one slice in the patient, as DICOM's Image Plane module has it.

    Attributes
    ----------
    name
        What to call the slice in a message: its file's name, and its frame.
    size
        Rows, columns.
    position
        (3,) ImagePositionPatient: the centre of the first pixel, LPS mm.
    orientation
        (2, 3) ImageOrientationPatient: the cosines along a row, then along a column.
    spacing
        (2,) PixelSpacing: mm between rows, then between columns.
    thickness
        SliceThickness in mm, 0 where it is unknown.
    frame_of_reference
        FrameOfReferenceUID, None where there is none.
    """

    name: str
    size: tuple[int, int]
    position: FloatArray
    orientation: FloatArray
    spacing: FloatArray
    thickness: float
    frame_of_reference: str | None

    @property
    def axes(self) -> FloatArray:
        """(3, 2) mm from one pixel to the next along a row, then along a column."""
        return np.asarray(self.orientation.T * self.spacing[::-1])

    @property
    def normal(self) -> FloatArray:
        """(3,) the unit normal: along a row x along a column."""
        normal = np.cross(self.orientation[0], self.orientation[1])
        return np.asarray(normal / np.linalg.norm(normal))


@dataclass(frozen=True)
class Stack:
    """The order and the geometry of slices: see `Scan` for the fields of the same name."""

    order: tuple[int, ...]
    affine_lps: FloatArray
    slice_origins_lps: FloatArray
    regular: bool = True
    slice_axes_lps: FloatArray | None = None
    notes: tuple[str, ...] = ()


def stack_planes(planes: Sequence[Plane], where: str) -> Stack:
    """Sort slices along their normal and find the affine that places them.

    DICOM PS3.3 equation C.7.6.2.1-1 with a third column: the vector from one slice's origin to
    the next, which is the true one for a tilted gantry as well. InstanceNumber plays no part.

    Parameters
    ----------
    planes
        At least one slice.
    where
        What to call the series in a message.

    Raises
    ------
    MedcontourError
        When slices differ in size, orientation, spacing or frame of reference, or when two lie
        at the same place.
    """
    _refuse_unlike(planes, where)
    heights = np.array([plane.position @ planes[0].normal for plane in planes])
    order = tuple(int(index) for index in np.argsort(heights, kind="stable"))
    for lower, upper in pairwise(order):
        if heights[upper] - heights[lower] < _SAME_PLACE:
            raise MedcontourError(
                f"{where} has two slices at the same place, {planes[lower].name} and "
                f"{planes[upper].name}: copies, or several times, echoes or reconstructions in "
                "one series; put the slices of one volume into a folder of their own."
            )
    origins = np.array([planes[index].position for index in order])
    axes = np.array([planes[index].axes for index in order])
    first = planes[order[0]]
    step, regular = _step(origins, first)
    affine = np.eye(4)
    affine[:3, :2] = axes[0]
    affine[:3, 2] = step
    affine[:3, 3] = origins[0]
    notes = []
    if not regular:
        gaps = np.diff(heights[list(order)])
        notes.append(
            f"The slices are not evenly spaced ({gaps.min():.4g} to {gaps.max():.4g} mm): slices "
            "are missing or were taken so; every contour lies in the place of its own slice."
        )
    cosine = float(step @ first.normal / np.linalg.norm(step))
    tilt = float(np.degrees(np.arccos(min(1.0, cosine))))
    if tilt > 0.1:
        notes.append(
            f"The slices are shifted against each other by {tilt:.1f} degrees (a tilted gantry); "
            "the affine is sheared accordingly and nothing is resampled."
        )
    if len(order) > 1 and (apart := _furthest(axes, affine, planes[0].size)) > _NOTED:
        notes.append(
            f"The directions of the slices differ a little (a corner lies up to {apart:.2g} mm off "
            "the first slice's): every contour lies in the plane of its own slice, and label maps "
            "take the first slice's directions."
        )
    same = bool((axes == axes[0]).all())
    return Stack(order, affine, origins, regular, None if same else axes, tuple(notes))


def _furthest(axes: FloatArray, affine: FloatArray, size: tuple[int, int]) -> float:
    """Millimetres by which a corner of a slice is off where the affine's directions place it."""
    rows, columns = size
    corners = np.array([[columns, 0], [0, rows], [columns, rows]], dtype=np.float64).T
    return float(np.linalg.norm((axes - affine[:3, :2]) @ corners, axis=1).max())


def _step(origins: FloatArray, plane: Plane) -> tuple[FloatArray, bool]:
    """Find the vector from slice to slice, and whether it holds for all of them."""
    if len(origins) == 1:
        return plane.normal * (plane.thickness or 1.0), True
    mean = (origins[-1] - origins[0]) / (len(origins) - 1)
    even = origins[0] + np.arange(len(origins))[:, None] * mean
    if np.allclose(origins, even, rtol=0, atol=1e-2 + 1e-3 * float(np.linalg.norm(mean))):
        return mean, True
    steps = np.diff(origins, axis=0)
    return steps[np.argsort(np.linalg.norm(steps, axis=1))[len(steps) // 2]], False


def _refuse_unlike(planes: Sequence[Plane], where: str) -> None:
    """Refuse slices that differ from most of the series, and name them."""
    for subject, values, same in (
        ("size", [np.array(plane.size, dtype=np.float64) for plane in planes], 0.0),
        ("orientation", [plane.orientation for plane in planes], _SAME_DIRECTION),
        ("pixel spacing", [plane.spacing for plane in planes], _SAME_VALUE),
    ):
        flat = np.array(values).reshape(len(planes), -1)
        # The middle one of each number is that of most: -0 and rounding do not tell it apart.
        unlike = np.abs(flat - np.median(flat, axis=0)).max(axis=1) > same
        names = [plane.name for plane, other in zip(planes, unlike, strict=True) if other]
        _refuse(names, subject, where, len(planes))
    frames = [plane.frame_of_reference for plane in planes]
    usual_frame = Counter(frames).most_common(1)[0][0]
    unlike = [plane.name for plane in planes if plane.frame_of_reference != usual_frame]
    _refuse(unlike, "frame of reference", where, len(planes))


def _refuse(unlike: list[str], subject: str, where: str, total: int) -> None:
    if unlike:
        named = ", ".join(sorted(unlike)[:3]) + (" and others" if len(unlike) > 3 else "")
        raise MedcontourError(
            f"{where} cannot be stacked: {named} ({len(unlike)} of {total} slices) differ in "
            f"{subject} from the others; move them (localizers, other stations or "
            "reconstructions) into a folder of their own."
        )
