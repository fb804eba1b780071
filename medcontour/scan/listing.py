"""The scans of a folder and of the folders in it: each file of its own kind, each DICOM series."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medcontour.errors import MedcontourError
from medcontour.progress import Progress
from medcontour.scan.folder import folder_files
from medcontour.scan.headers import NoImage
from medcontour.scan.read import file_kind
from medcontour.scan.series import series_files

__all__ = ["ListedScan", "listed_scans"]


@dataclass(frozen=True)
class ListedScan:
    """One scan of a folder, for ``read_scan(path, series=series)``.

    Attributes
    ----------
    path
        A file, or the folder that holds a DICOM series.
    series
        Which series of that folder.
    files
        The files that it is made of, in the order of their names.
    """

    path: Path
    series: str | None = None
    files: tuple[Path, ...] = ()


def listed_scans(
    root: Path, progress: Progress | None = None, without: Path | None = None
) -> tuple[list[ListedScan], tuple[str, ...]]:
    """List the scans below a folder: pictures, NIfTI, NRRD, MetaImage, DICOM series.

    Parameters
    ----------
    root
        The folder.
    progress
        Called with ``"list"`` as folders of DICOM files are looked into.
    without
        A folder in it that is passed over.

    Returns
    -------
    scans, notes
        The scans in the order of their paths. A folder whose DICOM files are all damaged is one of
        them: reading it says what is wrong. The notes say what was passed over.
    """
    files = folder_files(root)
    found: list[ListedScan] = []
    passed: Counter[str] = Counter()
    dicom: dict[Path, list[Path]] = defaultdict(list)
    for file in files.files:
        if without is not None and without in file.parents:
            continue
        try:
            kind = file_kind(file)
        except OSError:
            passed["files that cannot be opened"] += 1
            continue
        if kind == "dicom":
            dicom[file.parent].append(file)
        elif kind is None:
            passed["files of other kinds"] += 1
        else:
            found.append(ListedScan(file, None, (file,)))
    series, notes = _series(dicom, passed, progress)
    counted = [f"Passed over: {count} {what}." for what, count in sorted(passed.items())]
    scans = sorted([*found, *series], key=lambda scan: (scan.path, scan.series or ""))
    return scans, (*files.notes, *notes, *counted)


def _series(
    folders: Mapping[Path, Sequence[Path]], passed: Counter[str], progress: Progress | None
) -> tuple[list[ListedScan], list[str]]:
    """The DICOM series of folders, each once; a series may lie in several of them."""
    tops: dict[Path, list[Path]] = defaultdict(list)
    for folder, files in folders.items():
        around = [parent for parent in folder.parents if parent in folders]
        tops[around[-1] if around else folder] += files  # that one is searched with it
    found: list[ListedScan] = []
    notes: list[str] = []
    for done, (folder, files) in enumerate(tops.items(), start=1):
        try:
            by_series, said = series_files(folder)
        except NoImage:
            passed["folders of DICOM objects without an image"] += 1
        except MedcontourError:
            found.append(ListedScan(folder, None, tuple(sorted(files))))
        else:
            notes += said
            found += [
                ListedScan(_around(own), uid or None, tuple(own)) for uid, own in by_series.items()
            ]
        if progress is not None:
            progress("list", done, len(tops))
    return found, list(dict.fromkeys(notes))


def _around(files: Sequence[Path]) -> Path:
    """The folder that holds all of them."""
    return Path(os.path.commonpath([file.parent for file in files]))
