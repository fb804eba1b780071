"""Where studies are: in the server's folder, uploaded, or in an archive; each under an id."""

from __future__ import annotations

import os
import secrets
import shutil
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from medcontour.dicomweb import parse_address
from medcontour.errors import MedcontourError
from medcontour.files import make_folder
from medcontour.privacy import discreet, keep_private
from medcontour.scan import Scan, read_scan
from medcontour.scan.listing import listed_scans
from medcontour.server.options import ServerOptions
from medcontour.server.problems import Problem
from medcontour.server.records import ServerRecords
from medcontour.server.uploads import placed_upload
from medcontour.workspace import digest

__all__ = ["Listed", "Studies"]

UPLOADS = "uploads"


@dataclass(frozen=True)
class Listed:
    """A study as clients see it: its id, where it came from, and a name that names nobody."""

    study: str
    origin: str
    name: str


class Studies:
    """The studies that clients may open.

    The id of a scan in the server's folder is a salted digest of its path: it stays the same, and
    nobody can tell the path from it. No path is written down.

    Parameters
    ----------
    options
        Which folder and archives may be read from.
    records
        Remembers uploads and addresses.
    """

    def __init__(self, options: ServerOptions, records: ServerRecords) -> None:
        self._options, self._records = options, records
        self._uploads = make_folder(options.folder / UPLOADS)
        self._found: dict[str, tuple[Path, str | None]] = {}
        self._lock = threading.Lock()
        self._listing = threading.Lock()

    def listed(self) -> list[Listed]:
        """Look through the server's folder, and list its scans, uploads and opened addresses."""
        root = self._options.studies
        found: list[Listed] = []
        if root is not None:
            with self._listing:
                scans, _ = listed_scans(root)
                places = Counter(scan.path for scan in scans)
                for number, scan in enumerate(scans, start=1):
                    if not self._is_inside(scan.path):
                        continue
                    series = scan.series if places[scan.path] > 1 else None
                    study = self._remember(scan.path, series)
                    found.append(Listed(study, "folder", self._name(scan.path, number)))
        for study, (address, _) in self._records.places().items():
            origin = "upload" if address is None else "archive"
            found.append(Listed(study, origin, f"{origin} {study[:6]}"))
        return found

    def open_path(self, path: str) -> str:
        """Give the id of a scan by its path, relative to the server's folder.

        Raises
        ------
        Problem
            For a path that leads out of the folder or is not there.
        """
        root = self._options.studies
        if root is None:
            raise Problem(
                403,
                "This server shows no folder of scans; upload the scan, or start the server "
                "with --studies.",
            )
        outside = Problem(
            403,
            "The path has to be relative, below the server's folder of scans, and lead to a "
            "scan there.",
        )
        if not path or "\\" in path or any(not c.isprintable() for c in path) or ":" in path:
            raise outside
        if path.startswith(("/", "~")) or ".." in path.split("/"):
            raise outside
        try:
            place = root / path
            keep_private(place)
            if not self._is_inside(place):
                raise outside
            if not place.exists():
                raise Problem(404, "There is no scan of this path in the server's folder.")
        except (OSError, ValueError):
            raise outside from None
        return self._remember(place, None)

    def open_address(self, address: str) -> str:
        """Give the id of a series in an archive that the server may read from.

        Raises
        ------
        Problem
            For another archive, or an address without a series.
        """
        try:
            wanted = parse_address(address)
        except MedcontourError as error:
            raise Problem(422, str(error)) from error
        allowed = {parse_address(archive).root for archive in self._options.archives}
        if wanted.root not in allowed:
            raise Problem(
                403,
                "The server reads from no such archive; it is started with those it may read "
                "from (--archive).",
            )
        if wanted.series is None:
            raise Problem(422, "The address names no series; write it as #SERIES_UID at its end.")
        study = digest(wanted.text, self._options.folder)
        self._records.keep_place(study, wanted.text)
        return study

    def take_upload(self, file: Path) -> str:
        """Give the id of a scan that was uploaded, once it can be read.

        Raises
        ------
        Problem
            For what is no scan, and where too many are kept.
        """
        uploads = [each for each, (where, _) in self._records.places().items() if where is None]
        if len(uploads) >= self._options.bounds.uploads:
            raise Problem(507, "Too many uploaded scans are kept; remove some, or wait.")
        study = secrets.token_hex(12)
        folder = make_folder(self._uploads / study)
        try:
            place = placed_upload(file, folder, self._options.bounds)
            read_scan(place)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._records.keep_place(study, None)
        return study

    def locate(self, study: str) -> Path | str:
        """Give the file, folder or address of a study.

        Raises
        ------
        Problem
            Where there is none of that id.
        """
        return self._place(study)[0]

    def read(self, study: str) -> Scan:
        """Read a study's scan."""
        place, series = self._place(study)
        self._records.use(study)
        return read_scan(place, series=series)

    def remove(self, study: str) -> None:
        """Remove an uploaded study, or forget one in an archive; the server's folder stays."""
        shutil.rmtree(self._uploads / study, ignore_errors=True)
        self._records.forget_place(study)

    def is_own(self, study: str) -> bool:
        """Whether a study was uploaded, or is in an archive."""
        return study in self._records.places()

    def is_plain(self, study: str) -> bool:
        """Whether its path alone says which scan it is."""
        place, series = self._place(study)
        return series is None and isinstance(place, Path)

    def outdated(self) -> list[str]:
        """Give the uploaded studies that nobody used for long."""
        last = time.time() - self._options.bounds.keep_seconds
        places = self._records.places().items()
        return [study for study, (where, used) in places if where is None and used < last]

    def _place(self, study: str) -> tuple[Path | str, str | None]:
        places = self._records.places()
        if study in places:
            address = places[study][0]
            if address is not None:
                return address, None
            folder = self._uploads / study
            files = sorted(folder.glob("scan.*"))
            return (files[0] if files else folder), None
        with self._lock:
            found = self._found.get(study)
        if found is None:
            found = self._searched(study)
        if found is None or not found[0].exists():
            raise Problem(404, "There is no study of this id; list or open it first.")
        return found

    def _searched(self, study: str) -> tuple[Path, str | None] | None:
        """Look for a study in the folder, whose id is of an earlier run of the server."""
        root = self._options.studies
        if root is None or not _is_id(study):
            return None
        with self._listing:
            for folder, folders, files in os.walk(root):
                for name in (*folders, *files):
                    place = Path(folder, name)
                    if digest(self._key(place, None), self._options.folder) == study:
                        return (place, None) if self._is_inside(place) else None
        self.listed()  # several series of one folder
        with self._lock:
            return self._found.get(study)

    def _remember(self, place: Path, series: str | None) -> str:
        study = digest(self._key(place, series), self._options.folder)
        with self._lock:
            self._found[study] = place, series
        return study

    def _key(self, place: Path, series: str | None) -> str:
        assert self._options.studies is not None
        relative = place.relative_to(self._options.studies)
        return f"{relative.as_posix()}\0{series or ''}"

    def _is_inside(self, place: Path) -> bool:
        root = self._options.studies
        assert root is not None
        return place.resolve().is_relative_to(root.resolve())

    def _name(self, place: Path, number: int) -> str:
        """What a person may read of a path: parts that could be a patient's are hidden."""
        assert self._options.studies is not None
        keep_private(place)
        relative = place.relative_to(self._options.studies)
        itself = self._options.studies.resolve()
        keep_private(itself)
        return f"{number}: {discreet(relative.as_posix() if relative.parts else itself.name)}"


def _is_id(study: str) -> bool:
    return len(study) == 24 and all(letter in "0123456789abcdef" for letter in study)
