"""What a server remembers: jobs, and where studies are that did not come from its folder."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from medcontour.database import Records, owned_records

__all__ = ["ENDED", "Job", "ServerRecords", "State", "open_server_records"]

State = Literal["waiting", "running", "done", "failed", "cancelled"]

ENDED: tuple[State, ...] = ("done", "failed", "cancelled")

_TABLES = """
CREATE TABLE IF NOT EXISTS jobs (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, study TEXT, work TEXT NOT NULL,
  state TEXT NOT NULL, begun INTEGER NOT NULL DEFAULT 0, error TEXT, result TEXT
);
CREATE TABLE IF NOT EXISTS places (
  study TEXT PRIMARY KEY, address TEXT, used REAL NOT NULL
);
"""

_RECORDS = Records(
    what="file of jobs",
    when_taken="Another server uses {file}; stop it, or give this one a folder of its own (--out).",
    when_full="free some space, and start the server again. What is done is kept.",
    when_damaged="remove it and start the server again: suggestions and edits are kept.",
)


@dataclass(frozen=True)
class Job:
    """One piece of work.

    Attributes
    ----------
    id
        Its name, which cannot be guessed.
    study
        What it is for; None where it is for all of them.
    work
        What is to be done: plain values, with their ``kind``.
    state
        How far it is.
    begun
        How often it was begun.
    error
        Why it failed, in a sentence.
    result
        What it gave: plain values.
    """

    id: str
    study: str | None
    work: dict[str, Any]
    state: State = "waiting"
    begun: int = 0
    error: str | None = None
    result: dict[str, Any] | None = None


class ServerRecords:
    """One file; every change is in it when the call returns. Threads may share it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.RLock()
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(_TABLES)

    def add(self, job: Job) -> None:
        """Let a job wait."""
        self._do(
            "INSERT INTO jobs (id, study, work, state) VALUES (?, ?, ?, ?)",
            (job.id, job.study, json.dumps(job.work), job.state),
        )

    def begin(self, id: str) -> None:
        """Say that a job is running."""
        self._do("UPDATE jobs SET state = 'running', begun = begun + 1 WHERE id = ?", (id,))

    def wait_again(self) -> None:
        """Let the jobs wait that were running when the process ended."""
        self._do("UPDATE jobs SET state = 'waiting' WHERE state = 'running'", ())

    def end(
        self,
        id: str,
        state: State,
        error: str | None = None,
        result: dict[str, Any] | None = None,
    ) -> None:
        """Say how a job ended."""
        text = None if result is None else json.dumps(result, allow_nan=False)
        self._do(
            "UPDATE jobs SET state = ?, error = ?, result = ? WHERE id = ?",
            (state, error, text, id),
        )

    def forget_all_but(self, most: int) -> None:
        """Forget the oldest jobs that have ended."""
        self._do(
            "DELETE FROM jobs WHERE state IN ('done', 'failed', 'cancelled') AND number <= "
            "(SELECT COALESCE(MAX(number), 0) - ? FROM jobs)",
            (most,),
        )

    def job(self, id: str) -> Job | None:
        """Give a job; None where there is none of that name."""
        found = self._jobs("WHERE id = ?", (id,))
        return found[0] if found else None

    def waiting(self) -> list[Job]:
        """Give the jobs that wait, the oldest first."""
        return self._jobs("WHERE state = 'waiting' ORDER BY number", ())

    def of_study(self, study: str) -> list[Job]:
        """Give the jobs of a study that have not ended."""
        return self._jobs("WHERE study = ? AND state IN ('waiting', 'running')", (study,))

    def keep_place(self, study: str, address: str | None) -> None:
        """Remember an uploaded study, or one in an archive."""
        self._do(
            "INSERT OR REPLACE INTO places (study, address, used) VALUES (?, ?, ?)",
            (study, address, time.time()),
        )

    def use(self, study: str) -> None:
        """Say that a study is in use."""
        self._do("UPDATE places SET used = ? WHERE study = ?", (time.time(), study))

    def forget_place(self, study: str) -> None:
        """Forget a study."""
        self._do("DELETE FROM places WHERE study = ?", (study,))

    def places(self) -> dict[str, tuple[str | None, float]]:
        """Give by study: the address of one in an archive, and when it was used last."""
        with self._lock:
            rows = self._connection.execute("SELECT study, address, used FROM places").fetchall()
        return {study: (address, used) for study, address, used in rows}

    def _do(self, statement: str, values: tuple[Any, ...]) -> None:
        with self._lock, self._connection:
            self._connection.execute(statement, values)

    def _jobs(self, which: str, values: tuple[Any, ...]) -> list[Job]:
        with self._lock:
            rows = self._connection.execute(
                f"SELECT id, study, work, state, begun, error, result FROM jobs {which}", values
            ).fetchall()
        jobs = (Job(*row) for row in rows)
        return [
            replace(
                job,
                work=json.loads(str(job.work)),
                result=None if job.result is None else json.loads(str(job.result)),
            )
            for job in jobs
        ]


@contextmanager
def open_server_records(folder: Path) -> Iterator[ServerRecords]:
    """Open what the server of a folder remembers, for one process at a time.

    Raises
    ------
    MedcontourError
        While another server uses it, and where it cannot be read or written.
    """
    with owned_records(folder / "server.sqlite", _RECORDS) as connection:
        yield ServerRecords(connection)
