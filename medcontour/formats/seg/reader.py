"""Reads a DICOM Segmentation of any type, frame by frame, onto the scan's slices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from medcontour.errors import MedcontourError
from medcontour.formats.content import Content, read_dicom
from medcontour.formats.dicom.frame import is_elsewhere, names_scan
from medcontour.formats.place import PLANE, frame_onto_slice, slice_gap_mm
from medcontour.formats.reader import Reader
from medcontour.formats.shapes import Edited, EditedShape, FloatArray
from medcontour.formats.volumes import OFF_PLANE
from medcontour.scan import Scan
from medcontour.scan.claims import check_room
from medcontour.scan.pixels import decoded

__all__ = ["read", "reader", "recognises"]

PIXELS = 0x7FE00010

Mask = npt.NDArray[np.float32]


def recognises(content: Content) -> bool:
    """Whether a file is a DICOM object of modality SEG."""
    return content.modality == "SEG"


def read(path: Path, scan: Scan) -> Edited:
    """Read the segments of a BINARY, FRACTIONAL or LABELMAP segmentation.

    Fractions count as inside from one half. Frames may lie off the slices' planes by less than
    half a slice. A segmentation without places (a single image pixel for pixel) is taken for the
    scan's only slice.

    Raises
    ------
    MedcontourError
        For another frame of reference that does not name the scan's own images, or frames that
        are no slices of the scan.
    """
    dataset = read_dicom(path)
    notes = []
    if is_elsewhere(dataset.get("FrameOfReferenceUID"), scan):
        if not names_scan([_without_pixels(dataset)], scan):
            raise MedcontourError(
                f"{path} is placed in another frame of reference (0020,0052) than the scan, so "
                "that its coordinates are of another examination; give the segmentation of this "
                "scan."
            )
        notes.append(
            "Noted in the file: a frame of reference of its own that names this scan's images."
        )
    names = {
        int(segment.get("SegmentNumber", 0)): str(segment.get("SegmentLabel", ""))
        for segment in dataset.SegmentSequence
    }
    kind = str(dataset.get("SegmentationType", "BINARY"))
    found, in_plane = _masks(dataset, kind, scan, path)
    if not in_plane:
        notes.append(OFF_PLANE)
    shapes = tuple(
        EditedShape(names.get(segment, ""), segment, k, values=mask)
        for (segment, k), mask in sorted(found.items(), key=lambda item: item[0])
        if (mask >= 0.5).any()
    )
    return Edited(f"DICOM SEG ({kind})", shapes, tuple(notes))


def _masks(
    dataset: Dataset, kind: str, scan: Scan, path: Path
) -> tuple[dict[tuple[int, int], Mask], bool]:
    """Masks by segment and slice, and whether all frames lie in the slices' planes."""
    scale = float(dataset.get("MaximumFractionalValue") or 255) if kind == "FRACTIONAL" else 1.0
    found: dict[tuple[int, int], Mask] = {}
    offsets: dict[int, float] = {}
    near = PLANE * slice_gap_mm(scan)
    for number in range(int(dataset.get("NumberOfFrames") or 1)):
        frame = decoded(dataset, str(path), number)
        if not frame.any():
            continue
        affine = _affine(dataset, number, scan)
        if affine is None and scan.slices == 1 and frame.shape == (scan.rows, scan.columns):
            placed: tuple[int, npt.NDArray[Any], float] | None = (0, frame, 0.0)
        else:
            placed = None if affine is None else frame_onto_slice(frame, affine, scan)
        # Frames that lie more closely than the slices would come to lie on each other.
        if placed is None or abs(placed[2] - offsets.setdefault(placed[0], placed[2])) > near:
            raise MedcontourError(
                f"{path} has frames on another grid than the scan's slices, and masks are not "
                "resampled; save the segmentation on the scan's own slices."
            )
        k, pixels, _ = placed
        if kind == "LABELMAP":
            values = [int(n) for n in np.unique(pixels) if n]
            parts = ((n, (pixels == n).astype(np.float32)) for n in values)
        else:
            values = [_segment(dataset, number)]
            parts = ((n, (pixels / scale).astype(np.float32)) for n in values)
        more = len({(n, k) for n in values} - found.keys())
        masks = (len(found) + more) * scan.rows * scan.columns
        check_room(masks, 4, str(path), "keep fewer segments")
        for segment, mask in parts:
            before = found.get((segment, k))
            found[segment, k] = mask if before is None else np.maximum(before, mask)
    return found, all(abs(off) <= near for off in offsets.values())


def _without_pixels(dataset: Dataset) -> Dataset:
    return Dataset({tag: item for tag, item in dataset.items() if tag != PIXELS})


def _groups(dataset: Dataset, number: int) -> list[Dataset]:
    groups = [*(dataset.get("SharedFunctionalGroupsSequence") or [])]
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or []
    return [*per_frame[number : number + 1], *groups]


def _macro(dataset: Dataset, number: int, keyword: str) -> Dataset | None:
    for group in _groups(dataset, number):
        if group.get(keyword):
            item: Dataset = group[keyword].value[0]
            return item
    return None


def _segment(dataset: Dataset, number: int) -> int:
    item = _macro(dataset, number, "SegmentIdentificationSequence")
    return 1 if item is None else int(item.ReferencedSegmentNumber)


def _affine(dataset: Dataset, number: int, scan: Scan) -> FloatArray | None:
    """(4, 4): index (column, row, 0) of a frame to LPS mm (PS3.3 C.7.6.2.1-1)."""
    place = _macro(dataset, number, "PlanePositionSequence")
    turn = _macro(dataset, number, "PlaneOrientationSequence")
    spacing = _spacing(dataset, number, scan)
    if place is None or turn is None or spacing is None:
        return None
    cosines = np.asarray(turn.ImageOrientationPatient, dtype=np.float64)
    row, column = spacing
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = cosines[:3] * column, cosines[3:] * row
    affine[:3, 3] = np.asarray(place.ImagePositionPatient, dtype=np.float64)
    return affine


def _spacing(dataset: Dataset, number: int, scan: Scan) -> tuple[float, float] | None:
    """Give the mm between a frame's rows and between its columns; None where that is not known.

    OHIF leaves it out: a frame of as many pixels as the scan's image that it was drawn on has that
    image's.
    """
    measures = _macro(dataset, number, "PixelMeasuresSequence")
    said = None if measures is None else measures.get("PixelSpacing")
    if said:
        row, column = (float(value) for value in said)
        return row, column
    source = _macro(dataset, number, "DerivationImageSequence")
    of_scan = source is not None and names_scan([source], scan)
    same = (dataset.Rows, dataset.Columns) == (scan.rows, scan.columns)
    return scan.pixel_spacing if of_scan and same else None


reader = Reader("seg", "a DICOM SEG", recognises, read)
