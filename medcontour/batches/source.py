"""Where the series of a batch are: a folder, each series by a key that names nobody."""

from __future__ import annotations

import csv
import hashlib
import os
import secrets
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from medcontour.errors import MedcontourError
from medcontour.files import replacing
from medcontour.privacy import discreet, keep_private, stored_path
from medcontour.progress import Progress
from medcontour.scan import Scan, read_scan
from medcontour.scan.folder import folder_files
from medcontour.scan.listing import Known, files_signature, listed_scans

__all__ = ["FolderSource", "Source", "Study", "lettered", "salt_of", "study_of", "write_paths"]

SALT_NAME = "salt"

_LETTERS = str.maketrans("0123456789", "ghjkmnpqrs")
"""Digits of a key would look like a patient's number."""


@dataclass(frozen=True)
class Study:
    """One series to look at.

    Attributes
    ----------
    key
        A salted digest of where it is; its folder of results is named so.
    part
        A number that is the same wherever the results go: it says which shard the series is of.
    signature
        Which files, of which sizes and times, it is made of.
    path, uid
        What `read_scan` reads, and the SeriesInstanceUID, where it has one.
    """

    key: str
    part: int
    signature: str
    path: str
    uid: str | None = None


class Source(Protocol):
    """Where series are listed and read; it can be sent to another process."""

    def studies(
        self, salt: str, progress: Progress | None, known: Known | None
    ) -> tuple[list[Study], tuple[str, ...]]:
        """List the series, and say what was passed over."""
        ...

    def check(self) -> None:
        """Stop where no series is there any more."""
        ...

    def state(self, study: Study) -> object:
        """What is equal for two looks at a series between which nothing changed."""
        ...

    def read(self, study: Study) -> Scan:
        """Read a series."""
        ...

    def stored(self, study: Study, words: Iterable[str] = ()) -> str | None:
        """Where the series is, as far as it may be written down."""
        ...

    def discreet(self, sentence: str, study: Study) -> str:
        """Give a sentence without what may not be repeated of where the series is."""
        ...


@dataclass(frozen=True)
class FolderSource:
    """The scans in a folder and in the folders in it.

    Attributes
    ----------
    root
        The folder, absolute.
    out
        Where results go: what lies there is no scan.
    """

    root: Path
    out: Path

    def __post_init__(self) -> None:
        keep_private(self.root)
        if not self.root.is_dir():
            raise MedcontourError(f"{self.root} is no folder; give the one that holds the scans.")
        if self.out == self.root or self.out in self.root.parents:
            raise MedcontourError(
                f"{self.out} holds the scans themselves; choose another folder for the results."
            )

    def studies(
        self, salt: str, progress: Progress | None, known: Known | None
    ) -> tuple[list[Study], tuple[str, ...]]:
        """List the series of the folder; the notes say what was passed over."""
        listed, notes = listed_scans(self.root, progress, self.out, known and _Salted(known, salt))
        found = []
        for scan in listed:
            name = f"{scan.path.relative_to(self.root).as_posix()}\n{scan.series or ''}"
            files = files_signature(scan.files)
            found.append(study_of(name, salt, files, str(scan.path), scan.series))
        return found, notes

    def check(self) -> None:
        """Refuse to go on where the folder is gone: all its series would fail."""
        if not self.root.is_dir():
            raise MedcontourError(
                f"{self.root} is not there any more; mount it again and run the same command."
            )

    def state(self, study: Study) -> object:
        """Names, sizes and times of the file, or of all files in the folder that holds it."""
        return files_signature(folder_files(Path(study.path)).files)

    def read(self, study: Study) -> Scan:
        """Read a series."""
        return read_scan(study.path, series=study.uid)

    def stored(self, study: Study, words: Iterable[str] = ()) -> str | None:
        """The path in the folder, where no part of it could be a person's."""
        return stored_path(study.path, self.root, words)

    def discreet(self, sentence: str, study: Study) -> str:
        """Give a sentence with the path from the folder on, as far as it may be repeated."""
        keep_private(study.path)
        for root in (str(self.root), discreet(str(self.root))):
            sentence = sentence.replace(f"{root}{os.sep}", "")
        return discreet(sentence)


def write_paths(file: Path, studies: Iterable[Study]) -> None:
    """Write the path of each key as a table (CSV); paths may hold names.

    Raises
    ------
    MedcontourError
        When it cannot be written.
    """
    with (
        replacing(file) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as stream,
    ):
        table = csv.writer(stream)
        table.writerow(("study", "path", "series_instance_uid"))
        table.writerows((study.key, study.path, study.uid) for study in studies)


def study_of(name: str, salt: str, signature: str, path: str, uid: str | None) -> Study:
    """Give a series its key and its part, by a name that it has wherever results go."""
    own = name.encode("utf-8", "surrogateescape")  # a file's name may be any bytes
    key = hashlib.blake2b(own, key=salt.encode(), digest_size=8).hexdigest()
    part = int(hashlib.sha256(own).hexdigest()[:12], 16)
    return Study(lettered(key), part, signature, path, uid)


def lettered(digits: str) -> str:
    """Write hexadecimal digits in letters.

    Examples
    --------
    >>> lettered("4ebff26c064b3e83")
    'mebffjpcgpmbkerk'
    """
    return digits.translate(_LETTERS)


@dataclass(frozen=True)
class _Salted:
    """What is known of places, kept by digests of them: they may be named after patients."""

    known: Known
    salt: str

    def get(self, place: str) -> str | None:
        return self.known.get(self._digest(place))

    def put(self, place: str, content: str) -> None:
        self.known.put(self._digest(place), content)

    def _digest(self, place: str) -> str:
        name = place.encode("utf-8", "surrogateescape")
        return hashlib.blake2b(name, key=self.salt.encode(), digest_size=12).hexdigest()


def salt_of(out: Path) -> str:
    """Give the random number of a folder of results, drawn by whoever is first.

    Without it nobody can look up which series a key is of.

    Raises
    ------
    MedcontourError
        Where it cannot be written or read.
    """
    file = out / SALT_NAME
    try:
        if not file.exists():
            handle, name = tempfile.mkstemp(prefix=".salt-", dir=out)
            with os.fdopen(handle, "w", encoding="ascii") as stream:
                stream.write(secrets.token_hex(16))
            try:
                os.link(name, file)  # fails where another was faster
            except FileExistsError:
                pass
            except OSError:  # a file system without links
                os.replace(name, file)
            with suppress(OSError):
                os.unlink(name)
        return file.read_text(encoding="ascii")
    except OSError as error:
        raise MedcontourError(
            f"{out} cannot be written ({error.strerror}); choose another folder."
        ) from error
