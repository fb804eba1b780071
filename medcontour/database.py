"""Records in one SQLite file, with nothing to start beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from medcontour.errors import MedcontourError

__all__ = ["Records", "open_records", "owned_records"]

_WAIT = 60.0
"""Seconds to wait while another process looks into the file."""


@dataclass(frozen=True)
class Records:
    """What a file of records is, for the sentences that say what is wrong with it.

    Attributes
    ----------
    what
        Its name in a sentence, such as ``worklist``.
    when_taken
        What to do while another process has it.
    when_full
        What to do where it cannot be written.
    when_damaged
        What to do where it cannot be read.
    """

    what: str
    when_taken: str
    when_full: str
    when_damaged: str


@contextmanager
def open_records(file: Path, kind: Records) -> Iterator[sqlite3.Connection]:
    """Open a file of records, made if it is not there; others may have it open as well.

    The connection may be used by several threads, one at a time.

    Raises
    ------
    MedcontourError
        Where it cannot be read or written, in the block as well.
    """
    try:
        with closing(sqlite3.connect(file, timeout=_WAIT, check_same_thread=False)) as connection:
            yield connection
    except sqlite3.OperationalError as error:
        raise MedcontourError(
            f"The {kind.what} {file} cannot be written ({error}); {kind.when_full}"
        ) from error
    except sqlite3.DatabaseError as error:
        raise MedcontourError(
            f"The {kind.what} {file} is damaged ({error}); {kind.when_damaged}"
        ) from error


@contextmanager
def owned_records(file: Path, kind: Records) -> Iterator[sqlite3.Connection]:
    """Open a file of records for one process at a time.

    Raises
    ------
    MedcontourError
        While another process has it, and as `open_records`.
    """
    lock = FileLock(file.with_name(f"{file.name}.lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise MedcontourError(kind.when_taken.format(file=file)) from error
    except (OSError, NotImplementedError):
        pass  # a file system without locks, or one that cannot be written, which is said below
    try:
        with open_records(file, kind) as connection:
            yield connection
    finally:
        lock.release()
