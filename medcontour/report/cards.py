"""What the report says and shows of each finding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

from medcontour.report import words
from medcontour.report.order import look_first
from medcontour.report.pictures import (
    Edges,
    FloatArray,
    Region,
    UInt8Array,
    close_up,
    curve_on_slice,
    data_uri,
    edge_letters,
    extent,
    scale_bar,
    slice_region,
)
from medcontour.results.finding import Finding
from medcontour.results.model import Suggestion
from medcontour.results.parts import FindingSlice, PlacedContour, Views
from medcontour.scan.scan import Scan
from medcontour.scan.values import grey_values

__all__ = ["Card", "Curve", "Panel", "View", "make_cards"]

_OPEN = 12  # findings beyond these are folded to one line
_MANY = 30  # slices, from where on the pictures are smaller and the file stays light


@dataclass(frozen=True)
class Curve:
    """A curve as an SVG path, in `Panel`'s coordinates, with its area and quality in words."""

    name: str
    kind: str
    path: str
    area: str
    quality: str


@dataclass(frozen=True)
class Panel:
    """A region of the slice as a picture.

    `x`, `y`, `width` and `height` are the picture's box in millimetres (pixels where the scan has
    no physical size) along columns and rows, from the centre of the slice's first pixel. A pixel
    reaches half its spacing to either side of its centre.
    """

    title: str
    alt: str
    picture: str
    x: float
    y: float
    width: float
    height: float
    scale: float
    unit: str
    edges: Edges | None


@dataclass(frozen=True)
class View:
    """A picture the classifier was shown, and the probability it gave."""

    title: str
    alt: str
    picture: str
    aspect: float
    score: float


@dataclass(frozen=True)
class Card:
    """One slice of a finding as the report presents it; the `largest` of each is open."""

    number: int
    finding: Finding
    part: FindingSlice
    largest: bool
    open: bool
    place: str
    verdict: str
    curves: tuple[Curve, ...]
    panels: tuple[Panel, ...]
    views: tuple[View, ...]
    partly_seen: bool


def make_cards(suggestion: Suggestion, scan: Scan) -> list[list[Card]]:
    """Give each finding its cards, the largest slice first, in the order of `look_first`."""
    side = 640 if len(suggestion.slices) < _MANY else 400
    numbers = count(1)
    groups = []
    for place, finding in enumerate(look_first(suggestion)):
        largest = max(finding.slices, key=_size)
        others = [part for part in finding.slices if part is not largest]
        groups.append(
            [_card(next(numbers), finding, largest, place < _OPEN, scan, side, largest=True)]
            + [_card(next(numbers), finding, part, False, scan, side) for part in others]
        )
    return groups


def _size(part: FindingSlice) -> tuple[float, float, float]:
    """What makes a slice the one to show: the area of its outlines, its score, its evidence's."""
    outlines, evidence = (
        sum(contour.area_mm2 for contour in contours)
        for contours in (part.outlines, part.evidence_contours)
    )
    return outlines, part.score, evidence


def _card(
    number: int,
    finding: Finding,
    part: FindingSlice,
    opened: bool,
    scan: Scan,
    side: int,
    *,
    largest: bool = False,
) -> Card:
    contours = (*part.outlines, *part.evidence_contours)
    curves = [curve_on_slice(contour, scan) for contour in contours]
    where, views = words.place(part.slice, scan.slices), part.views
    return Card(
        number=number,
        finding=finding,
        part=part,
        largest=largest,
        open=opened,
        place=where,
        verdict=words.verdict(part),
        curves=tuple(
            _curve(f"finding-{number}-curve-{i}", contour, points, scan)
            for i, (contour, points) in enumerate(zip(contours, curves, strict=True), start=1)
        ),
        panels=tuple(_panels(part, curves, where, scan, side)),
        views=_views(part, views, where, scan, side // 2) if views is not None else (),
        partly_seen=views is not None and bool(np.isnan(views.original).mean() > 0.01),
    )


def _curve(name: str, contour: PlacedContour, points: FloatArray, scan: Scan) -> Curve:
    row_spacing, column_spacing = scan.pixel_spacing
    steps = " ".join(f"{x * column_spacing:.3f},{y * row_spacing:.3f}" for x, y in points)
    return Curve(
        name=name,
        kind=contour.kind,
        path=f"M{steps}Z",
        area=words.area(contour, scan.units),
        quality=words.quality(contour),
    )


def _panels(
    part: FindingSlice, curves: Sequence[FloatArray], where: str, scan: Scan, side: int
) -> list[Panel]:
    kinds = [
        name
        for name, found in (
            ("outline", part.outlines),
            ("evidence contour", part.evidence_contours),
        )
        if found
    ]
    drawn = f", with the {' and the '.join(kinds)} drawn in" if kinds else ""
    grey = grey_values(scan.voxels[part.slice], scan.window)
    whole = "The whole slice" if scan.slices > 1 else "The whole image"
    panels = [_panel(whole, f"{where}, whole{drawn}", grey, slice_region(scan), scan, side)]
    near = close_up(curves, scan)
    if near is not None:
        panels.append(_panel("Enlarged", f"{where}, enlarged{drawn}", grey, near, scan, side))
    return panels


def _panel(title: str, alt: str, grey: UInt8Array, region: Region, scan: Scan, side: int) -> Panel:
    row_spacing, column_spacing = scan.pixel_spacing
    width, height = extent(region, scan)
    return Panel(
        title=title,
        alt=alt,
        picture=data_uri(grey[region.pixels], side, 45_000),
        x=(region.left - 0.5) * column_spacing,
        y=(region.top - 0.5) * row_spacing,
        width=width,
        height=height,
        scale=scale_bar(width),
        unit="pixels" if scan.units == "pixel" else "mm",
        edges=edge_letters(scan),
    )


def _views(part: FindingSlice, views: Views, where: str, scan: Scan, side: int) -> tuple[View, ...]:
    evidence = part.evidence
    if evidence is None:
        return ()
    width, height = extent(slice_region(scan), scan)
    shown = (
        ("Original", views.original, part.score),
        ("Only the inside kept", views.preserved, evidence.preserved),
        ("Inside removed", views.deleted, evidence.deleted),
    )
    return tuple(
        View(
            title=title,
            alt=f"{where} as the classifier saw it: {title.lower()}",
            picture=data_uri(grey_values(view, (0.0, 1.0)), side, 15_000),
            aspect=width / height,
            score=score,
        )
        for title, view, score in shown
    )
