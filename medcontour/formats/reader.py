"""Finds out what an edited file is, by its content, and has it read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pydicom

from medcontour.errors import MedcontourError
from medcontour.formats.coco.reader import read_coco
from medcontour.formats.dicom.header import discreetly
from medcontour.formats.labelmap.reader import read_nifti_labels
from medcontour.formats.markups.reader import read_markups
from medcontour.formats.nrrd.reader import read_nrrd
from medcontour.formats.pictures.reader import read_png
from medcontour.formats.place import check_near
from medcontour.formats.rtstruct.reader import read_rtstruct
from medcontour.formats.seg.reader import read_seg
from medcontour.formats.shapes import Edited, EditedShape
from medcontour.results import Suggestion
from medcontour.scan import Scan
from medcontour.scan.claims import open_measured

__all__ = ["read_edited"]

MARKUPS = ".mrk.json"
KINDS = (
    "give an RTSTRUCT, a DICOM SEG, a NIfTI or NRRD label map, a .seg.nrrd, 3D Slicer markups "
    "(.mrk.json, or their folder), a COCO JSON, a label PNG or a suggestion.json."
)
GZIP, PNG = b"\x1f\x8b", b"\x89PNG\r\n"


def read_edited(path: str | os.PathLike[str], scan: Scan) -> Edited:
    """Read an edited file of any format that medcontour writes, whoever edited it.

    Parameters
    ----------
    path
        The file; for markups it may be their folder, and a result folder stands for the
        ``suggestion.json`` in it.
    scan
        The scan that was drawn on.

    Raises
    ------
    MedcontourError
        When it cannot be read, is of another kind, or does not belong to the scan.
    """
    path = Path(path).expanduser()
    try:
        with discreetly():
            edited = _read(path, scan)
        check_near(edited, scan, path)
        return edited
    except MedcontourError:
        raise
    except FileNotFoundError as error:
        raise MedcontourError(f"{path} does not exist; check the path.") from error
    except MemoryError:
        raise
    except Exception as error:  # what the libraries raise at damaged files is anything
        raise MedcontourError(
            f"{path} cannot be read ({type(error).__name__}): it is damaged, truncated or of a "
            f"kind that is not known; {KINDS}"
        ) from error


def _read(path: Path, scan: Scan) -> Edited:
    if path.is_dir():
        if curves := sorted(path.glob(f"*{MARKUPS}")):
            return read_markups(curves, scan, folder=True)
        if (path / "suggestion.json").is_file():
            return _read(path / "suggestion.json", scan)
        raise MedcontourError(f"The folder {path} holds no curves ({MARKUPS}); {KINDS}")
    with path.open("rb") as file:
        start = file.read(400)
    if not start:
        raise MedcontourError(f"{path} is an empty file; save it again.")
    if start[128:132] == b"DICM":
        return _read_dicom(path, scan)
    if start.startswith(b"NRRD"):
        return read_nrrd(path, scan)
    if start.startswith(PNG):
        return read_png(path, scan)
    if start[344:348] in (b"n+1\0", b"ni1\0") or start.startswith(GZIP):
        return read_nifti_labels(path, scan)
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return _read_json(path, scan)
    raise MedcontourError(f"{path} is of a kind that is not read back; {KINDS}")


def _read_dicom(path: Path, scan: Scan) -> Edited:
    with open_measured(path) as stream:
        dataset = pydicom.dcmread(stream)
    modality = dataset.get("Modality")
    if modality == "RTSTRUCT":
        return read_rtstruct(dataset, scan, path)
    if modality == "SEG":
        return read_seg(dataset, scan, path)
    raise MedcontourError(f"{path} is a DICOM object of another kind; {KINDS}")


def _read_json(path: Path, scan: Scan) -> Edited:
    document: Any = json.loads(path.read_text(encoding="utf-8-sig"))
    if "schema" in document:
        return _read_suggestion(Suggestion.read_json(path), scan, path)
    if "markups" in document:
        return read_markups([path], scan, folder=False)
    if "annotations" in document:
        return read_coco(document, scan, path)
    raise MedcontourError(f"{path} is a JSON of another kind; {KINDS}")


def _read_suggestion(suggestion: Suggestion, scan: Scan, path: Path) -> Edited:
    if tuple(suggestion.scan.shape) != tuple(scan.voxels.shape[:3]):
        raise MedcontourError(f"{path} was made for another scan; give the one of this scan.")
    shapes = [
        EditedShape(finding.label, None, c.slice, c.polygon_lps_mm, kind=c.kind)
        for finding in suggestion.findings
        for c in (*finding.outlines, *finding.evidence_contours)
    ]
    return Edited("suggestion.json", tuple(shapes))
