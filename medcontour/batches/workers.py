"""Several processes that look at series; one that dies takes no more than its own series along."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from medcontour.batches.process import begin as begin_process
from medcontour.batches.run import Run
from medcontour.batches.source import Source, Study
from medcontour.batches.study import Ended, unforeseen
from medcontour.batches.turn import in_turn
from medcontour.errors import MedcontourError

__all__ = ["in_workers"]

AHEAD = 1
"""Series that a worker reads while it looks at one, and has not begun."""

DIED = (
    "The process that worked on it ended by itself, twice: its memory may have run out; leave more "
    "free, or use fewer workers."
)


@dataclass
class _Worker:
    """A process, what it was given and has not ended, in this order, and whether it is ready.

    `ahead` is how many of `given` it has not begun.
    """

    process: BaseProcess
    pipe: Connection
    given: list[Study] = field(default_factory=list)
    ahead: int = 0
    ready: bool = False


def in_workers(
    todo: Sequence[Study],
    source: Source,
    make_run: Callable[[], Run],
    folder: Path,
    workers: int,
    begin: Callable[[str], None],
) -> Iterator[tuple[Study, Ended]]:
    """Look at series in several processes, each with a classifier of its own.

    Where a process dies (the system ends it as memory runs out, a library crashes), what it had is
    looked at again, each by itself; a series at which a process dies a second time has failed.

    Parameters
    ----------
    todo
        The series, in their order.
    source, folder
        As of `look_at`.
    make_run
        Loads the classifier, in each process.
    workers
        How many processes.
    begin
        Called with the key of a series when a worker has begun it.

    Raises
    ------
    MedcontourError
        As `look_at`, and where a classifier cannot be sent to another process.
    """
    waiting, alone = deque(todo), deque[Study]()
    died: Counter[str] = Counter()
    threads = max(1, (os.cpu_count() or 1) // workers)
    team = [_start(source, make_run, folder, threads) for _ in range(workers)]
    try:
        while waiting or alone or any(worker.given for worker in team):
            for pipe in wait([worker.pipe for worker in team]):
                (worker,) = (own for own in team if own.pipe is pipe)
                try:
                    said = worker.pipe.recv()
                except (EOFError, OSError):
                    yield from _bury(worker, died, alone)
                    team.remove(worker)
                    team.append(_start(source, make_run, folder, threads))
                    continue
                if isinstance(said, str):
                    worker.ahead -= 1
                    begin(said)
                elif isinstance(said, Ended):
                    yield worker.given.pop(0), said
                elif isinstance(said, Exception):
                    raise said
                else:
                    worker.ready = True
                _give(worker, waiting, alone, died)
    finally:
        for worker in team:
            worker.process.kill()
            worker.process.join()
            worker.pipe.close()


def _give(worker: _Worker, waiting: deque[Study], alone: deque[Study], died: Counter[str]) -> None:
    """Give a worker what it has room for; one that another died at gets no company."""
    if worker.given and died[worker.given[-1].key]:
        return
    while waiting and worker.ahead < AHEAD:
        _send(worker, waiting.popleft())
    if alone and not worker.given:
        _send(worker, alone.popleft())


def _send(worker: _Worker, study: Study) -> None:
    worker.given.append(study)
    worker.ahead += 1
    with suppress(OSError):  # it is dead, which is found where its pipe is read
        worker.pipe.send(study)


def _bury(
    worker: _Worker, died: Counter[str], alone: deque[Study]
) -> Iterator[tuple[Study, Ended]]:
    """What a dead worker had is looked at again, or has failed."""
    if not worker.ready:
        raise MedcontourError(
            "A worker could not be started: a script of your own has to begin under "
            '`if __name__ == "__main__":`, and memory has to hold a classifier for each; or use '
            "one worker."
        )
    for study in worker.given:
        died[study.key] += 1
        if died[study.key] > 1:
            yield study, Ended("failed", DIED)
        else:
            alone.append(study)


def _start(source: Source, make_run: Callable[[], Run], folder: Path, threads: int) -> _Worker:
    try:
        task = pickle.dumps((_work, (source, make_run, folder, threads)))
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise MedcontourError(
            "The classifier cannot be sent to another process; give it by its path or name, let "
            "its class stand in a module, or use one worker."
        ) from error
    # A fork of a process whose libraries have threads may hang.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=begin_process, args=(theirs, task), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _work(
    pipe: Connection, source: Source, make_run: Callable[[], Run], folder: Path, threads: int
) -> None:
    """Look at what comes, in a process of its own."""
    warnings.simplefilter("ignore")
    logging.getLogger("medcontour").setLevel(logging.ERROR)  # it was said once
    torch.set_num_threads(threads)
    try:
        run = make_run()
        pipe.send(None)
        for _, ended in in_turn(iter(pipe.recv, None), source, run, folder, pipe.send):
            pipe.send(ended)
    except MedcontourError as error:
        pipe.send(error)
    except Exception as error:  # a traceback could name a patient
        pipe.send(MedcontourError(unforeseen(error)))
