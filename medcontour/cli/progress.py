"""Bars on the terminal while something takes long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

__all__ = ["progress_bars"]

DOING = {
    "fetch": "Fetching images from the archive",
    "calibrate": "Looking at checked scans",
    "classify": "Asking the classifier about each slice",
    "learn": "Training networks",
    "optimise": "Optimising contours",
    "judge": "Judging them against random places",
    "map": "Optimising a contour of each area",
    "spectrum": "Optimising under each spectral weight",
    "starts": "Optimising from nine starts",
}


@contextmanager
def progress_bars(quiet: bool) -> Iterator[Callable[[str, int, int], None] | None]:
    """Give a function that shows work going on as bars, or None to keep quiet."""
    if quiet:
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    bar = Progress(*columns, console=Console(stderr=True))
    tasks: dict[str, Any] = {}

    def progress(what: str, done: int, total: int) -> None:
        if not tasks:  # a bar that shows nothing would leave an empty line
            bar.start()
        if what not in tasks:
            tasks[what] = bar.add_task(DOING.get(what, what), total=total)
        bar.update(tasks[what], completed=done, total=total)

    try:
        yield progress
    finally:
        if tasks:
            bar.stop()
