"""How much memory the work may take, and what is a file at all."""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path

import psutil

from medcontour.errors import MedcontourError

__all__ = [
    "MEMORY_VARIABLE",
    "check_file",
    "check_memory",
    "memory_limit",
    "peak_memory_mb",
    "read_text",
    "readable_size",
]

MEMORY_VARIABLE = "MEDCONTOUR_MEMORY"
"""The environment variable that says how many bytes the work may take: ``8G``, ``500 MB``."""

SHARE = 0.25
"""Of the machine's memory, where nothing is said: others work on it as well."""

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:I?B)?\s*", re.IGNORECASE)

# A container may have less than the machine that it runs on: cgroups, version 2 and 1.
_CONTAINER = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")

_PARSED = 12
"""Bytes that a byte of JSON takes once it is parsed: lists of short numbers take the most."""

_KINDS = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def memory_limit() -> int:
    """Bytes that reading a file, or one batch of images, may take.

    `MEDCONTOUR_MEMORY` where it is set, else a quarter of the memory of the machine or container.

    Raises
    ------
    MedcontourError
        When the variable is no size.

    Examples
    --------
    >>> memory_limit() > 2**20
    True
    """
    text = os.environ.get(MEMORY_VARIABLE, "").strip()
    if not text:
        return int(SHARE * _machine())
    found = _SIZE.fullmatch(text)
    if not found or not float(found[1]):
        raise MedcontourError(
            f"{MEMORY_VARIABLE} is {text!r}, which is no size; set it to bytes or to a size such "
            "as 500M or 8G, or leave it unset."
        )
    return int(float(found[1]) * _UNITS[found[2].upper()])


def peak_memory_mb() -> int:
    """Give the most memory that this process has held, in MiB.

    Examples
    --------
    >>> peak_memory_mb() > 1
    True
    """
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        memory = psutil.Process().memory_info()
        return int(getattr(memory, "peak_wset", memory.rss)) >> 20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10))


def check_memory(needed: float, what: str, remedy: str) -> None:
    """Refuse work that would take more memory than is allowed, before it is begun.

    Parameters
    ----------
    needed
        Bytes.
    what
        The beginning of the sentence: what would take them.
    remedy
        What a user can do beside allowing more.

    Raises
    ------
    MedcontourError
        When they are more than `memory_limit`.

    Examples
    --------
    >>> check_memory(2**20, "A small image", "crop it")
    >>> check_memory(2**60, "huge.png", "crop it")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    medcontour.errors.MedcontourError: huge.png would take about 1.07e+09 GB of memory, more than...
    """
    limit = memory_limit()
    if needed > limit:
        raise MedcontourError(
            f"{what} would take about {readable_size(needed)} of memory, more than the "
            f"{readable_size(limit)} allowed; {remedy}, or allow more (set {MEMORY_VARIABLE}, for "
            f"example to {_enough(needed)})."
        )


def readable_size(count: float) -> str:
    """Bytes for people.

    Examples
    --------
    >>> readable_size(3 * 2**30), readable_size(5 * 2**20)
    ('3 GB', '5 MB')
    """
    unit, name = (2**30, "GB") if count >= 2**30 else (2**20, "MB")
    return f"{count / unit:.3g} {name}"


def check_file(path: Path) -> None:
    """Refuse what only looks like a file: opening a pipe, a socket or a device may never end.

    What is not there passes: opening it says so.

    Raises
    ------
    MedcontourError
        With what it is.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return
    for is_kind, kind in _KINDS:
        if is_kind(mode):
            raise MedcontourError(f"{path} is {kind} and no file; write its content to a file.")


def read_text(path: Path) -> str:
    """Read a text of UTF-8, with or without a mark at its beginning, that memory can hold parsed.

    Raises
    ------
    MedcontourError
        For what is no file, and one so long that its values would not fit.
    OSError or UnicodeDecodeError
        As of `Path.read_text`.
    """
    check_file(path)
    check_memory(_PARSED * path.stat().st_size, str(path), "give a smaller file")
    return path.read_text(encoding="utf-8-sig")


def _machine() -> int:
    total = int(psutil.virtual_memory().total)
    for name in _CONTAINER:
        try:
            total = min(total, int(Path(name).read_text()))
        except (OSError, ValueError):  # no container, or no limit ("max")
            continue
    return total


def _enough(needed: float) -> str:
    return f"{int(needed / 2**30) + 1}G"
