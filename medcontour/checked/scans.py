"""Which scans were checked, and with what result: a folder without findings, or a list."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medcontour.errors import MedcontourError
from medcontour.limits import read_text
from medcontour.privacy import keep_private
from medcontour.scan.listing import listed_scans

__all__ = ["CheckedScan", "checked_scans"]

COLUMNS = ("scan", "finding", "group", "mask")


@dataclass(frozen=True)
class CheckedScan:
    """One scan, and what was found when it was checked.

    Attributes
    ----------
    path
        A file, or the folder of a DICOM series.
    series
        Which series of that folder.
    finding
        Whether the finding is there; None where its mask says so.
    group
        Scans of one group (patient) have the same text; None where nobody said.
    mask
        A label map or picture on the scan's own grid: what is not 0 is the finding.
    """

    path: Path
    series: str | None = None
    finding: bool | None = False
    group: str | None = None
    mask: Path | None = None

    @property
    def judges(self) -> bool:
        """Whether it says of suggestions if they are right: without a finding, or with a mask."""
        return self.finding is not True or self.mask is not None


def checked_scans(path: str | os.PathLike[str]) -> tuple[list[CheckedScan], tuple[str, ...]]:
    """Give the scans of a folder, or of a checked list.

    Parameters
    ----------
    path
        A folder, searched with its subfolders: each picture, NIfTI, NRRD or MetaImage file and each
        DICOM series is a scan without a finding. Or a CSV file with the column ``scan`` (a path
        relative to the CSV) and, where there is more to say, ``finding`` (0 or 1; without the
        column no scan has a finding, unless it has a mask), ``group`` (the patient) and ``mask``
        (a label map or picture: what is not 0 is the finding).

    Returns
    -------
    scans, notes
        The notes say what was passed over.

    Raises
    ------
    MedcontourError
        Where there is no scan, or the list is no such list.
    """
    path = Path(path).expanduser()
    keep_private(path)
    if not os.fspath(path) or not path.exists():
        raise MedcontourError(f"{path} does not exist; give a folder of scans or a checked list.")
    if path.is_dir():
        return _of_folder(path)
    return _of_list(path), ()


def _of_folder(root: Path) -> tuple[list[CheckedScan], tuple[str, ...]]:
    """Each file of its own kind, and each DICOM series."""
    scans, notes = listed_scans(root)
    if not scans:
        raise MedcontourError(
            f"The folder {root} holds no scan; give one with pictures, NIfTI, NRRD or MetaImage "
            "files or DICOM series, or a checked list (CSV)."
        )
    return [CheckedScan(scan.path, scan.series) for scan in scans], notes


def _of_list(file: Path) -> list[CheckedScan]:
    try:
        text = read_text(file)
    except OSError as error:
        raise MedcontourError(f"{file} cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise MedcontourError(
            f"{file} is no text; give a folder of scans or a checked list (CSV in UTF-8)."
        ) from error
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.DictReader(text.splitlines(), delimiter=delimiter)
    names = [(name or "").strip().lower() for name in reader.fieldnames or ()]
    reader.fieldnames = names
    if "scan" not in names or len(set(names)) < len(names):
        raise MedcontourError(
            f"{file} has no single column scan in its first line; give a CSV with the columns "
            f"{', '.join(COLUMNS)}, of which scan alone is needed."
        )
    try:
        scans = list(_rows(reader, file))
    except csv.Error as error:
        raise MedcontourError(f"{file} is no CSV ({error}); save it again as one.") from error
    if not scans:
        raise MedcontourError(f"{file} lists no scan; write one a line under the column scan.")
    return scans


def _rows(reader: csv.DictReader[str], file: Path) -> Iterator[CheckedScan]:
    judged = "finding" in (reader.fieldnames or ())
    for number, row in enumerate(reader, start=1):
        cells = {name: (row.get(name) or "").strip() for name in COLUMNS}
        if not any(cells.values()):
            continue
        if not cells["scan"]:
            raise MedcontourError(f"Row {number} of {file} names no scan; name one.")
        scan = file.parent / cells["scan"]
        mask = file.parent / cells["mask"] if cells["mask"] else None
        for path in filter(None, (scan, mask)):
            keep_private(path)
        finding: bool | None = False
        if cells["finding"] in ("0", "1"):
            finding = cells["finding"] == "1"
        elif cells["finding"] or (judged and mask is None):
            raise MedcontourError(
                f"Row {number} of {file} says under finding neither 0 nor 1; write 1 where the "
                "finding is there, 0 where it is not."
            )
        elif mask is not None:
            finding = None
        yield CheckedScan(scan, None, finding, cells["group"] or None, mask)
