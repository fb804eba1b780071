"""The outline of each evidence contour: what the image offers, and what the score rests on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from medcontour.contour import PlaneGeometry, PlaneShape
from medcontour.explain import (
    POLARITY_EVALUATIONS,
    Perturbation,
    TargetObjective,
    evidence_polarity,
)
from medcontour.outline import Outline, Outliner, Redrawn, boundary_quality

__all__ = [
    "FOLLOWS_EVIDENCE",
    "Offer",
    "against_size",
    "evidence_as_outline",
    "far_larger",
    "offer_outlines",
    "outline_notes",
    "passing",
    "with_classifier",
]

CANDIDATES = 8
LEAST_SCORE, WEIGHT = -0.2, 4.0


@dataclass(frozen=True)
class SizeConstants:
    """What the size of a boundary speaks against it.

    Chosen on the tuning parts of breast ultrasound, brain FLAIR and photographs of wounds, and on
    the slices of tuning phantoms, together (`experiments/judged_outlines.py`).

    Attributes
    ----------
    grown
        What a boundary larger than its evidence costs, for each unit of the logarithm of their
        areas' ratio.
    most_of_body
        Share of the body's area that an object on it may take. Boundaries beyond fail.
    """

    grown: float = 0.2
    most_of_body: float = 0.4


SIZE = SizeConstants()

FOLLOWS_EVIDENCE = (
    "The image has no boundary that passes for the outline: it is a copy of the evidence contour."
)

EXACT_BESIDE = (
    "No star-convex curve holds the region that was drawn: its exact polygon is in "
    "suggestion.json, as exact_polygon_lps_mm."
)

FAR_LARGER = 5.0
"""An outline of so many times its evidence may have run out into what surrounds the object.

One of which the evidence is so many times may be of a part only.
"""


@dataclass(frozen=True)
class Offer:
    """The clear boundaries that the image offers to one evidence contour.

    Attributes
    ----------
    outlines
        The boundaries, none or more.
    energies
        What speaks against each: the image's own energy, what the classifier adds, and a size
        beyond the evidence's.
    polarity
        As an `Outliner` takes it.
    """

    outlines: tuple[Outline, ...]
    energies: tuple[float, ...]
    polarity: float

    @property
    def best(self) -> Outline | None:
        """The boundary that least speaks against; None where none passes."""
        least = min(self.energies, default=0.0)
        return self.outlines[self.energies.index(least)] if least < 0 else None

    def with_others(self, other: Offer) -> Offer:
        """Give both offers' boundaries to the one evidence contour."""
        return Offer(self.outlines + other.outlines, self.energies + other.energies, self.polarity)


def offer_outlines(
    perturbation: Perturbation,
    of_target: TargetObjective,
    images: Tensor,
    plane: PlaneGeometry,
    evidence: PlaneShape,
    which: Tensor,
    body_areas: Sequence[float],
    measured: Tensor | None = None,
    *,
    outliner: Outliner,
    redrawn: Redrawn | None = None,
    expected: float = 0.0,
) -> tuple[list[Offer], Tensor]:
    """Follow the image from each evidence contour, and judge the boundaries that it offers.

    The image decides among clear boundaries that could explain the score. One that neither
    keeps the score nor takes it away, its own (preserved - deleted) below `LEAST_SCORE`, has
    to be the clearer boundary by `WEIGHT` times what it lacks, and so has one larger than its
    evidence; one as large as the body fails (`SizeConstants`).

    Parameters
    ----------
    perturbation, of_target
        B images as the classifier takes them, and the score to explain.
    images
        (M, rows, columns) the slice of each contour, grey, on the plane's own pixels.
    plane
        Their plane.
    evidence
        M evidence contours.
    which
        (M,) the image of each.
    body_areas
        Area of the body on each contour's slice, in plane coordinates.
    measured
        (M, rows, columns) bool: which pixels of `images` were measured; by default all.
    outliner
        What follows the image.
    redrawn
        What draws the outline of each contour anew, or the evidence where it has none: one more
        to choose from.
    expected
        The polarity of findings like these, as far as it is known: it is added to what the
        classifier says of each, so that it decides where that does not.

    Returns
    -------
    offers
        For each contour what there is to choose from; `Offer.best` is its outline.
    evaluations
        (M,) what that cost: pairs that are only run forward count half.
    """
    polarity = evidence_polarity(perturbation, of_target, evidence, which)
    polarity = (polarity + expected).clamp(-1, 1)
    offered = outliner(
        images, plane, evidence.to("cpu"), polarity.cpu(), most=CANDIDATES, measured=measured
    )

    def judged(some: Sequence[Sequence[Outline]]) -> list[Offer]:
        clear = [passing(own, area) for own, area in zip(some, body_areas, strict=True)]
        energies = with_classifier(perturbation, of_target, clear, which)
        return [
            Offer(tuple(own), tuple(against_size(own, energy, evidence[[n]])), sign)
            for n, (own, energy, sign) in enumerate(
                zip(clear, energies, polarity.tolist(), strict=True)
            )
        ]

    offers = judged(offered)
    if redrawn is not None:
        starts = [
            offer.best or Outline(evidence[[n]], 0.0, clear=False) for n, offer in enumerate(offers)
        ]
        drawn = redrawn.outlines(starts, images, plane, measured)
        fresh = judged([[] if one is None else [one] for one in drawn])
        offers = [one.with_others(other) for one, other in zip(offers, fresh, strict=True)]
    counts = torch.tensor([len(offer.outlines) for offer in offers], device=which.device)
    return offers, POLARITY_EVALUATIONS + counts / 2


