"""Series one after the other, the next one read while the network works on the last."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from medcontour.batches.run import Run
from medcontour.batches.source import Source, Study
from medcontour.batches.study import Ended, look_at, read_study
from medcontour.scan import Scan
from medcontour.scan.quiet import quietly

__all__ = ["in_turn"]


def in_turn(
    studies: Iterable[Study],
    source: Source,
    run: Run,
    folder: Path,
    begin: Callable[[str], None],
) -> Iterator[tuple[Study, Ended]]:
    """Look at series in this process; one is read ahead, so that memory holds two at most.

    Parameters
    ----------
    studies
        As they come; they may come from another process.
    source, run, folder
        As of `look_at`.
    begin
        Called with the key of a series before it is looked at.

    Raises
    ------
    MedcontourError
        As `look_at`.
    """
    upcoming = iter(studies)

    def read_next() -> tuple[Study, Scan | Ended] | None:
        study = next(upcoming, None)
        return None if study is None else (study, read_study(study, source))

    # Libraries that quote headers are quiet in both threads for as long as the two are at work.
    with quietly(), ThreadPoolExecutor(1) as ahead:
        waiting = ahead.submit(read_next)
        while (now := waiting.result()) is not None:
            study, read = now
            waiting = ahead.submit(read_next)
            begin(study.key)
            if isinstance(read, Ended):
                yield study, read
            else:
                yield study, look_at(study, read, source, run, folder)
