"""What other packages add, found by entry points and loaded or named."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from medcontour.errors import MedcontourError

__all__ = ["EXPORTERS", "format_names", "found", "load", "load_all"]

EXPORTERS = "medcontour.exporters"
"""The entry-point group of formats that suggestions are written in."""

Kind = TypeVar("Kind")


def found(group: str) -> dict[str, EntryPoint]:
    """All entry points of a group, by name; none of them is loaded."""
    return {each.name: each for each in sorted(entry_points(group=group), key=lambda e: e.name)}


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


def format_names() -> list[str]:
    """List the names of all installed formats; none of them is loaded.

    Examples
    --------
    >>> "rtstruct" in format_names()
    True
    """
    return list(found(EXPORTERS))
