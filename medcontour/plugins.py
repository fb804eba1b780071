"""What other packages add, found by entry points and loaded or named."""

from __future__ import annotations

import sys
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from medcontour.errors import MedcontourError

__all__ = ["EXPORTERS", "OUTLINERS", "PROMPTABLE", "READERS", "find", "found", "load", "load_all"]

EXPORTERS = "medcontour.exporters"
"""The entry-point group of formats that suggestions are written in."""

READERS = "medcontour.readers"
"""That of formats that edited files are read in."""

OUTLINERS = "medcontour.outliners"
"""That of ways to find outlines from the evidence."""

PROMPTABLE = "medcontour.promptable"
"""That of promptable networks, which draw what a prompt points to."""

Kind = TypeVar("Kind")


def found(group: str) -> dict[str, EntryPoint]:
    """All entry points of a group, by name; none of them is loaded."""
    return {each.name: each for each in _points(group, tuple(sys.path))}


@lru_cache(maxsize=64)
def _points(group: str, _path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """Read them once for a path: the files of all installed packages are many."""
    return tuple(sorted(entry_points(group=group), key=lambda each: each.name))


def find(group: str, name: str, kind: type[Kind], what: str) -> Kind:
    """Load the object of a group that has a name.

    Raises
    ------
    MedcontourError
        When there is none of that name, which lists those there are, and as `load`.
    """
    known = found(group)
    if name not in known:
        raise MedcontourError(f'There is no {what} "{name}"; choose from {", ".join(known)}.')
    return load(known[name], kind, what)


def load_all(group: str, kind: type[Kind], what: str) -> dict[str, Kind]:
    """Load all objects of a group, by name, in alphabetical order; `what` they are, for messages.

    Raises
    ------
    MedcontourError
        When one of them cannot be loaded, or is of another class than `kind`.
    """
    return {name: load(each, kind, what) for name, each in found(group).items()}


def load(point: EntryPoint, kind: type[Kind], what: str) -> Kind:
    """Load one object.

    Raises
    ------
    MedcontourError
        With the package to mend or remove, when it cannot be loaded or is of another class.
    """
    package = point.dist.name if point.dist else point.value
    remedy = f"update or uninstall {package}."
    try:
        loaded = point.load()
    except Exception as error:  # whatever a third party's module raises on import
        raise MedcontourError(
            f'The {what} "{point.name}" of the package {package} cannot be loaded '
            f"({type(error).__name__}: {error}); {remedy}"
        ) from error
    if not isinstance(loaded, kind):
        raise MedcontourError(
            f'The {what} "{point.name}" of the package {package} is no '
            f"{kind.__module__}.{kind.__name__}; {remedy}"
        )
    return loaded
