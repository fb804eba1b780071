"""What an outliner is: a way from evidence contours to the boundaries of what they sit on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from torch import Tensor

from medcontour.contour import PlaneGeometry, PlaneShape
from medcontour.plugins import OUTLINERS, find

__all__ = ["Outline", "Outliner", "outliner"]


@dataclass(frozen=True)
class Outline:
    """A boundary found near an evidence contour.

    Attributes
    ----------
    contour
        One curve.
    energy
        The lower of two is the better boundary, as far as its outliner tells; from 0 on it is no
        better an outline than the evidence contour.
    clear
        Whether it is clear enough to be called a boundary.
    quality
        What speaks for it, by name: figures that go into ``suggestion.json``.
    exact
        (V, 2) vertices in plane coordinates of the region that it stands for, where `contour`
        holds that too badly: a star-convex curve has no bays and no branches.
    """

    contour: PlaneShape
    energy: float
    clear: bool
    quality: Mapping[str, float | str] = field(default_factory=dict)
    exact: Tensor | None = None


@runtime_checkable
class Outliner(Protocol):
    """Finds boundaries around evidence contours.

    A package adds one by an entry point in the group ``medcontour.outliners`` that leads to such a
    function; the name of the entry point is what `Settings.outline` and ``--outline`` take.
    """

    def __call__(
        self,
        images: Tensor,
        plane: PlaneGeometry,
        evidence: PlaneShape,
        polarity: Tensor | None = None,
        *,
        most: int,
        measured: Tensor | None = None,
    ) -> list[list[Outline]]:
        """Boundaries around each evidence contour that differ from each other, the best first.

        Parameters
        ----------
        images
            (N, rows, columns) values on the plane's own pixels.
        plane
            Their plane.
        evidence
            N evidence contours, in plane coordinates.
        polarity
            (N,) from -1 to 1: positive where something brighter than its surroundings is looked
            for, negative for something darker, about 0 (or None) where that is not known.
        most
            At most so many for each.
        measured
            (N, rows, columns) bool: which pixels were measured; by default all.

        Returns
        -------
        For each contour none or more, `Outline.clear` or not.
        """


def outliner(name: str) -> Outliner:
    """Give an outliner by its name.

    Raises
    ------
    MedcontourError
        When there is none of that name, which lists those there are, or it cannot be loaded.

    Examples
    --------
    >>> outliner("region").__name__
    'outline_candidates'
    """
    return find(OUTLINERS, name, Outliner, "outliner")  # type: ignore[type-abstract]
