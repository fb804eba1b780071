"""How far work has come: told to whoever shows it."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Progress", "StepProgress", "named"]

Progress = Callable[[str, int, int], None]
"""Called with what is done now, how much of it is done, and how much there is."""

StepProgress = Callable[[int, int], None]
"""The same of one kind of work: steps done, and steps at most."""


def named(what: str, progress: Progress | None) -> StepProgress | None:
    """Give the progress of one kind of work by its name, None where nobody looks.

    Examples
    --------
    >>> told = named("optimise", lambda what, done, most: print(what, done, most))
    >>> told(3, 10)
    optimise 3 10
    """
    if progress is None:
        return None
    report = progress
    return lambda done, most: report(what, done, most)
