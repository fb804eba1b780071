"""The parts of a running server, joined."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from medcontour.files import make_folder
from medcontour.server.held import HeldScans
from medcontour.server.jobs import Jobs
from medcontour.server.leases import Leases
from medcontour.server.options import ServerOptions
from medcontour.server.problems import Problem, without_paths
from medcontour.server.records import ServerRecords, open_server_records
from medcontour.server.studies import Studies
from medcontour.server.work import Worker
from medcontour.workspace import Setup, Workspace

__all__ = ["Service", "open_service"]

SWEEP_SECONDS = 30.0


@dataclass
class Service:
    """What the routes work with."""

    options: ServerOptions
    records: ServerRecords
    studies: Studies
    held: HeldScans
    workspace: Workspace
    jobs: Jobs
    leases: Leases
    judging: threading.BoundedSemaphore

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until the classifier may be used for a curve.

        Raises
        ------
        Problem
            When that takes too long.
        """
        if not self.judging.acquire(timeout=self.options.bounds.patience_seconds):
            raise Problem(503, "Too many curves are judged at once; try again.")
        try:
            yield
        finally:
            self.judging.release()

    def plain(self, sentence: str) -> str:
        """Give a sentence that names no path."""
        return without_paths(sentence, _roots(self.options))

    def remove(self, study: str) -> None:
        """Remove an uploaded study, or one of an archive, with all that was made of it.

        Raises
        ------
        Problem
            For one of the server's own folder, and while a job works on it.
        """
        if not self.studies.is_own(study):
            raise Problem(
                403,
                "Only uploaded studies, and those of an archive, can be removed; there is "
                "none of this id.",
            )
        if self.records.of_study(study):
            raise Problem(409, "A job of this study has not ended; cancel it first.")
        self.held.forget(study)
        self.workspace.forget(study)
        self.studies.remove(study)

    def sweep(self) -> None:
        """Let go of what is idle."""
        self.held.sweep()
        for study in self.studies.outdated():
            if not self.records.of_study(study) and not self.leases.is_held(study):
                self.remove(study)


@contextmanager
def open_service(setup: Setup, options: ServerOptions) -> Iterator[Service]:
    """Open the folder of a server, take up its jobs, and stop them at the end.

    Raises
    ------
    MedcontourError
        While another server uses the folder, and where it cannot be written.
    """
    folder = make_folder(options.folder)
    folder.chmod(0o700)  # suggestions and uploads are of patients
    with open_server_records(folder) as records:
        studies = Studies(options, records)
        held = HeldScans(studies.read, options.bounds)
        workspace = Workspace(folder / "kept", setup, studies.locate, held.scan)
        worker = Worker(workspace, studies, folder)
        jobs = Jobs(
            records, worker.do, partial(without_paths, roots=_roots(options)), options.bounds
        )
        service = Service(
            options=options,
            records=records,
            studies=studies,
            held=held,
            workspace=workspace,
            jobs=jobs,
            leases=Leases(options.bounds),
            judging=threading.BoundedSemaphore(options.bounds.judging),
        )
        ended = threading.Event()
        sweeper = threading.Thread(target=_sweep, args=(service, ended), daemon=True)
        jobs.start()
        sweeper.start()
        try:
            yield service
        finally:
            ended.set()
            jobs.stop()
            sweeper.join()


def _roots(options: ServerOptions) -> list[Path]:
    own = [options.folder, Path(tempfile.gettempdir())]
    return own if options.studies is None else [*own, options.studies]


def _sweep(service: Service, ended: threading.Event) -> None:
    while not ended.wait(SWEEP_SECONDS):
        with suppress(Problem):  # a job began on it meanwhile
            service.sweep()
