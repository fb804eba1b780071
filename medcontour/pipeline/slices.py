"""Which slices of a scan are meant: one notation for Python, the command line and JSON."""

from __future__ import annotations

from collections.abc import Sequence

from medcontour.errors import MedcontourError

__all__ = ["Slices", "pick_slices", "slice_notation"]

Slices = int | str | slice | range | Sequence[int]
"""A slice's index from 0, a range of them, a list, or text such as ``"10:20,25"``."""


def slice_notation(slices: Slices) -> str:
    """Write any choice of slices as text: indices and ranges of Python's, comma separated.

    Raises
    ------
    MedcontourError
        For text that is none, or an empty list.

    Examples
    --------
    >>> slice_notation(5), slice_notation(range(5, 8)), slice_notation(slice(None, 10))
    ('5', '5:8', ':10')
    >>> slice_notation([3, 7]), slice_notation("13:14, 17")
    ('3,7', '13:14,17')
    """
    if isinstance(slices, str):
        parts = [part.strip() for part in slices.split(",")]
    elif isinstance(slices, (slice, range)):
        parts = [_range_notation(slices)]
    elif isinstance(slices, Sequence):
        parts = [str(int(index)) for index in slices]
    else:
        parts = [str(int(slices))]
    if not parts:
        raise MedcontourError("The list of slices is empty; leave it out to look at all of them.")
    for part in parts:
        _parse(part)
    return ",".join(parts)


def pick_slices(notation: str | None, count: int) -> list[int]:
    """Give the slices of a scan that a notation means, in order, each once.

    Parameters
    ----------
    notation
        As `slice_notation` gives it; None for all. Negative numbers count from the end.
    count
        How many slices the scan has.

    Raises
    ------
    MedcontourError
        For an index that is not there, or a range that holds none of the slices.

    Examples
    --------
    >>> pick_slices("1:3,-1", 10)
    [1, 2, 9]
    """
    if notation is None:
        return list(range(count))
    picked: set[int] = set()
    for part in notation.split(","):
        meant = _parse(part)
        every = range(count)
        found = (
            list(every[meant])
            if isinstance(meant, slice)
            else [index for index in every if meant in (index, index - count)]
        )
        if not found:
            raise MedcontourError(
                f"{part} holds none of the scan's {count} slices; choose from the indices 0 to "
                f"{count - 1}."
            )
        picked.update(found)
    return sorted(picked)


def _range_notation(given: slice | range) -> str:
    start, stop, step = given.start, given.stop, given.step
    text = f"{'' if start is None else start}:{'' if stop is None else stop}"
    return text if step in (None, 1) else f"{text}:{step}"


def _parse(part: str) -> int | slice:
    numbers = part.split(":")
    try:
        if len(numbers) == 1:
            return int(part)
        if len(numbers) <= 3:
            return slice(*(int(number) if number else None for number in numbers))
    except ValueError:
        pass
    raise MedcontourError(
        f'"{part}" names no slices; give an index from 0, a range A:B (B not included), or '
        "several with commas between, for example 10:20,25."
    )
