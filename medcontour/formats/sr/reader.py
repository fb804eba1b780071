"""Reads a DICOM SR: the closed polygons of its measurement groups, by their places."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from medcontour.errors import MedcontourError
from medcontour.formats.content import Content, read_dicom
from medcontour.formats.dicom.frame import is_elsewhere, names_scan
from medcontour.formats.place import in_plane, in_reach, nearest_slice
from medcontour.formats.reader import Reader
from medcontour.formats.shapes import Edited, EditedShape, FloatArray, LeftOut, left_out_notes
from medcontour.scan import Scan

__all__ = ["read", "reader", "recognises"]

OFF = "regions off the slices' planes"
OPEN = "points, lines and other regions that are no closed polygon"
ELSEWHERE = "regions in another frame of reference"
OTHER_IMAGES = "regions on images that are not the scan's"
SEGMENTS = "regions that only name a segmentation"

_GROUP = ("125007", "DCM")
_IDENTIFIER = ("112039", "DCM")
_SEGMENT = ("121191", "DCM")
_OUTLINE = ("111041", "DCM")
_CLOSED = ("POLYGON", "POLYLINE")


def recognises(content: Content) -> bool:
    """Whether a file is a DICOM object of modality SR."""
    return content.modality == "SR"


def read(path: Path, scan: Scan) -> Edited:
    """Read the polygons of a report by template TID 1500, whoever wrote it.

    Coordinates in space (SCOORD3D) are of the slice whose plane lies nearest, at most half a slice
    away; those on an image (SCOORD) of the slice that the image is. What is no closed polygon, or
    lies elsewhere, is counted in the notes.

    Raises
    ------
    MedcontourError
        For a report without measurement groups, or one with regions of which none could be read.
    """
    document = read_dicom(path)
    regions = _Regions(scan, names_scan([document], scan))
    groups = list(_groups(document))
    if not groups:
        raise MedcontourError(
            f"{path} holds no measurement groups (TID 1500), so that it is no report of regions; "
            "give a report with the findings' regions."
        )
    for group in groups:
        regions.add(group)
    if regions.left_out and not regions.shapes:
        raise MedcontourError(
            f"{path} holds no region that lies on the scan ({regions.left_out[0].what}); give the "
            "report with the polygons that were drawn on this scan."
        )
    said = (
        ("regions brought into their slice's plane", regions.off_plane),
        (
            "regions in a frame of reference of their own, in a report that names this scan's "
            "images",
            regions.own_frame,
        ),
    )
    notes = [f"Noted in the file: {what}, {n}." for what, n in said if n]
    return Edited(
        "DICOM SR",
        tuple(regions.shapes),
        (*notes, *left_out_notes(regions.left_out)),
        tuple(regions.left_out),
    )


@dataclass
class _Regions:
    scan: Scan
    of_scan: bool
    """Whether the report names the scan's images: a frame of its own is then theirs."""
    shapes: list[EditedShape] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    off_plane: int = 0
    own_frame: int = 0

    def add(self, group: Dataset) -> None:
        """Take the regions of a measurement group."""
        items = list(group.get("ContentSequence") or [])
        names = [str(item.get("TextValue", "")) for item in items if _concept(item) == _IDENTIFIER]
        name = names[0] if names else ""
        coordinates = [item for item in items if item.get("ValueType") in ("SCOORD", "SCOORD3D")]
        regions = [item for item in coordinates if _concept(item) != _OUTLINE]
        for item in regions or coordinates:  # beside regions, an outline is one of them once more
            in_space = item.ValueType == "SCOORD3D"
            self._place(item, name, *(self._in_space(item) if in_space else self._on_image(item)))
        if not coordinates and any(_concept(item) == _SEGMENT for item in items):
            self.left_out.append(LeftOut(SEGMENTS, name))

    def _place(
        self, item: Dataset, name: str, points: FloatArray | None, k: int | None, what: str
    ) -> None:
        closed = str(item.get("GraphicType")) in _CLOSED
        if points is None or k is None:
            about: tuple[int, ...] = ()
        elif closed and len(points) > 3 and np.allclose(points[0], points[-1], atol=1e-4):
            self.shapes.append(EditedShape(name, None, k, points[:-1]))
            return
        else:
            what, about = OPEN, (k,)
        self.left_out.append(LeftOut(what, name, slices=about))

    def _in_space(self, item: Dataset) -> tuple[FloatArray | None, int | None, str]:
        """Points in the plane of their slice, LPS mm, and the slice; else why there are none."""
        scan = self.scan
        elsewhere = is_elsewhere(item.get("ReferencedFrameOfReferenceUID"), scan)
        if elsewhere and not self.of_scan:
            return None, None, ELSEWHERE
        points = _points(item, 3)
        if not len(points):
            return None, None, OPEN
        k, off = nearest_slice(points, scan)
        if not in_reach(off, scan):
            return None, None, OFF
        self.off_plane += not in_plane(off, scan)
        self.own_frame += elsewhere
        return scan.to_lps(scan.to_index(points, k), k), k, ""

    def _on_image(self, item: Dataset) -> tuple[FloatArray | None, int | None, str]:
        """The same of points on an image, whose first pixel's centre is (0.5, 0.5)."""
        uids, frames = self.scan.sop_instance_uids, self.scan.frame_numbers
        for image in _references(item):
            wanted = image.get("ReferencedFrameNumber") or 1
            for k, uid in enumerate(uids):
                if uid == image.get("ReferencedSOPInstanceUID") and (
                    not frames or frames[k] == wanted
                ):
                    return self.scan.to_lps(_points(item, 2) - 0.5, k), k, ""
        return None, None, OTHER_IMAGES


def _groups(item: Dataset) -> Iterator[Dataset]:
    """The measurement groups in a document, at any depth."""
    for child in item.get("ContentSequence") or []:
        if _concept(child) == _GROUP:
            yield child
        else:
            yield from _groups(child)


def _concept(item: Dataset) -> tuple[str, str]:
    for code in item.get("ConceptNameCodeSequence") or []:
        return str(code.get("CodeValue", "")), str(code.get("CodingSchemeDesignator", ""))
    return "", ""


def _references(item: Dataset) -> Iterator[Dataset]:
    for child in item.get("ContentSequence") or []:
        yield from child.get("ReferencedSOPSequence") or []


def _points(item: Dataset, dimensions: int) -> FloatArray:
    values = np.asarray(item.get("GraphicData") or [], dtype=np.float64).ravel()
    return values[: len(values) // dimensions * dimensions].reshape(-1, dimensions)


reader = Reader("sr", "a DICOM SR", recognises, read)
