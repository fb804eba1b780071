"""Figures of a finding that trust is fitted from: all of them are there already."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from medcontour.calibration.strength import log_odds
from medcontour.contour.polygons import overlap, region, union
from medcontour.results.finding import Finding
from medcontour.results.parts import FindingSlice, PlacedContour

__all__ = ["FIGURES", "figures"]

FIGURES = (
    "score",
    "preserved",
    "deleted",
    "views_held",
    "necessary",
    "outlined",
    "edge",
    "contrast",
    "outline_preserved",
    "outline_deleted",
    "outline_area",
    "evidence_area",
    "slices",
    "agreement",
    "map_agreement",
    "map_stability",
)
"""What `figures` gives, in the order of the file."""


def figures(finding: Finding) -> dict[str, float | None]:
    """Give the figures of a finding; None where one is not there.

    Means over the slices that are suggested and were judged: log-odds of the score, of preserved
    and of deleted; the share of altered views in which the contour holds; the share of slices
    where removal takes the class away. Of the outlines: the share of slices that have one with an
    edge of its own; edge and contrast (with its sign: brighter or darker than its surroundings);
    what the classifier says of it, as log-odds; the logarithm of its area over the evidence's, and
    of the evidence's area in mm² (pixels where there are none). Of a stack: the logarithm of the
    number of slices, and how far outlines of neighbouring slices overlap. Of learned outlines: how
    far they agree with the networks' map, and how stable that is under mirroring and zoom.
    """
    parts = [part for part in finding.slices if part.suggested and part.evidence is not None]
    outlines = [outline for part in parts for outline in part.outlines]
    evidence = [part.evidence for part in parts if part.evidence is not None]
    quality = [outline.quality for outline in outlines]
    areas = [(_area(part, "outline"), _area(part, "evidence")) for part in parts]
    values: dict[str, float | None] = {
        "score": log_odds(finding.score),
        "preserved": _mean(log_odds(each.preserved) for each in evidence),
        "deleted": _mean(log_odds(each.deleted) for each in evidence),
        "views_held": _mean(
            each.views_held / each.views_tested
            for each in evidence
            if each.views_held is not None and each.views_tested
        ),
        "necessary": _mean(float(part.status == "suggested") for part in parts),
        "outlined": _mean(float(any(map(_own_edge, part.outlines))) for part in parts),
        "edge": _mean(_numbers(quality, "edge")),
        "contrast": _mean(_numbers(quality, "contrast")),
        "outline_preserved": _mean(map(log_odds, _numbers(quality, "preserved"))),
        "outline_deleted": _mean(map(log_odds, _numbers(quality, "deleted"))),
        "outline_area": _mean(math.log(own / of) for own, of in areas if own > 0 and of > 0),
        "evidence_area": _mean(math.log(of) for _, of in areas if of > 0),
        "slices": math.log(len(finding.slices)),
        "agreement": _mean(_overlaps(finding.slices)),
        "map_agreement": _mean(_numbers(quality, "map_agreement")),
        "map_stability": _mean(_numbers(quality, "map_stability")),
    }
    return {name: values[name] for name in FIGURES}


def _own_edge(outline: PlacedContour) -> bool:
    """Whether an outline follows an edge of the image, and not the evidence contour."""
    return "edge" in outline.quality and "follows" not in outline.quality


def _mean(values: Iterable[float]) -> float | None:
    every = list(values)
    return sum(every) / len(every) if every else None


def _numbers(quality: Sequence[dict[str, object]], name: str) -> list[float]:
    return [float(each[name]) for each in quality if isinstance(each.get(name), (int, float))]  # type: ignore[arg-type]


def _area(part: FindingSlice, kind: str) -> float:
    contours = part.outlines if kind == "outline" else part.evidence_contours
    return sum(contour.area_mm2 for contour in contours)


def _overlaps(slices: Sequence[FindingSlice]) -> list[float]:
    """Intersection over union of the outlines of neighbouring slices, seen across them."""
    drawn = [part for part in slices if part.outlines]
    if len(drawn) < 2:
        return []
    corners = drawn[0].outlines[0].polygon_lps_mm
    axes = np.linalg.svd(corners - corners.mean(0))[2][:2]  # the slice's own plane
    regions = [
        union(region(outline.polygon_lps_mm @ axes.T) for outline in part.outlines)
        for part in drawn
    ]
    return [overlap(one, other) for one, other in pairwise(regions)]
