"""Which scans readers corrected, and in which files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pydicom

from medcontour.checked.scans import CheckedScan
from medcontour.errors import MedcontourError
from medcontour.privacy import discreet
from medcontour.scan.folder import folder_files
from medcontour.scan.read import file_kind

__all__ = ["edits_of"]

PREFERRED = ("labelmap", "segmentation", "seg", "rtstruct")
"""Of the files of one folder the one that is taken, by how their names begin."""


def edits_of(
    listed: Sequence[CheckedScan], edits: str | os.PathLike[str] | None, notes: list[str]
) -> list[CheckedScan]:
    """Give the scans with the files of readers' corrections as their masks.

    Parameters
    ----------
    listed
        The scans.
    edits
        A folder: a file belongs to the scan after which it, or its folder, is named; a DICOM
        object to the scan of its study.
    notes
        Files that belong to no scan are counted there.

    Raises
    ------
    MedcontourError
        Where there is no such folder, or nothing in it belongs to a scan.
    """
    if edits is None:
        return list(listed)
    folder = Path(edits)
    if not folder.is_dir():
        raise MedcontourError(f"There is no folder {folder}; give one with corrected files.")
    by_name: dict[str, list[Path]] = {}
    by_study: dict[str, list[Path]] = {}
    files = [file for file in folder_files(folder).files if file.suffix != ".json"]
    for file in files:
        by_name.setdefault(_stem(file), []).append(file)
        if file.parent != folder:
            by_name.setdefault(file.parent.name.lower(), []).append(file)
        if file_kind(file) == "dicom" and (study := _study(file)):
            by_study.setdefault(study, []).append(file)
    found, used = [], set()
    for scan in listed:
        own = by_name.get(_stem(scan.path), [])
        if not own and scan.path.is_dir() and by_study:
            own = by_study.get(_study(next(iter(folder_files(scan.path).files))), [])
        if own:
            mask = min(own, key=_preference)
            used.update(own)
            scan = replace(scan, mask=mask, finding=None)
        found.append(scan)
    if not used:
        raise MedcontourError(
            f"No file in {folder} belongs to any of the {len(listed)} scans; name each file as its "
            "scan is named."
        )
    if left := len(files) - len(used):
        notes.append(
            f"Files in {discreet(folder.name)} that belong to no scan, or beside another: {left}."
        )
    return found


def _stem(path: Path) -> str:
    """A file's name without its endings; a folder's whole."""
    name = path.name.lower()
    return name if path.is_dir() else name.partition(".")[0]


def _preference(file: Path) -> tuple[int, str]:
    ranks = [n for n, name in enumerate(PREFERRED) if file.name.startswith(name)]
    return min(ranks, default=len(PREFERRED)), file.name


def _study(file: Path) -> str:
    try:
        head = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=["StudyInstanceUID"])
    except (OSError, pydicom.errors.InvalidDicomError):
        return ""
    return str(head.get("StudyInstanceUID") or "")
