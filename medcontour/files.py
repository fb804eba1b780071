"""Writing: a file appears under its name only when it is whole, and the name is safe anywhere."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import tempfile
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import psutil

from medcontour.errors import MedcontourError
from medcontour.limits import check_file
from medcontour.privacy import keep_private

__all__ = ["check_output", "file_stem", "make_folder", "one_line", "replacing", "replacing_folder"]

_PARTIAL = ".partial-"
_LEFT = re.compile(rf"{re.escape(_PARTIAL)}(?:([0-9a-f]{{8}})-(\d+)-)?[a-z0-9_]{{8}}(.*)")
"""A temporary name: who writes it (machine, process), what mkstemp makes up, and the file's own."""

_HOUR = 3600.0
"""After so many seconds what an unknown writer left is stale: no file takes so long."""

_LONGEST = 80
"""Bytes of a name made from a label; file systems take 255, and more stands around it."""

_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)", re.IGNORECASE)
"""Names that Windows keeps for its devices, whatever the ending."""

_JOINERS = "\u200c\u200d"
"""Invisible, and part of the words of some scripts."""


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path`, and rename it to `path` once the block succeeds.

    A file so appears under its name only when it is whole; what stood there before stays until
    then, and a failed block leaves nothing behind. What a run that was killed left in the folder
    is removed.

    Parameters
    ----------
    path
        The file to write. Its folder must exist.

    Raises
    ------
    MedcontourError
        When the file cannot be written (no such folder, no permission, a full disk).

    Examples
    --------
    >>> import tempfile, pathlib
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "note.txt"
    >>> with replacing(target) as temporary:
    ...     _ = temporary.write_text("whole")
    >>> target.read_text()
    'whole'
    """
    final = _named(path)
    # The suffixes stay at the end: several writers choose the format (or gzip) by them.
    try:
        handle, name = tempfile.mkstemp(prefix=_prefix(), suffix=final.name, dir=final.parent)
        os.close(handle)
    except OSError as error:
        raise MedcontourError(
            f"{final} cannot be written ({error.strerror}); choose another folder."
        ) from error
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(final)
    except OSError as error:
        raise MedcontourError(
            f"{final} could not be written ({error.strerror or error}); "
            "nothing was left there: free some space or choose another folder."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary folder beside `path`, and put it in its place once the block succeeds.

    The same as `replacing`, for a folder that is written as a whole; the temporary one is as deep.

    Raises
    ------
    MedcontourError
        When the folder cannot be written.
    """
    final = _named(path)
    new = _beside(final)
    old: Path | None = None
    try:
        yield new
        umask = os.umask(0)
        os.umask(umask)
        new.chmod(0o777 & ~umask)
        if final.exists():
            old = _beside(final) / "old"
            final.rename(old)
        try:
            new.rename(final)
        except OSError:
            if old is not None:
                old.rename(final)
            raise
    except OSError as error:
        raise MedcontourError(
            f"{final} could not be written ({error.strerror or error}); "
            "nothing was changed there: free some space or choose another folder."
        ) from error
    finally:
        for left in (new, *([] if old is None else [old.parent])):
            shutil.rmtree(left, ignore_errors=True)


def make_folder(out: str | os.PathLike[str]) -> Path:
    """Make a result folder if it is not there; what a run that was killed left in it is removed.

    Raises
    ------
    MedcontourError
        When it cannot be made, or no name is given.
    """
    if not os.fspath(out):
        raise MedcontourError("The result folder has no name; say where to write.")
    folder = Path(out)
    keep_private(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MedcontourError(
            f"The folder {folder} cannot be made ({error.strerror}); choose another."
        ) from error
    _tidy(folder)
    return folder


def check_output(
    path: str | os.PathLike[str], example: str, kind: str, is_one: Callable[[Path], bool]
) -> None:
    """Refuse a file that cannot be written, or is something else, before the work.

    Parameters
    ----------
    path
        The file to write; one of the same kind is replaced.
    example
        A name that a user could give.
    kind
        What is written, such as ``calibration``.
    is_one
        Whether a file that is there is of this kind.

    Raises
    ------
    MedcontourError
        Where it is a folder, its folder is not there, or another file has the name.
    """
    out = Path(path)
    keep_private(out)
    if out.is_dir() or not out.parent.is_dir():
        raise MedcontourError(
            f"{out} cannot be written: give the name of a file in a folder that is there, such as "
            f"{example}."
        )
    if out.exists() and not is_one(out):
        raise MedcontourError(
            f"{out} is there already and is no {kind}; choose another name, or remove it."
        )


def one_line(text: str) -> str:
    r"""Give a text on one line, without control characters and outer blanks.

    Examples
    --------
    >>> one_line(" lung\n nodule\x00\x1b[2J")
    'lung nodule [2J'
    """
    shown = (letter if letter.isprintable() or letter in _JOINERS else " " for letter in text)
    return " ".join("".join(shown).split())


def file_stem(text: str) -> str:
    """Give what a file can be called after a text, on every system: 80 bytes at most, no ending.

    Examples
    --------
    >>> file_stem("lung / nodule"), file_stem("../.hidden"), file_stem("CON"), file_stem("...")
    ('lung_nodule', 'hidden', '_CON', 'unnamed')
    """
    plain = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", one_line(text)))
    plain = re.sub(r"^[._-]*\.[._-]*|^-+", "", plain)
    plain = plain.encode("utf-8", "ignore")[:_LONGEST].decode("utf-8", "ignore").rstrip(".")
    return f"_{plain}" if _DEVICES.match(plain) else plain or "unnamed"


def _named(path: str | os.PathLike[str]) -> Path:
    final = Path(path)
    if not final.name:
        raise MedcontourError("The file to write has no name; say where to write.")
    keep_private(final)
    check_file(final)  # a device or a pipe would be replaced by a file
    _tidy(final.parent)
    return final


def _beside(final: Path) -> Path:
    """Make a temporary folder beside a folder to write."""
    try:
        return Path(tempfile.mkdtemp(prefix=_prefix(), suffix=final.name, dir=final.parent))
    except OSError as error:
        raise MedcontourError(
            f"{final} cannot be written ({error.strerror}); choose another folder."
        ) from error


def _prefix() -> str:
    return f"{_PARTIAL}{_machine()}-{os.getpid()}-"


@cache
def _machine() -> str:
    """Tell this machine, or container, from others that may write into the same folder."""
    own = platform.node()
    with suppress(OSError, ValueError):
        own += os.readlink("/proc/self/ns/pid")
    return hashlib.blake2b(own.encode(), digest_size=4).hexdigest()


def _tidy(folder: Path) -> None:
    """Remove what runs that are no more left in a folder."""
    try:
        entries = [entry for entry in os.scandir(folder) if entry.name.startswith(_PARTIAL)]
    except OSError:
        return
    for entry in entries:
        found = _LEFT.fullmatch(entry.name)
        with suppress(OSError):
            if found is None or not _stale(found, entry):
                continue
            if not entry.is_dir(follow_symlinks=False):
                Path(entry).unlink()
                continue
            final, old = folder / found[3], Path(entry) / "old"
            if found[3] and old.exists() and not final.exists():
                old.rename(final)  # it was killed between the two renamings
            shutil.rmtree(entry, ignore_errors=True)


def _stale(found: re.Match[str], entry: os.DirEntry[str]) -> bool:
    machine, process = found[1], found[2]
    if machine == _machine():
        return not psutil.pid_exists(int(process))
    return time.time() - entry.stat(follow_symlinks=False).st_mtime > _HOUR
