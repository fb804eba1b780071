"""Jobs: one is done at a time, the others wait; any can be cancelled, and none is forgotten."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from medcontour.errors import MedcontourError
from medcontour.progress import Progress
from medcontour.server.bounds import Bounds
from medcontour.server.problems import Problem
from medcontour.server.records import ENDED, Job, ServerRecords

__all__ = ["Jobs", "Step"]

Work = Callable[[Job, Progress], dict[str, Any]]

_LOG = logging.getLogger("medcontour.server")


@dataclass(frozen=True)
class Step:
    """How far a running job is: what is done now, how much of it, and how much there is."""

    what: str
    done: int
    most: int


class _Cancelled(Exception):
    """Somebody cancelled the job."""


class _Stopped(Exception):
    """The server stops; the job waits for its next start."""


class Jobs:
    """The queue, and the thread that works on it.

    Parameters
    ----------
    records
        Where jobs are kept.
    work
        Does a job, and gives its result as plain values.
    plain
        Makes an error's sentence one that names no path.
    bounds
        How many may wait.
    """

    def __init__(
        self, records: ServerRecords, work: Work, plain: Callable[[str], str], bounds: Bounds
    ) -> None:
        self._records, self._work, self._plain, self._bounds = records, work, plain, bounds
        self._changed = threading.Condition()
        self._stopping = False
        self._running: str | None = None
        self._cancelled: set[str] = set()
        self._step: Step | None = None
        self._thread = threading.Thread(target=self._go, name="medcontour-jobs", daemon=True)

    def start(self) -> None:
        """Take up what the last process left, and begin."""
        self._records.wait_again()
        self._thread.start()

    def stop(self, seconds: float = 30.0) -> None:
        """Stop as soon as the running job lets go: it waits for the next start."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(seconds)

    @property
    def stopping(self) -> bool:
        """Whether the server stops."""
        return self._stopping

    def add(self, study: str | None, work: dict[str, Any]) -> Job:
        """Let work wait for its turn.

        Raises
        ------
        Problem
            When too much waits already.
        """
        job = Job(secrets.token_hex(12), study, work)
        with self._changed:
            if len(self._records.waiting()) >= self._bounds.waiting_jobs:
                raise Problem(503, "Too many jobs wait already; try again when some are done.")
            self._records.add(job)
            self._records.forget_all_but(self._bounds.kept_jobs)
            self._changed.notify_all()
        return job

    def job(self, id: str) -> Job:
        """Give a job.

        Raises
        ------
        Problem
            When there is none of that name.
        """
        found = self._records.job(id)
        if found is None:
            raise Problem(404, "There is no such job; it may have been forgotten.")
        return found

    def step(self, id: str) -> Step | None:
        """Say how far a running job is."""
        with self._changed:
            return self._step if self._running == id else None

    def cancel(self, id: str) -> Job:
        """Cancel a job; a running one lets go at its next step."""
        with self._changed:
            job = self.job(id)
            if job.state == "waiting":
                self._records.end(id, "cancelled")
            elif job.state == "running":
                self._cancelled.add(id)
        return self.job(id)

    def wait_for(self, id: str, seconds: float) -> Job:
        """Give a job once it has ended, or after so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self.job(id).state in ENDED or self._stopping, seconds)
        return self.job(id)

    def _next(self) -> Job | None:
        with self._changed:
            while not self._stopping:
                waiting = self._records.waiting()
                if waiting:
                    self._running, self._step = waiting[0].id, None
                    self._records.begin(waiting[0].id)
                    return waiting[0]
                self._changed.wait()
        return None

    def _go(self) -> None:
        while (job := self._next()) is not None:
            stopped = self._do(job)
            with self._changed:
                self._running = None
                self._cancelled.discard(job.id)
                self._changed.notify_all()
            if stopped:
                self._records.wait_again()
                return

    def _do(self, job: Job) -> bool:
        """Do one job; whether it was stopped by the server's own end."""
        if job.begun >= self._bounds.begun:
            why = "The server ended each time it worked on this; it is not begun again."
            self._records.end(job.id, "failed", why)
            return False
        try:
            result = self._work(job, self._report)
        except _Stopped:
            return True
        except _Cancelled:
            self._records.end(job.id, "cancelled")
        except MedcontourError as error:
            self._records.end(job.id, "failed", self._plain(str(error)))
        except Problem as error:
            self._records.end(job.id, "failed", str(error))
        except Exception as error:  # one bad job stops no other
            # The text of an error of a library's could hold anything, a patient's name too.
            _LOG.error("A job failed: %s", type(error).__name__)
            why = f"The work failed ({type(error).__name__}); try again, or report it."
            self._records.end(job.id, "failed", why)
        else:
            self._records.end(job.id, "done", None, result)
        return False

    def _report(self, what: str, done: int, most: int) -> None:
        with self._changed:
            if self._stopping:
                raise _Stopped
            if self._running in self._cancelled:
                raise _Cancelled
            self._step = Step(what, done, most)
