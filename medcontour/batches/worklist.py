"""Which series are done: a worklist in one SQLite file, with nothing to start beside it."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from medcontour.database import Records, open_records, owned_records

__all__ = ["Row", "State", "Worklist", "open_worklist", "rows_of", "worklists"]

State = Literal["waiting", "done", "failed", "changed"]
"""A series is waiting, done, could not be done, or changed while it was read."""

_TABLE = """
CREATE TABLE IF NOT EXISTS work (
  series TEXT NOT NULL, run TEXT NOT NULL, state TEXT NOT NULL, signature TEXT NOT NULL,
  begun INTEGER NOT NULL DEFAULT 0, ended REAL, reason TEXT, facts TEXT,
  PRIMARY KEY (series, run)
) WITHOUT ROWID
"""
_LISTING = "CREATE TABLE IF NOT EXISTS listing (place TEXT PRIMARY KEY, content TEXT) WITHOUT ROWID"

_RECORDS = Records(
    what="worklist",
    when_taken="Another run works on {file}; wait for it, or give each its part (--shard I/N).",
    when_full="free some space or choose another folder. What is done is kept.",
    when_damaged="remove it and run the same command: what is done is found again from the "
    "results.",
)


@dataclass(frozen=True)
class Row:
    """What is known of one series under one run.

    Attributes
    ----------
    series
        Its key: a salted digest, which names nobody.
    state
        See `State`.
    signature
        Which files it was made of.
    begun
        How often it was begun.
    ended
        When it was done or failed, in seconds since 1970; None before.
    reason
        Why it could not be done.
    facts
        What the summary says of it.
    """

    series: str
    state: State
    signature: str
    begun: int = 0
    ended: float | None = None
    reason: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)


class Worklist:
    """The series of one run, in a file that may hold other runs as well.

    Every change is in the file when the call returns, also where the process is killed then. What a
    power cut takes is found again from the results themselves (`medcontour.batches.job`).
    """

    def __init__(self, connection: sqlite3.Connection, run: str) -> None:
        self._connection = connection
        self.run = run

    def add(self, signatures: Mapping[str, str]) -> None:
        """Take up series by key and signature; one whose files are others waits again."""
        known = {row.series: row for row in self.rows()}
        fresh = [
            (series, self.run, signature)
            for series, signature in signatures.items()
            if series not in known or known[series].signature != signature
        ]
        with self._connection:
            self._connection.executemany(
                "INSERT OR REPLACE INTO work (series, run, state, signature) "
                "VALUES (?, ?, 'waiting', ?)",
                fresh,
            )

    def wait_again(self, series: Iterable[str]) -> None:
        """Let series wait that were done, had failed or had changed."""
        self._all("UPDATE work SET state = 'waiting', reason = NULL WHERE series = ?", series)

    def begin(self, series: str) -> None:
        """Count that a series is begun: those begun least often come first."""
        self._all("UPDATE work SET begun = begun + 1 WHERE series = ?", [series])

    def end(self, series: str, state: State, reason: str | None, facts: Mapping[str, Any]) -> None:
        """Write down how a series ended."""
        with self._connection:
            self._connection.execute(
                "UPDATE work SET state = ?, ended = ?, reason = ?, facts = ? "
                "WHERE series = ? AND run = ?",
                (state, time.time(), reason, json.dumps(dict(facts)), series, self.run),
            )

    def rows(self) -> Iterator[Row]:
        """Give all rows of the run, those begun least often first."""
        yield from _rows(self._connection, self.run)

    def get(self, place: str) -> str | None:
        """Give what was found out of a place of the archive (`medcontour.scan.listing.Known`)."""
        found = self._connection.execute("SELECT content FROM listing WHERE place = ?", (place,))
        row = found.fetchone()
        return None if row is None else str(row[0])

    def put(self, place: str, content: str) -> None:
        """Keep it, so that the next run opens only what is new."""
        with self._connection:
            self._connection.execute(
                "INSERT OR REPLACE INTO listing VALUES (?, ?)", (place, content)
            )

    def _all(self, statement: str, series: Iterable[str]) -> None:
        with self._connection:
            self._connection.executemany(
                f"{statement} AND run = ?", ((each, self.run) for each in series)
            )


@contextmanager
def open_worklist(file: Path, run: str) -> Iterator[Worklist]:
    """Open a worklist, made if it is not there, for one process at a time.

    Raises
    ------
    MedcontourError
        While another process works on it, and where it cannot be read or written.
    """
    with owned_records(file, _RECORDS) as connection:
        # A killed process loses nothing so. A sync for each series would take longer than the
        # rest of its line, and what it keeps is kept by the result folders already.
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(_TABLE)
        connection.execute(_LISTING)
        yield Worklist(connection, run)


def worklists(folder: Path) -> list[Path]:
    """All worklists in a folder and the folders in it."""
    return sorted(folder.glob("**/worklist*.sqlite"))


def rows_of(file: Path) -> dict[str, list[Row]]:
    """All rows of a worklist, by run, while others may write into it."""
    with open_records(file, _RECORDS) as connection:
        runs = [run for (run,) in connection.execute("SELECT DISTINCT run FROM work")]
        return {run: list(_rows(connection, run)) for run in runs}


def _rows(connection: sqlite3.Connection, run: str) -> Iterator[Row]:
    found = connection.execute(
        "SELECT series, state, signature, begun, ended, reason, facts FROM work WHERE run = ? "
        "ORDER BY begun",
        (run,),
    )
    for series, state, signature, begun, ended, reason, facts in found.fetchall():
        known = json.loads(facts) if facts else {}
        yield Row(series, state, signature, begun, ended, reason, known)
