"""A finding on all its slices, as a row of small pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medcontour.report.cards import Card, Curve
from medcontour.report.pictures import (
    close_up,
    curve_on_slice,
    data_uri,
    extent,
    slice_region,
)
from medcontour.results.finding import Finding
from medcontour.scan.scan import Scan
from medcontour.scan.values import grey_values

__all__ = ["MOST", "Montage", "Thumbnail", "make_montage"]

MOST = 15
"""Slices of a finding that have a small picture; of more, these are spread evenly."""

_SIDE, _BYTES = 112, 4_500  # of a small picture


@dataclass(frozen=True)
class Thumbnail:
    """One slice, cut out around the finding.

    `card` is where all of it is said, `marks` what that says beside the curves.
    """

    slice: int
    card: int
    marks: tuple[str, ...]
    alt: str
    picture: str
    curves: tuple[Curve, ...]


@dataclass(frozen=True)
class Montage:
    """The small pictures, by slice; `more` slices have none.

    All are of one region, around the finding's outlines, or its evidence where it has none.
    `x`, `y`, `width` and `height` are the region in the coordinates of `cards.Panel`.
    """

    thumbnails: tuple[Thumbnail, ...]
    more: int
    x: float
    y: float
    width: float
    height: float


def make_montage(cards: Sequence[Card], scan: Scan) -> Montage | None:
    """Cut a finding out of its slices.

    Parameters
    ----------
    cards
        Those of one finding: one a slice.
    scan
        What they were found on.

    Returns
    -------
    Montage or None
        None where the finding has no second slice.
    """
    if len(cards) < 2:
        return None
    finding = cards[0].finding
    curves = [curve_on_slice(c, scan) for c in finding.outlines or finding.evidence_contours]
    region = close_up(curves, scan) or slice_region(scan)
    ordered = sorted(cards, key=lambda card: card.part.slice)
    picked = np.unique(np.rint(np.linspace(0, len(ordered) - 1, min(MOST, len(ordered)))))
    thumbnails = []
    for card in (ordered[int(n)] for n in picked):
        grey = grey_values(scan.voxels[card.part.slice][region.pixels], scan.window)
        thumbnails.append(
            Thumbnail(
                slice=card.part.slice,
                card=card.number,
                marks=_marks(card),
                alt=_alt(card, finding),
                picture=data_uri(grey, _SIDE, _BYTES),
                curves=_drawn(card),
            )
        )
    row_spacing, column_spacing = scan.pixel_spacing
    width, height = extent(region, scan)
    return Montage(
        thumbnails=tuple(thumbnails),
        more=len(ordered) - len(thumbnails),
        x=(region.left - 0.5) * column_spacing,
        y=(region.top - 0.5) * row_spacing,
        width=width,
        height=height,
    )


def _drawn(card: Card) -> tuple[Curve, ...]:
    """The outlines; where there is none, the evidence."""
    outlines = tuple(curve for curve in card.curves if curve.kind == "outline")
    return outlines or card.curves


def _marks(card: Card) -> tuple[str, ...]:
    part = card.part
    said = (("no outline", not part.outlines), ("note", bool(part.note)))
    return tuple(mark for mark, there in said if there)


def _alt(card: Card, finding: Finding) -> str:
    drawn = "its outline" if card.part.outlines else "no outline"
    return f"{finding.name}, {card.place[0].lower()}{card.place[1:]}, with {drawn}"
