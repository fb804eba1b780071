"""Killed at any moment and started again: nothing lost, done twice or half written."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from pathlib import Path

import psutil
import pytest
from archives import results, state, write_picture

import medcontour as mc
from medcontour.batches.worklist import rows_of

KILLS = 100

FORMATS = ["labelmap", "report"]


def started(archive: Path, bundle: Path, out: Path, workers: int) -> int:
    """Begin a batch in a process of its own, and give its number."""
    process = os.fork()
    if process:
        return process
    try:
        mc.batch(archive, bundle, out, formats=FORMATS, workers=workers)
        os._exit(0)
    finally:
        os._exit(1)


def killed(process: int, after: float) -> bool:
    """Kill a process after some seconds; give whether it had not ended by itself."""
    deadline = time.monotonic() + after
    while time.monotonic() < deadline:
        ended, how = os.waitpid(process, os.WNOHANG)
        if ended:
            assert how == 0
            return False
        time.sleep(0.005)
    os.kill(process, signal.SIGKILL)
    _, how = os.waitpid(process, 0)
    return how != 0


def fresh(out: Path) -> Path:
    """An empty folder of results, with keys that are the same each time."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    (out / "salt").write_text("the same")
    return out


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for n in range(6):
        write_picture(tmp_path / "pictures" / f"case{n}.png", spot=n == 2, seed=n)
    (tmp_path / "pictures" / "damaged.png").write_bytes(b"\x89PNG\r\nnothing")
    return tmp_path / "pictures"


def compare(out: Path, whole: Path) -> int:
    """Hold the results of a batch against those of an undisturbed one; give how often it began."""
    [run] = out.glob("run-*")
    assert results(run) == results(whole)
    assert {path.name for path in run.iterdir()} == {path.name for path in whole.iterdir()}
    [rows] = rows_of(out / "worklist.sqlite").values()
    assert sorted(row.state for row in rows) == ["done"] * 6 + ["failed"]
    return sum(row.begun for row in rows)


@pytest.mark.slow
def test_a_batch_killed_a_hundred_times_gives_what_an_undisturbed_one_gives(
    pictures: Path, bundle: Path, tmp_path: Path
) -> None:
    whole = mc.batch(pictures, bundle, fresh(tmp_path / "whole"), formats=FORMATS).folder
    draw = random.Random(0)
    out = fresh(tmp_path / "out")
    began = time.monotonic()
    assert killed(started(pictures, bundle, out, workers=1), 120) is False
    longest = 1.15 * (time.monotonic() - began)  # seconds: now and then enough for the whole
    out = fresh(out)
    kills = redone = batches = 0
    while kills < KILLS:
        before = state(out)
        before = {name: told for name, told in before.items() if ".partial" not in name}
        if killed(started(pictures, bundle, out, workers=1), draw.uniform(0, longest)):
            kills += 1
        else:
            begun = compare(out, whole)
            assert before.items() <= state(out).items()
            if draw.random() < 0.5:  # so that some are killed with nothing left to do
                batches, redone = batches + 1, redone + begun - 7
                out = fresh(out)
            continue
        assert before.items() <= state(out).items()  # what was done is not done again
    assert killed(started(pictures, bundle, out, workers=1), 120) is False
    batches, redone = batches + 1, redone + compare(out, whole) - 7
    print(f"{kills} kills in {batches} batches of 7 pictures, {redone} begun again")


@pytest.mark.slow
def test_workers_end_with_the_process_that_began_them(
    pictures: Path, bundle: Path, tmp_path: Path
) -> None:
    whole = mc.batch(pictures, bundle, fresh(tmp_path / "whole"), formats=FORMATS).folder
    out = fresh(tmp_path / "out")
    for after in (5.0, 10.0):
        process = started(pictures, bundle, out, workers=2)
        time.sleep(after)
        team = psutil.Process(process).children(recursive=True)
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        _, alive = psutil.wait_procs(team, timeout=60)
        assert not alive
    assert killed(started(pictures, bundle, out, workers=2), 120) is False
    compare(out, whole)