def with_classifier(
    perturbation: Perturbation,
    of_target: TargetObjective,
    outlines: Sequence[Sequence[Outline]],
    which: Tensor,
) -> list[list[float]]:
    """Energies of some outlines on each of (M,) images, with what the classifier adds to each.

    It costs half an evaluation an outline.
    """
    counts = torch.tensor([len(some) for some in outlines], device=which.device)
    if not counts.any():
        return [[] for _ in outlines]
    curves = [outline.contour for some in outlines for outline in some]
    together = curves[0].cat(curves)
    preserved, deleted = perturbation.judge(
        of_target, together.to(which.device), which.repeat_interleave(counts)
    )
    lacks = torch.split((LEAST_SCORE - (preserved - deleted)).clamp_min(0), counts.tolist())
    return [
        [one.energy + WEIGHT * less for one, less in zip(some, lack.tolist(), strict=True)]
        for some, lack in zip(outlines, lacks, strict=True)
    ]


def passing(outlines: Sequence[Outline], body_area: float) -> list[Outline]:
    """Those that are clear, and not as large as what an object lies on.

    Parameters
    ----------
    outlines
        On one slice.
    body_area
        Area of the body there, in plane coordinates.
    """
    most = SIZE.most_of_body * body_area
    return [one for one in outlines if one.clear and float(one.contour.area()) <= most]


def against_size(
    outlines: Sequence[Outline], energies: Sequence[float], evidence: PlaneShape
) -> list[float]:
    """Energies of some outlines, with what those larger than their one evidence contour cost."""
    area = float(evidence.area())
    return [
        energy + SIZE.grown * math.log(max(1.0, float(outline.contour.area()) / area))
        for outline, energy in zip(outlines, energies, strict=True)
    ]


def evidence_as_outline(
    image: Tensor, plane: PlaneGeometry, evidence: PlaneShape, measured: Tensor | None = None
) -> Outline:
    """Give the outline of an evidence contour where no boundary of the image passes: a copy.

    Parameters
    ----------
    image, measured
        (rows, columns) its slice, as of `offer_outlines`: what says contrast and edge.
    plane
        Its plane.
    evidence
        One contour.
    """
    quality = boundary_quality(image, plane, evidence.to("cpu"), measured)
    return Outline(evidence, 0.0, clear=False, quality={"follows": "evidence contour", **quality})


def far_larger(one: float, other: float) -> bool:
    """Whether one area is so much larger than the other: an outline that may have run out, say."""
    return one > FAR_LARGER * other


def outline_notes(
    evidence: Sequence[PlaneShape], outlines: Sequence[Outline], *, in_stack: bool
) -> Iterator[str]:
    """What a reader should know of the outlines of some evidence contours that are one result.

    Outlines far smaller than their evidence are wrong more often on a single image than others
    are; in a stack, where slices have to agree, they are not.
    """
    area = sum(float(curve.area().sum()) for curve in evidence)
    outlined = sum(float(outline.contour.area()) for outline in outlines)
    if any(far_larger(float(outline.contour.area()), area) for outline in outlines):
        yield (
            f"The outline covers more than {FAR_LARGER:g} times the evidence: it may have run out "
            "into what surrounds the object."
        )
    if outlines and not in_stack and far_larger(area, outlined):
        yield (
            f"The evidence covers more than {FAR_LARGER:g} times the outline: the outline may be "
            "of a part of the object only."
        )
    if any("follows" in outline.quality for outline in outlines):
        yield FOLLOWS_EVIDENCE
    if any(outline.exact is not None for outline in outlines):
        yield EXACT_BESIDE
    if not outlines:
        yield "The image has no clear boundary near the evidence: no outline."
    elif len(outlines) < len(evidence):
        yield "The image has no clear boundary near some of the evidence: no outline there."
