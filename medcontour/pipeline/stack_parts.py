"""What outlines of a stack are chosen from, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass

from medcontour.contour import PlaneShape
from medcontour.outline import Outline
from medcontour.pipeline.outlines import Offer

__all__ = ["InStack", "Stacked", "Traced"]


@dataclass(frozen=True)
class Traced:
    """One evidence contour, and the boundaries that its slice offers to it.

    `suggested` is false where its slice by itself is not: its outline does not go on to others.
    """

    slice: int
    evidence: PlaneShape
    offer: Offer
    suggested: bool = True


@dataclass(frozen=True)
class InStack:
    """One contour of a stack.

    Attributes
    ----------
    slice
        Its slice.
    outline
        Its outline, or None.
    note
        What a reader is to know of that; may be empty.
    evaluations
        What choosing it cost beyond its slice's own offer.
    """

    slice: int
    outline: Outline | None
    note: str
    evaluations: float


@dataclass(frozen=True)
class Stacked:
    """The contours of a stack: those traced, in their order, followed by those taken in.

    `objects` are the places in `contours` of each object's, by slice.
    """

    contours: tuple[InStack, ...]
    objects: tuple[tuple[int, ...], ...]
