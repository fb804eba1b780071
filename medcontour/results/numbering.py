"""How slices are counted where a person reads."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["COUNTED", "slice_numbers"]

COUNTED = "Slices are counted from 1; --slices, --slice, Python and JSON count from 0."
"""The rule in a sentence, to stand under a table of slices."""


def slice_numbers(indices: Iterable[int]) -> str:
    """Name slices by number: counted from 1, as viewers do.

    The one rule: what a person reads (pages, pictures, tables, notes, messages)
    says "slice" and a number from 1; so do the names of pictures and curves. What is typed or read
    by programs (``--slices``, Python, JSON) is an index from 0, and a text calls it an index.

    Parameters
    ----------
    indices
        From 0.

    Examples
    --------
    >>> slice_numbers([7]), slice_numbers([0, 12])
    ('8', '1, 13')
    """
    return ", ".join(str(index + 1) for index in indices)
