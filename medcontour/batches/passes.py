"""Each series once, in the order of the worklist, whatever happens to one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from medcontour.batches.on_ray import in_ray
from medcontour.batches.run import Run
from medcontour.batches.shards import WHOLE, Shard
from medcontour.batches.source import Source, Study, salt_of, write_paths
from medcontour.batches.study import Ended, facts_there
from medcontour.batches.summary import write_summary
from medcontour.batches.turn import in_turn
from medcontour.batches.workers import in_workers
from medcontour.batches.worklist import Worklist, open_worklist
from medcontour.errors import MedcontourError
from medcontour.files import make_folder
from medcontour.progress import Progress

__all__ = ["LOCAL", "Batch", "Engine", "batch_with"]


@dataclass(frozen=True)
class Engine:
    """Where series are looked at.

    Attributes
    ----------
    name
        local: on this machine; ray: on a Ray cluster, with an actor for each worker.
    gpus
        The share of an accelerator that each actor of Ray takes.
    """

    name: Literal["local", "ray"] = "local"
    gpus: float = 0.0


LOCAL = Engine()


@dataclass(frozen=True)
class Batch:
    """What a batch did.

    Attributes
    ----------
    folder
        Of the run's results: a folder a series, ``summary.html``, ``summary.csv``, ``run.json``.
    found
        Series that were found, of this shard.
    before
        Of these, done before and not looked at again.
    done
        Done now.
    failed
        The reason of each series that could not be done now, by its key.
    changed
        Keys of series that changed while they were read.
    skipped
        Series that failed before and were left (``retry_failed``).
    notes
        What was passed over.
    """

    folder: Path
    found: int
    before: int
    done: int
    failed: dict[str, str]
    changed: tuple[str, ...]
    skipped: int
    notes: tuple[str, ...]


def batch_with(
    source: Source,
    make_run: Callable[[], Run],
    out: Path,
    shard: Shard = WHOLE,
    workers: int = 1,
    retry_failed: bool = False,
    watch: float | None = None,
    progress: Progress | None = None,
    engine: Engine = LOCAL,
    paths: Path | None = None,
) -> Batch:
    """As `batch`, with where the series are and what they are looked at with as values.

    Parameters
    ----------
    source
        Where the series are.
    make_run
        Loads the classifier: `run_of` with its arguments.
    out, shard, workers, retry_failed, watch, progress, paths
        As of `batch`.
    engine
        Where the work is done.
    """
    if workers < 1:
        raise MedcontourError(f"{workers} workers do nothing; give 1 or more.")
    if watch is not None and not 0 < watch < 1e6:
        raise MedcontourError(f"{watch:g} is no number of seconds to wait between two looks.")
    run = make_run()
    folder = run.folder(make_folder(out))
    seen: dict[str, str] | None = None if watch is None else {}
    while True:
        with open_worklist(out / shard.worklist, run.key) as worklist:
            listed, notes = source.studies(salt_of(out), progress, worklist)
            if not listed and watch is None:
                raise MedcontourError(" ".join(["There is no scan.", *notes]))
            own = {study.key: study for study in listed if shard.has(study.part)}
            if paths is not None:
                write_paths(paths, own.values())
            settled = own if seen is None else _settled(own, seen)
            todo, skipped = _todo(worklist, settled, folder, retry_failed)
            each = _each(todo, source, make_run, run, folder, workers, worklist.begin, engine)
            ended = _ended(each, worklist, len(todo), out, folder, progress)
            if todo or watch is None:
                write_summary(out, run.key)
        if watch is None:
            break
        retry_failed = False
        time.sleep(watch)
    return Batch(
        folder=folder,
        found=len(own),
        before=len(own) - len(todo) - skipped,
        done=sum(how.state == "done" for how in ended.values()),
        failed={key: str(how.reason) for key, how in ended.items() if how.state == "failed"},
        changed=tuple(key for key, how in ended.items() if how.state == "changed"),
        skipped=skipped,
        notes=notes,
    )


def _settled(own: Mapping[str, Study], seen: dict[str, str]) -> dict[str, Study]:
    """The series that are the same as at the last look: the others may still be arriving."""
    settled = {key: study for key, study in own.items() if seen.get(key) == study.signature}
    seen.clear()
    seen.update((key, study.signature) for key, study in own.items())
    return settled


def _ended(
    each: Generator[tuple[Study, Ended]],
    worklist: Worklist,
    count: int,
    out: Path,
    folder: Path,
    progress: Progress | None,
) -> dict[str, Ended]:
    """Write down how each series ends; where all stop, what is done by then is summed up."""
    ended: dict[str, Ended] = {}
    try:
        for study, how in each:
            worklist.end(study.key, how.state, how.reason, how.facts)
            ended[study.key] = how
            if progress is not None:
                progress("batch", len(ended), count)
    except BaseException:
        each.close()  # nothing is written any more
        with suppress(MedcontourError):
            make_folder(folder)  # what a worker left half written is removed
            write_summary(out, worklist.run)
        raise
    return ended


def _each(
    todo: Sequence[Study],
    source: Source,
    make_run: Callable[[], Run],
    run: Run,
    folder: Path,
    workers: int,
    begin: Callable[[str], None],
    engine: Engine,
) -> Generator[tuple[Study, Ended]]:
    """Look at series in this process, in several others, or on a cluster."""
    if engine.name == "ray":
        yield from in_ray(todo, source, make_run, folder, workers, engine.gpus, begin)
    elif workers > 1 and len(todo) > 1:
        yield from in_workers(todo, source, make_run, folder, min(workers, len(todo)), begin)
    else:
        yield from in_turn(todo, source, run, folder, begin)


def _todo(
    worklist: Worklist, own: Mapping[str, Study], folder: Path, retry_failed: bool
) -> tuple[list[Study], int]:
    """Bring worklist, series and results into line; give what is to be done, and how many failed.

    A result whose line was not written (the process was killed in between) is taken up; a line
    whose result was removed waits again.
    """
    worklist.add({key: study.signature for key, study in own.items()})
    there = {entry.name for entry in os.scandir(folder)}
    rows = {row.series: row for row in worklist.rows() if row.series in own}
    again = [
        key
        for key, row in rows.items()
        if (row.state == "done" and key not in there)
        or (row.state == "failed" and retry_failed)
        or row.state == "changed"
    ]
    worklist.wait_again(again)
    waiting = [key for key, row in rows.items() if row.state == "waiting" or key in again]
    todo = []
    for key in waiting:
        facts = facts_there(folder, own[key]) if key in there else None
        if facts is None:
            todo.append(own[key])
        else:
            worklist.end(key, "done", None, facts)
    failed = sum(row.state == "failed" for row in rows.values()) if not retry_failed else 0
    places = {key: place for place, key in enumerate(own)}
    return sorted(todo, key=lambda s: (rows[s.key].begun, places[s.key])), failed
