"""The series of a folder: listed, chosen, and without copies; what is left out is said."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medcontour.errors import MedcontourError
from medcontour.scan.headers import DicomFolder, ImageFile, image_files, open_dicom, text
from medcontour.scan.pixels import decoded
from medcontour.scan.quiet import quietly

__all__ = ["SeriesFacts", "chosen_series", "list_series", "series_files"]

_NAMED = 5
"""Files whose numbers are given in a note; of more, the first."""


@dataclass(frozen=True)
class SeriesFacts:
    """What one series of a folder is, without patient data.

    A SeriesDescription is left out: people write names into it.

    Attributes
    ----------
    uid
        SeriesInstanceUID (0020,000E), empty where the images have none.
    modality
        Of its first image.
    columns, rows
        Of its first image.
    slices
        Images, or frames where an image has several.
    """

    uid: str
    modality: str
    columns: int
    rows: int
    slices: int


def list_series(path: Path) -> tuple[list[SeriesFacts], tuple[str, ...]]:
    """List the series of DICOM images in a folder, in the order of their file names.

    Returns
    -------
    series, notes
        The notes say which files are not in the list, and why.

    Raises
    ------
    MedcontourError
        When there is no image.
    """
    with quietly():
        folder = image_files(path)
        return [_facts(*item) for item in _by_series(folder.images).items()], _notes(folder, None)


def series_files(path: Path) -> tuple[dict[str, list[Path]], tuple[str, ...]]:
    """List the files of each series in a folder, by its UID.

    Returns
    -------
    files, notes
        The notes are those of `list_series`.

    Raises
    ------
    NoImage
        When there are DICOM objects and none is an image.
    MedcontourError
        When there is no image for another reason.
    """
    with quietly():
        folder = image_files(path)
    found = _by_series(folder.images)
    return {uid: [image.path for image in own] for uid, own in found.items()}, _notes(folder, None)


def chosen_series(path: Path, series: str | None) -> tuple[list[ImageFile], tuple[str, ...]]:
    """Read the headers at `path` and keep the images of one series, copies once.

    Returns
    -------
    images, notes
        The notes name by number what was left out.

    Raises
    ------
    MedcontourError
        When there are several series and none is chosen, or when the chosen one is absent: with the
        UID, modality, columns, rows and slices of each (a SeriesDescription may name a patient).
        When a file of the chosen series is damaged: the rest would not be the whole of it.
    """
    folder = image_files(path)
    by_series = _by_series(folder.images)
    if series is None and len(by_series) == 1:
        (series,) = by_series
    if series is None or series not in by_series:
        raise _choose(path, series, by_series)
    for broken in folder.unread:
        if broken.series == series:
            raise broken.error
    images, copies = _without_copies(by_series[series])
    return images, _notes(folder, series) + copies


def numbered(numbers: Iterable[int]) -> str:
    """Name files by their numbers.

    Examples
    --------
    >>> numbered([7]), numbered(range(1, 9))
    ('number 7', 'numbers 1, 2, 3, 4, 5 and others')
    """
    listed = sorted(numbers)
    more = " and others" if len(listed) > _NAMED else ""
    return f"number{'s'[: len(listed) > 1]} {', '.join(map(str, listed[:_NAMED]))}{more}"


def _notes(folder: DicomFolder, series: str | None) -> tuple[str, ...]:
    """Say what is not read of a folder, without a name; of a series, only what may be of it."""
    notes = list(folder.notes)
    unread = [item.number for item in folder.unread if series is None or item.series is None]
    of = f"of the {folder.total} files, in the order of their names,"
    if unread:
        notes.append(
            f"{len(unread)} {of} could not be read and "
            f"{'is' if len(unread) == 1 else 'are'} left out ({numbered(unread)}: damaged, "
            "truncated or no DICOM): a slice may be missing."
        )
    if folder.alien:
        verb = "is" if len(folder.alien) == 1 else "are"
        notes.append(
            f"{len(folder.alien)} {of} {verb} no DICOM and passed over ({numbered(folder.alien)})."
        )
    gone = sum(series is None or of_series == series for of_series in folder.missing.values())
    if gone:
        notes.append(
            f"The index (DICOMDIR) names images that are not there ({gone}): slices are missing."
        )
    return tuple(notes)


def _by_series(images: Sequence[ImageFile]) -> dict[str, list[ImageFile]]:
    found: dict[str, list[ImageFile]] = {}
    for image in images:
        found.setdefault(image.series, []).append(image)
    return found


def _facts(uid: str, files: Sequence[ImageFile]) -> SeriesFacts:
    rows, columns = files[0].size
    return SeriesFacts(uid, files[0].modality, columns, rows, sum(file.frames for file in files))


def _choose(
    path: Path, series: str | None, by_series: dict[str, list[ImageFile]]
) -> MedcontourError:
    listed = "; ".join(
        f"{found.uid or 'without a UID'} ({found.modality}, {found.columns} x {found.rows} x "
        f"{found.slices})"
        for found in (_facts(*item) for item in by_series.items())
    )
    trouble = f"holds {len(by_series)} series" if series is None else f"has no series {series}"
    return MedcontourError(
        f"{path} {trouble}; choose one by its SeriesInstanceUID (series), or give a folder with "
        f"one series alone: {listed}."
    )


def _without_copies(images: Sequence[ImageFile]) -> tuple[list[ImageFile], tuple[str, ...]]:
    """Keep one of images that are the same object (SOPInstanceUID, place) with the same pixels."""
    kept: dict[tuple[str | None, ...], list[ImageFile]] = {}
    copies = []
    for image in images:
        place = ("SOPInstanceUID", "ImagePositionPatient", "ImageOrientationPatient")
        same = kept.setdefault(
            (*(text(image.header, keyword) for keyword in place), str((image.size, image.frames))),
            [],
        )
        if any(_same(image.path, other.path) for other in same):
            copies.append(image.number)
        else:
            same.append(image)
    left = sorted((image for same in kept.values() for image in same), key=lambda i: i.number)
    if not copies:
        return left, ()
    return left, (
        f"{len(copies)} of {len(images)} files of the series "
        f"{'is a copy' if len(copies) == 1 else 'are copies'} of another (the same object, the "
        f"same pixels) and counted once ({numbered(copies)} in the order of names).",
    )


def _same(path: Path, other: Path) -> bool:
    """Whether two files are alike to the byte, or hold the same pixels."""
    if path.stat().st_size == other.stat().st_size and path.read_bytes() == other.read_bytes():
        return True
    try:
        first, second = (decoded(open_dicom(file), file.name) for file in (path, other))
    except Exception:  # damaged pixels: whoever reads them says so
        return False
    return bool(np.array_equal(first, second))
