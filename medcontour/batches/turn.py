"""Series one after the other: one is read and one written while the network works on a third."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from medcontour.batches.run import Run
from medcontour.batches.source import Source, Study
from medcontour.batches.study import Ended, look_at, read_study, write
from medcontour.errors import MedcontourError
from medcontour.scan import Scan
from medcontour.scan.quiet import quietly

__all__ = ["in_turn"]


def in_turn(
    studies: Iterable[Study],
    source: Source,
    run: Run,
    folder: Path,
    begin: Callable[[str], None],
) -> Generator[tuple[Study, Ended]]:
    """Look at series in this process, in their order; memory holds three at most.

    Parameters
    ----------
    studies
        As they come; they may come from another process.
    source, run, folder
        As of `look_at` and `write`.
    begin
        Called with the key of a series before it is looked at.

    Raises
    ------
    MedcontourError
        As `look_at` and `write`.
    """
    upcoming = iter(studies)

    def read_next() -> tuple[Study, Scan | Ended] | None:
        study = next(upcoming, None)
        return None if study is None else (study, read_study(study, source))

    # Libraries that quote headers are quiet in all threads for as long as they are at work.
    with quietly(), ThreadPoolExecutor(1) as ahead, ThreadPoolExecutor(1) as behind:
        reading = ahead.submit(read_next)
        writing: tuple[Study, Future[Ended]] | None = None
        try:
            while True:
                if writing is not None:
                    either: list[Future[Any]] = [reading, writing[1]]
                    wait(either, return_when=FIRST_COMPLETED)
                    if writing[1].done():
                        yield writing[0], writing[1].result()
                        writing = None
                if (now := reading.result()) is None:
                    break
                study, read = now
                reading = ahead.submit(read_next)
                begin(study.key)
                looked = read if isinstance(read, Ended) else look_at(study, read, source, run)
                if writing is not None:
                    yield writing[0], writing[1].result()
                    writing = None
                if isinstance(looked, Ended):
                    yield study, looked
                else:
                    writing = study, behind.submit(write, study, looked, source, run, folder)
        except MedcontourError:  # it stops what follows, not what was looked at before
            if writing is not None:
                yield writing[0], writing[1].result()
            raise
        if writing is not None:
            yield writing[0], writing[1].result()
