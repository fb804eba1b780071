"""Bars on the terminal while something takes long."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

__all__ = ["goes_on", "pace", "progress_bars", "rate_lines"]

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


@contextmanager
def rate_lines(
    quiet: bool, every: float = 60.0
) -> Iterator[Callable[[str, int, int], None] | None]:
    """Give a function that says how fast the series of a batch go, or None to keep quiet.

    On a terminal it is one line that changes; elsewhere, as in a job's log, a new one each minute
    (`every` seconds) and at the end.
    """
    if quiet:
        yield None
        return
    terminal = sys.stderr.isatty()
    begun = said = time.monotonic()

    def progress(what: str, done: int, total: int) -> None:
        nonlocal begun, said
        now = time.monotonic()
        if what == "list":
            text = f"{done} of {total} folders of DICOM files listed"
            begun = now
        else:
            text = pace(done, total, now - begun)
        if terminal:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
        elif now - said >= every or (done == total and what != "list"):
            said = now
            print(text, file=sys.stderr, flush=True)

    try:
        yield progress
    finally:
        if terminal:
            print(file=sys.stderr)


def pace(done: int, total: int, seconds: float) -> str:
    """Say how many are done, how fast it goes, and when all will be.

    Examples
    --------
    >>> pace(30, 90, 600.0), pace(90, 90, 60.0)
    ('30 of 90 series, 3 a minute, 20 min left', '90 of 90 series, 90 a minute')
    """
    rate = done / max(seconds, 1e-3)
    text = f"{done} of {total} series, {60 * rate:.2g} a minute"
    if not rate or done == total:
        return text
    left = (total - done) / rate
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if left >= 2 * size:
            return f"{text}, {left / size:.0f} {unit} left"
    return f"{text}, {left:.0f} s left"


@contextmanager
def goes_on() -> Iterator[None]:
    """Say where a run is stopped by hand that the same command goes on; exit code 130."""
    try:
        yield
    except KeyboardInterrupt:
        print("Stopped; the same command goes on from here.", file=sys.stderr)
        raise typer.Exit(130) from None
