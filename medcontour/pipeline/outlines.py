"""The outline of each evidence contour: what the image offers, and what the score rests on."""

from __future__ import annotations

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

__all__ = ["choose_outlines"]

CANDIDATES = 8
LEAST_SCORE, WEIGHT = -0.2, 4.0


def choose_outlines(
    perturbation: Perturbation,
    of_target: TargetObjective,
    images: Tensor,
    plane: PlaneGeometry,
    evidence: Shape,
    which: Tensor,
    measured: Tensor | None = None,
    *,
    outliner: Outliner,
) -> tuple[list[Outline | None], Tensor]:
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
    outlines
        For each contour its outline, or None where the image has no clear boundary near it.
    evaluations
        (M,) what that cost: pairs that are only run forward count half.
    """
    polarity = evidence_polarity(perturbation, of_target, evidence, which)
    offered = outliner(
        images, plane, evidence.to("cpu"), polarity.cpu(), most=CANDIDATES, measured=measured
    )
    clear = [[outline for outline in some if outline.clear] for some in offered]
    counts = torch.tensor([len(some) for some in clear], device=which.device)
    spent = POLARITY_EVALUATIONS + counts / 2
    if not counts.any():
        return [None] * len(clear), spent
    offered_curves = [outline.contour for some in clear for outline in some]
    curves = offered_curves[0].cat(offered_curves)
    preserved, deleted = perturbation.judge(
        of_target, curves.to(which.device), which.repeat_interleave(counts)
    )
    lacks = torch.split((LEAST_SCORE - (preserved - deleted)).clamp_min(0), counts.tolist())
    chosen: list[Outline | None] = []
    for some, lack in zip(clear, lacks, strict=True):
        energy = [one.energy + WEIGHT * less for one, less in zip(some, lack.tolist(), strict=True)]
        chosen.append(some[energy.index(min(energy))] if some else None)
    return chosen, spent
