"""The outline of each evidence contour: what the image offers, and what the score rests on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from medcontour.contour import PlaneGeometry, Shape
from medcontour.explain import (
    POLARITY_EVALUATIONS,
    Perturbation,
    TargetObjective,
    evidence_polarity,
)
from medcontour.outline import Outline, Outliner

__all__ = ["Offer", "far_larger", "offer_outlines", "outline_notes", "with_classifier"]

CANDIDATES = 8
LEAST_SCORE, WEIGHT = -0.2, 4.0

FAR_LARGER = 5.0
"""An outline of so many times its evidence may have run out into what surrounds the object."""


@dataclass(frozen=True)
class Offer:
    """The clear boundaries that the image offers to one evidence contour.

    Attributes
    ----------
    outlines
        The boundaries, none or more.
    energies
        What speaks against each: the image's own energy, and what the classifier adds.
    polarity
        As an `Outliner` takes it.
    """

    outlines: tuple[Outline, ...]
    energies: tuple[float, ...]
    polarity: float

    @property
    def best(self) -> Outline | None:
        """The boundary that least speaks against; None where there is none."""
        if not self.outlines:
            return None
        return self.outlines[self.energies.index(min(self.energies))]


def offer_outlines(
    perturbation: Perturbation,
    of_target: TargetObjective,
    images: Tensor,
    plane: PlaneGeometry,
    evidence: Shape,
    which: Tensor,
    measured: Tensor | None = None,
    *,
    outliner: Outliner,
) -> tuple[list[Offer], Tensor]:
    """Follow the image from each evidence contour, and let the classifier speak against a place.

    The image alone decides among clear boundaries that could explain the score. One that neither
    keeps the score nor takes it away, its own (preserved - deleted) below `LEAST_SCORE`, has
    to be the clearer boundary by `WEIGHT` times what it lacks.

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
    measured
        (M, rows, columns) bool: which pixels of `images` were measured; by default all.
    outliner
        What follows the image.

    Returns
    -------
    offers
        For each contour what there is to choose from; `Offer.best` is its outline.
    evaluations
        (M,) what that cost: pairs that are only run forward count half.
    """
    polarity = evidence_polarity(perturbation, of_target, evidence, which)
    offered = outliner(
        images, plane, evidence.to("cpu"), polarity.cpu(), most=CANDIDATES, measured=measured
    )
    clear = [[outline for outline in some if outline.clear] for some in offered]
    counts = torch.tensor([len(some) for some in clear], device=which.device)
    energies = with_classifier(perturbation, of_target, clear, which)
    offers = [
        Offer(tuple(some), tuple(own), sign)
        for some, own, sign in zip(clear, energies, polarity.tolist(), strict=True)
    ]
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


def far_larger(outline: float, evidence: float) -> bool:
    """Whether an outline's area is so much larger than its evidence's that it may have run out."""
    return outline > FAR_LARGER * evidence


def outline_notes(evidence: Sequence[Shape], outlines: Sequence[Outline]) -> Iterator[str]:
    """What a reader should know of the outlines of some evidence contours that are one result."""
    area = sum(float(curve.area().sum()) for curve in evidence)
    if any(far_larger(float(outline.contour.area()), area) for outline in outlines):
        yield (
            f"The outline covers more than {FAR_LARGER:g} times the evidence: it may have run out "
            "into what surrounds the object."
        )
    if not outlines:
        yield "The image has no clear boundary near the evidence: no outline."
    elif len(outlines) < len(evidence):
        yield "The image has no clear boundary near some of the evidence: no outline there."
