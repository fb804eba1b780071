"""Jobs: in turn, cancelled, bounded, and taken up again whatever ended the process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import medcontour as mc
from medcontour.progress import Progress
from medcontour.server.bounds import Bounds
from medcontour.server.jobs import Jobs
from medcontour.server.problems import Problem
from medcontour.server.records import Job, open_server_records

STUDY = "0" * 24


class Work:
    """Steps on until it is told to go on."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.go_on = threading.Event()

    def __call__(self, job: Job, progress: Progress) -> dict[str, Any]:
        self.begun.append(job.id)
        if job.work["kind"] == "bad":
            raise mc.MedcontourError("/srv/scans/study is an empty file; copy it again.")
        if job.work["kind"] == "broken":
            raise ValueError("Mueller")
        while not self.go_on.is_set():
            progress("wait", 1, 2)
            time.sleep(0.005)
        return {"of": job.id}


@contextmanager
def working(folder: Path, work: Work, bounds: Bounds | None = None) -> Iterator[Jobs]:
    with open_server_records(folder) as records:
        jobs = Jobs(
            records, work, lambda said: said.replace("/srv/scans/study", "it"), bounds or Bounds()
        )
        jobs.start()
        try:
            yield jobs
        finally:
            jobs.stop()


def _state(jobs: Jobs, id: str, state: str) -> Job:
    until = time.monotonic() + 10
    while jobs.job(id).state != state and time.monotonic() < until:
        time.sleep(0.005)
    assert jobs.job(id).state == state
    return jobs.job(id)


def test_jobs_are_done_in_turn_and_a_bad_one_stops_no_other(tmp_path: Path) -> None:
    work = Work()
    work.go_on.set()
    with working(tmp_path, work) as jobs:
        ids = [jobs.add(STUDY, {"kind": kind}).id for kind in ("bad", "good", "broken", "good")]
        _state(jobs, ids[-1], "done")
        assert work.begun == ids
        assert [jobs.job(id).state for id in ids] == ["failed", "done", "failed", "done"]
        assert jobs.job(ids[0]).error == "it is an empty file; copy it again."
        assert "Mueller" not in str(jobs.job(ids[2]).error)
        assert jobs.job(ids[1]).result == {"of": ids[1]}


def test_a_job_is_cancelled_while_it_waits_and_while_it_runs(tmp_path: Path) -> None:
    work = Work()
    with working(tmp_path, work) as jobs:
        first, second = (jobs.add(STUDY, {"kind": "good"}).id for _ in range(2))
        _state(jobs, first, "running")
        assert jobs.cancel(second).state == "cancelled"
        jobs.cancel(first)
        _state(jobs, first, "cancelled")
        assert work.begun == [first]
        assert jobs.cancel(first).state == "cancelled"


def test_a_stopped_server_takes_its_jobs_up_again(tmp_path: Path) -> None:
    work = Work()
    with working(tmp_path, work) as jobs:
        first, second = (jobs.add(STUDY, {"kind": "good"}).id for _ in range(2))
        _state(jobs, first, "running")
    again = Work()
    again.go_on.set()
    with working(tmp_path, again) as jobs:
        _state(jobs, second, "done")
        assert again.begun == [first, second]


def test_a_job_that_ends_the_process_each_time_is_given_up(tmp_path: Path) -> None:
    with open_server_records(tmp_path) as records:
        job = Job("1" * 24, STUDY, {"kind": "good"})
        records.add(job)
        for _ in range(3):
            records.begin(job.id)  # and then the process is killed
    with working(tmp_path, Work()) as jobs:
        assert "not begun again" in str(_state(jobs, job.id, "failed").error)


def test_not_more_wait_than_allowed_and_old_ones_are_forgotten(tmp_path: Path) -> None:
    work = Work()
    with working(tmp_path, work, Bounds(waiting_jobs=2, kept_jobs=3)) as jobs:
        running = jobs.add(STUDY, {"kind": "good"}).id
        _state(jobs, running, "running")
        for _ in range(2):
            last = jobs.add(STUDY, {"kind": "good"}).id
        with pytest.raises(Problem, match="Too many"):
            jobs.add(STUDY, {"kind": "good"})
        work.go_on.set()
        _state(jobs, last, "done")
        for _ in range(4):
            last = jobs.add(STUDY, {"kind": "good"}).id
            _state(jobs, last, "done")
        with pytest.raises(Problem, match="no such job"):
            jobs.job(running)


def test_one_server_a_folder(tmp_path: Path) -> None:
    refused = pytest.raises(mc.MedcontourError, match="Another server")
    with open_server_records(tmp_path), refused, open_server_records(tmp_path):
        pass
