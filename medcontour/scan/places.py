"""Where a slice of a DICOM series lies, and what size an image has that lies nowhere."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydicom.dataset import Dataset

from medcontour.errors import MedcontourError
from medcontour.scan.headers import text
from medcontour.scan.pieces import Piece
from medcontour.scan.pixels import numbers
from medcontour.scan.proportion import sides
from medcontour.scan.stack import Plane, Stack

__all__ = ["at_the_detector", "flat_stack", "plane_of"]

# Of an ultrasound region, DICOM PS3.3 C.8.5.5.
_TWO_DIMENSIONAL, _CENTIMETRES = 1, 3

# How far the direction cosines of a slice may be from unit vectors at right angles: rounded to
# the third digit, which scanners do, they are off by as much.
_RIGHT = 5e-3


def at_the_detector(piece: Piece) -> bool:
    """Whether an image has a place in the patient but a size at the detector alone."""
    return not piece.groups.get("PixelSpacing") and bool(piece.groups.get("ImagerPixelSpacing"))


def plane_of(piece: Piece) -> Plane:
    """Read the place of a slice.

    Raises
    ------
    MedcontourError
        With which of ImagePositionPatient, ImageOrientationPatient and PixelSpacing is missing or
        damaged.
    """
    if at_the_detector(piece):
        raise MedcontourError(
            f"{piece.name} has a place in the patient but no size there: PixelSpacing is missing, "
            "and ImagerPixelSpacing is its size at the detector; give one of the files by itself, "
            "to be read as a projection."
        )
    position = _values(piece, "ImagePositionPatient", 3)
    orientation = _values(piece, "ImageOrientationPatient", 6).reshape(2, 3)
    spacing = _values(piece, "PixelSpacing", 2)
    try:
        thickness = (*numbers(piece.groups, "SliceThickness"), 0.0)[0]
    except (ValueError, TypeError):
        thickness = 0.0
    if not np.allclose(orientation @ orientation.T, np.eye(2), atol=_RIGHT):
        raise _no_place(piece, "ImageOrientationPatient", "are no unit vectors at right angles")
    if not np.all(spacing > 0):
        raise _no_place(piece, "PixelSpacing", "is not above 0")
    return Plane(
        name=piece.name,
        size=piece.file.size,
        position=position,
        orientation=orientation,
        spacing=spacing,
        thickness=max(thickness, 0.0) if np.isfinite(thickness) else 0.0,
        frame_of_reference=text(piece.file.header, "FrameOfReferenceUID"),
    )


def _values(piece: Piece, keyword: str, count: int) -> np.ndarray:
    try:
        values = np.array(numbers(piece.groups, keyword), dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise _no_place(piece, keyword, "is damaged") from error
    if not values.size:
        raise _no_place(piece, keyword, "is missing")
    if values.size != count or not np.isfinite(values).all():
        raise _no_place(piece, keyword, f"does not hold {count} numbers")
    return values


def _no_place(piece: Piece, keyword: str, trouble: str) -> MedcontourError:
    return MedcontourError(
        f"{piece.name} has no usable place in the patient: {keyword} {trouble}; export it again."
    )


def flat_stack(piece: Piece) -> tuple[Stack, Literal["mm", "pixel"]]:
    """Place an image that has no place in the patient, in mm where it has a size."""
    spacing, note = _projected_spacing(piece.file.header)
    units: Literal["mm", "pixel"] = "mm" if spacing else "pixel"
    notes = [note]
    if spacing:
        row, column = spacing
    else:
        row, column, uneven = sides(_ratio(piece.file.header))
        notes += [uneven] if uneven else []
    affine = np.diag([column, row, 1.0, 1.0])
    return Stack((0,), affine, np.zeros((1, 3)), notes=(*notes,)), units


def _ratio(header: Dataset) -> float | None:
    """Height over width of a pixel (PixelAspectRatio: vertical, then horizontal), if it is said."""
    try:
        vertical, horizontal = numbers(header, "PixelAspectRatio")
        return vertical / horizontal
    except (ValueError, TypeError, ZeroDivisionError):
        return None


def _projected_spacing(header: Dataset) -> tuple[tuple[float, float] | None, str]:
    """(row, column) spacing in mm, or None, and a sentence that says where it comes from."""
    place = "The image has no place in the patient"
    if header.get("ImagePositionPatient"):
        place = "The image's place in the patient is not used (it is a projection)"
    for keyword, remark in (
        ("PixelSpacing", "its size is that of PixelSpacing"),
        ("ImagerPixelSpacing", "its size is that at the detector (ImagerPixelSpacing)"),
        ("NominalScannedPixelSpacing", "its size is that on the film that was scanned"),
    ):
        try:
            row, column = numbers(header, keyword)
        except (ValueError, TypeError):
            continue
        if 0 < row < np.inf and 0 < column < np.inf:
            return (row, column), f"{place}; {remark}."
    try:
        regions = {
            tuple(abs(numbers(region, f"PhysicalDelta{axis}")[0]) * 10 for axis in "YX")
            for region in header.get("SequenceOfUltrasoundRegions") or ()
            if region.get("RegionSpatialFormat") == _TWO_DIMENSIONAL
            and region.get("PhysicalUnitsXDirection") == _CENTIMETRES
            and region.get("PhysicalUnitsYDirection") == _CENTIMETRES
        }
    except (ValueError, TypeError, AttributeError, IndexError):
        regions = set()
    if len(regions) == 1:
        row, column = regions.pop()
        if 0 < row < np.inf and 0 < column < np.inf:
            return (row, column), f"{place}; its size is that of its ultrasound region."
    return None, f"{place} and no size; all lengths are in pixels."
