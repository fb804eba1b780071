"""The scans of a folder and of the folders in it: each file of its own kind, each DICOM series."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Protocol

from medcontour.errors import MedcontourError
from medcontour.progress import Progress
from medcontour.scan.folder import folder_files
from medcontour.scan.headers import NoImage
from medcontour.scan.read import file_kind
from medcontour.scan.series import series_files

__all__ = ["Known", "ListedScan", "files_signature", "listed_scans"]

_KINDS = {"dicom": "d", "nifti": "n", "itk": "i", "picture": "p", "empty": "e", None: "-"}
_SHUT = "!"
"""Letters that the kinds of a folder's files are kept as; the last is of one that does not open."""


_DAMAGED = "{}"
"""What is held of a folder all of whose files are damaged."""

_UNOPENED = "files that cannot be opened"
_OTHER = "files of other kinds"
_OBJECTS = "folders of DICOM objects without an image"


class Known(Protocol):
    """What was found out before of files that are the same still: nothing of it holds a name."""

    def get(self, place: str) -> str | None:
        """Give what was kept of a place."""
        ...

    def put(self, place: str, content: str) -> None:
        """Keep something of a place."""
        ...


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
    root: Path,
    progress: Progress | None = None,
    without: Path | None = None,
    known: Known | None = None,
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
    known
        What was found out before, so that only files that are new or others are opened.

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
    inside = (file for file in files.files if without is None or without not in file.parents)
    by_folder: dict[Path, list[Path]] = defaultdict(list)
    for file in inside:
        by_folder[file.parent].append(file)
    for folder, own in by_folder.items():
        kinds = _kept(known, f"kinds {folder}", own, partial(_kinds, own))
        for file, kind in zip(own, kinds, strict=True):
            if kind == _KINDS["dicom"]:
                dicom[folder].append(file)
            elif kind in (_KINDS[None], _SHUT):
                passed[_UNOPENED if kind == _SHUT else _OTHER] += 1
            else:
                found.append(ListedScan(file, None, (file,)))
    series, notes = _series(dicom, passed, progress, known)
    counted = [f"Passed over: {count} {what}." for what, count in sorted(passed.items())]
    scans = sorted([*found, *series], key=lambda scan: (scan.path, scan.series or ""))
    return scans, tuple(dict.fromkeys((*files.notes, *notes, *counted)))


def files_signature(files: Iterable[Path]) -> str:
    """Give a digest of names, sizes and times of files, without their content."""
    digest = hashlib.sha256()
    for file in files:
        try:
            status = file.stat()
            facts = f"{status.st_size} {status.st_mtime_ns}"
        except OSError:
            facts = "gone"
        digest.update(f"{file.name}\0{facts}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]


def _kept(known: Known | None, place: str, files: Sequence[Path], find: Callable[[], str]) -> str:
    """What is known of files that are the same still, else what is found out now."""
    if known is None:
        return find()
    signature = files_signature(files)
    before, _, content = (known.get(place) or "").partition(" ")
    if before == signature:
        return content
    content = find()
    if content != _DAMAGED and _SHUT not in content:  # those may be mended with no file changed
        known.put(place, f"{signature} {content}")
    return content


def _kinds(files: Sequence[Path]) -> str:
    """The kinds of files, a letter each."""
    letters = []
    for file in files:
        try:
            letters.append(_KINDS[file_kind(file)])
        except OSError:
            letters.append(_SHUT)
    return "".join(letters)


def _series(
    folders: Mapping[Path, Sequence[Path]],
    passed: Counter[str],
    progress: Progress | None,
    known: Known | None,
) -> tuple[list[ListedScan], list[str]]:
    """The DICOM series of folders, each once; a series may lie in several of them."""
    tops: dict[Path, list[Path]] = defaultdict(list)
    for folder, files in folders.items():
        around = [parent for parent in folder.parents if parent in folders]
        tops[around[-1] if around else folder] += files  # that one is searched with it
    found: list[ListedScan] = []
    notes: list[str] = []
    for done, (folder, unsorted) in enumerate(tops.items(), start=1):
        files = sorted(unsorted)
        held = json.loads(_kept(known, f"series {folder}", files, partial(_held, folder, files)))
        if held is None:
            passed[_OBJECTS] += 1
        elif "series" not in held:
            found.append(ListedScan(folder, None, tuple(files)))
        else:
            notes += held["notes"]
            for uid, runs in held["series"].items():
                own = [file for start, count in runs for file in files[start : start + count]]
                found.append(ListedScan(_around(own), uid or None, tuple(own)))
        if progress is not None:
            progress("list", done, len(tops))
    return found, list(dict.fromkeys(notes))


def _held(folder: Path, files: Sequence[Path]) -> str:
    """The series of a folder as JSON: runs of its files' places; null where there is no image.

    Where all files are damaged there is no ``series``.
    """
    try:
        by_series, notes = series_files(folder)
    except NoImage:
        return "null"
    except MedcontourError:
        return _DAMAGED
    places = {file: place for place, file in enumerate(files)}
    series = {
        uid: list(_runs(sorted(places[file] for file in own if file in places)))
        for uid, own in by_series.items()
    }
    return json.dumps({"series": {u: own for u, own in series.items() if own}, "notes": notes})


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Runs of numbers, each by its first and its length."""
    for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        own = [number for _, number in run]
        yield own[0], len(own)


def _around(files: Sequence[Path]) -> Path:
    """The folder that holds all of them."""
    return Path(os.path.commonpath([file.parent for file in files]))
