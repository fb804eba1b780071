"""Reads a DICOM RT Structure Set: every contour exactly, by its place and not by its references."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from medcontour.errors import MedcontourError
from medcontour.formats.place import nearest_slice, slice_tolerance_mm
from medcontour.formats.shapes import Edited, EditedShape, FloatArray
from medcontour.scan import Scan

__all__ = ["read_rtstruct"]

OFF = "contours off the slices' planes"
FRAME = "structures in a frame of reference of their own that name this scan's images"
CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")


def read_rtstruct(dataset: Dataset, scan: Scan, path: Path) -> Edited:
    """Read the closed contours that lie in the scan's slices.

    A contour's slice is the one whose plane holds its points: others' references often name
    other copies of the images. Points, open lines and contours between slices are counted in the
    notes.

    Raises
    ------
    MedcontourError
        For another frame of reference that does not name the scan's own images, or when there
        are contours and none lies in a slice.
    """
    rois = {int(roi.ROINumber): roi for roi in dataset.get("StructureSetROISequence") or []}
    left_out: Counter[str] = Counter()
    shapes = []
    tolerance = slice_tolerance_mm(scan)
    for item in dataset.get("ROIContourSequence") or []:
        number = int(item.ReferencedROINumber)
        roi = rois.get(number, Dataset())
        contours = item.get("ContourSequence") or []
        if contours and _elsewhere(roi, dataset, scan):
            _check_references(contours, scan, path)
            left_out[FRAME] += 1
        if not contours:
            left_out["structures without contours"] += 1
        for contour in contours:
            points = np.asarray(contour.get("ContourData") or [], dtype=np.float64)
            if contour.get("ContourGeometricType", "") not in CLOSED or len(points) < 9:
                left_out["points and open lines"] += 1
                continue
            points = _not_repeated(points.reshape(-1, 3))
            k, off = nearest_slice(points, scan)
            if np.abs(off).max() > tolerance:
                left_out[OFF] += 1
                continue
            points = scan.to_lps(scan.to_index(points, k), k)
            shapes.append(EditedShape(str(roi.get("ROIName", "")), number, k, points))
    if not shapes and left_out[OFF]:
        raise MedcontourError(
            f"No contour of {path} lies in a slice of the scan; give the structure set that was "
            "drawn on this scan."
        )
    notes = tuple(
        f"{'Noted in' if what == FRAME else 'Left out of'} the file: {what}, {n}."
        for what, n in left_out.items()
    )
    return Edited("DICOM RTSTRUCT", tuple(shapes), notes)


def _elsewhere(roi: Dataset, dataset: Dataset, scan: Scan) -> bool:
    frame = roi.get("ReferencedFrameOfReferenceUID") or dataset.get("FrameOfReferenceUID")
    return bool(frame and scan.frame_of_reference_uid and frame != scan.frame_of_reference_uid)


def _check_references(contours: Sequence[Dataset], scan: Scan, path: Path) -> None:
    """Refuse contours of another frame, unless they name the scan's images as what they lie on.

    Some writers make up a frame of reference of their own.
    """
    named = {
        str(image.get("ReferencedSOPInstanceUID", ""))
        for contour in contours
        for image in contour.get("ContourImageSequence") or []
    }
    if not named & set(scan.sop_instance_uids):
        raise MedcontourError(
            f"{path} is placed in another frame of reference (0020,0052) than the scan, so that "
            "its coordinates are of another examination; give the structure set of this scan."
        )


def _not_repeated(points: FloatArray) -> FloatArray:
    return points[:-1] if len(points) > 3 and np.array_equal(points[0], points[-1]) else points
