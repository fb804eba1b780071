"""Reads a DICOM RT Structure Set: every contour exactly, by its place and not by its references."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from medcontour.errors import MedcontourError
from medcontour.formats.content import Content, read_dicom
from medcontour.formats.dicom.frame import is_elsewhere, names_scan
from medcontour.formats.place import in_plane, in_reach, nearest_slice, slice_gap_mm, slices_about
from medcontour.formats.reader import Reader
from medcontour.formats.rtstruct.xor import combined
from medcontour.formats.shapes import Edited, EditedShape, FloatArray, LeftOut, left_out_notes
from medcontour.scan import Scan

__all__ = ["read", "reader", "recognises"]

OFF = "contours off the slices' planes"
LINES = "points and open lines"
UNKNOWN = "contours of an unknown type"
ELSEWHERE = "structures in another frame of reference"
_XOR = "CLOSEDPLANARXOR"
# Types of Contour Geometric Type (3006,0042) without their underscores, which some writers
# misplace; a type that is missing is taken for the usual one.
_CLOSED = ("CLOSEDPLANAR", _XOR, "")
_LINES = ("POINT", "OPENPLANAR", "OPENNONPLANAR")


def recognises(content: Content) -> bool:
    """Whether a file is a DICOM object of modality RTSTRUCT."""
    return content.modality == "RTSTRUCT"


def read(path: Path, scan: Scan) -> Edited:
    """Read the closed contours that lie in the scan's slices.

    A contour's slice is the one whose plane lies nearest to its points, at most half a slice
    away: others' references often name other copies of the images. Contours of type
    CLOSEDPLANAR_XOR are combined by it (PS3.3 C.8.8.6.3). Points, open lines and contours between
    slices are counted in the notes.

    Raises
    ------
    MedcontourError
        For another frame of reference that does not name the scan's own images, or when there
        are contours and none lies in a slice.
    """
    dataset = read_dicom(path)
    rois = {int(roi.ROINumber): roi for roi in dataset.get("StructureSetROISequence") or []}
    notes: list[str] = []
    left_out: list[LeftOut] = []
    shapes: list[EditedShape] = []
    empty = off_plane = own_frame = 0
    for item in dataset.get("ROIContourSequence") or []:
        number = int(item.ReferencedROINumber)
        roi = rois.get(number, Dataset())
        name = str(roi.get("ROIName", ""))
        if not item.get("ContourSequence"):
            empty += 1
            continue
        frame = roi.get("ReferencedFrameOfReferenceUID") or dataset.get("FrameOfReferenceUID")
        if is_elsewhere(frame, scan):
            if not names_scan(_references(item, frame, dataset), scan):
                left_out.append(LeftOut(ELSEWHERE, name, number))
                continue
            own_frame += 1
        structure = _Structure(name, number, [], left_out)
        for contour in item.ContourSequence:
            structure.add(contour, scan)
        off_plane += sum(not in_plane(each.off, scan) for each in structure.nearest(scan))
        shapes += structure.shapes(scan)
    _check_some(shapes, left_out, path)
    said = (
        ("structures without contours", empty),
        ("contours brought into their slice's plane", off_plane),
        ("structures in a frame of reference of their own that name this scan's images", own_frame),
    )
    notes = [f"Noted in the file: {what}, {n}." for what, n in said if n]
    return Edited(
        "DICOM RTSTRUCT",
        tuple(shapes),
        (*notes, *left_out_notes(left_out)),
        tuple(left_out),
        numbered="structures",
    )


def _check_some(shapes: list[EditedShape], left_out: list[LeftOut], path: Path) -> None:
    """Refuse a structure set of which nothing could be read."""
    whats = {each.what for each in left_out}
    if shapes or not whats - {LINES}:
        return
    if ELSEWHERE in whats:
        raise MedcontourError(
            f"{path} is placed in another frame of reference (0020,0052) than the scan, so that "
            "its coordinates are of another examination; give the structure set of this scan."
        )
    if OFF in whats:
        raise MedcontourError(
            f"No contour of {path} lies in a slice of the scan; give the structure set that was "
            "drawn on this scan."
        )
    raise MedcontourError(
        f"No contour of {path} is of a type that is known (CLOSED_PLANAR, CLOSEDPLANAR_XOR); "
        "save it with closed contours."
    )


@dataclass(frozen=True)
class _Placed:
    points: FloatArray
    slice: int
    off: FloatArray
    xor: bool


@dataclass(frozen=True)
class _Structure:
    """One ROI's contours as they are read."""

    name: str
    number: int
    placed: list[_Placed]
    left_out: list[LeftOut]

    def add(self, contour: Dataset, scan: Scan) -> None:
        """Place a contour on its slice, or leave it out and say so."""
        points = np.asarray(contour.get("ContourData") or [], dtype=np.float64)
        points = points[: len(points) // 3 * 3]
        kind = str(contour.get("ContourGeometricType") or "").replace("_", "").upper().strip()
        points = _not_repeated(points.reshape(-1, 3))
        about = slices_about(points, scan) if len(points) else ()
        if kind not in _CLOSED or len(points) < 3:
            known = kind in (*_LINES, *_CLOSED)
            what = LINES if known else UNKNOWN
            self.left_out.append(LeftOut(what, self.name, self.number, about))
            return
        k, off = nearest_slice(points, scan)
        if in_reach(off, scan):
            self.placed.append(_Placed(points, k, off, kind == _XOR))
        else:
            self.left_out.append(LeftOut(OFF, self.name, self.number, about))

    def nearest(self, scan: Scan) -> list[_Placed]:
        """What is taken: on each slice the contours nearest to its plane.

        A structure drawn on slices that lie more closely has others beside them.
        """
        reach = {p.slice: np.inf for p in self.placed}
        for p in self.placed:
            reach[p.slice] = min(reach[p.slice], float(np.abs(p.off).mean()))
        spare = 0.1 * slice_gap_mm(scan)
        return [p for p in self.placed if np.abs(p.off).mean() <= reach[p.slice] + spare]

    def shapes(self, scan: Scan) -> Iterator[EditedShape]:
        """Polygons in the slices' planes; what is not nearest is left out."""
        taken = self.nearest(scan)
        for p in self.placed:
            if all(p is not t for t in taken):
                self.left_out.append(LeftOut(OFF, self.name, self.number, (p.slice,)))
        by_slice: dict[int, list[FloatArray]] = defaultdict(list)
        for p in taken:
            points = scan.to_lps(scan.to_index(p.points, p.slice), p.slice)
            if p.xor:
                by_slice[p.slice].append(points)
            else:
                yield EditedShape(self.name, self.number, p.slice, points)
        for k, polygons in by_slice.items():
            for polygon in combined(polygons, scan, k):
                yield EditedShape(self.name, self.number, k, polygon)


def _references(item: Dataset, frame: str, dataset: Dataset) -> list[Dataset]:
    """What says which images an ROI lies on: its contours, else the set's list for its frame."""
    images = [image for c in item.ContourSequence for image in c.get("ContourImageSequence") or []]
    return images or [
        each
        for each in dataset.get("ReferencedFrameOfReferenceSequence") or []
        if each.get("FrameOfReferenceUID") == frame
    ]


def _not_repeated(points: FloatArray) -> FloatArray:
    return points[:-1] if len(points) > 3 and np.array_equal(points[0], points[-1]) else points


reader = Reader("rtstruct", "an RTSTRUCT", recognises, read)
