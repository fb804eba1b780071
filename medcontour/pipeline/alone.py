"""Several contours of one slice, each judged by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import torch

from medcontour.contour import FourierContour
from medcontour.explain import (
    Objective,
    Perturbation,
    TargetObjective,
    judge_together,
)
from medcontour.pipeline.found import POSITIVE, Found
from medcontour.pipeline.placement import Placed, holds
from medcontour.results.status import SUGGESTED, Status

__all__ = ["Alone", "judged_alone", "status_of", "without_others"]


@dataclass(frozen=True)
class Alone:
    """How strong the evidence of one contour of several is by itself.

    Attributes
    ----------
    preserved, deleted
        Probability of the class with only this contour's inside kept, and with it alone removed.
    placed
        What its own placement test says.
    status
        What a finding of this contour alone would be called, or that it does not keep the class.
    """

    preserved: float
    deleted: float
    placed: Placed
    status: Status | Literal["does not keep the class"]

    @property
    def evaluations(self) -> float:
        """What judging it cost: half an evaluation beside its placement test."""
        return 0.5 + self.placed.placement_evaluations

    @property
    def quality(self) -> dict[str, Any]:
        """What is said of the contour beside its curve."""
        return {
            "preserved": self.preserved,
            "deleted": self.deleted,
            **asdict(self.placed),
            "status": self.status,
        }


def status_of(deleted: float, p_value: float) -> Status:
    """Say what a contour is that holds what the classifier goes by."""
    if not holds(p_value):
        return "no better than random places"
    return "suggested, deletion keeps the class" if deleted > POSITIVE else "suggested"


@torch.no_grad()
def judged_alone(
    perturbation: Perturbation,
    of_target: TargetObjective,
    found: Found,
    placed: Callable[[int, FourierContour], Placed],
) -> list[list[Alone]]:
    """Judge each contour of the slices that have several, all of them in one batch.

    Parameters
    ----------
    perturbation
        As the contours were found.
    of_target
        Gives probabilities of the class.
    found
        The contours.
    placed
        The placement test of a curve of the slice at a place in the batch.

    Returns
    -------
    For each slice its contours' own figures, empty where it has one.
    """
    every, which = found.every()
    several = torch.tensor([len(c) > 1 for c in found.curves], device=which.device)[which]
    alone: list[list[Alone]] = [[] for _ in found.curves]
    rows = several.nonzero().flatten()
    if not len(rows):
        return alone
    curves, of = every[rows], which[rows]
    judged = judge_together(perturbation, of_target, curves, len(rows), of)
    kept, gone = (of_target.probability(values, of).tolist() for values in judged)
    for n, index in enumerate(of.tolist()):
        test = placed(index, curves[n : n + 1])
        status: Status | Literal["does not keep the class"] = "does not keep the class"
        if kept[n] > POSITIVE:
            status = status_of(gone[n], test.p_value)
        alone[index].append(Alone(kept[n], gone[n], test, status))
    return alone


@torch.no_grad()
def without_others(
    perturbation: Perturbation, objective: Objective, found: Found, alone: list[list[Alone]]
) -> tuple[Found, list[list[Alone]], list[int]]:
    """Leave out the contours that do nothing by themselves, where others of the slice do.

    Where none keeps the class by itself they keep it together, and all of them stay.

    Returns
    -------
    tuple
        What is left, judged together anew; the figures of each of these; how many of each slice
        were left out.
    """
    curves, gains, left, dropped = list(found.curves), list(found.gains), [], []
    preserved, deleted, fraction = (
        values.clone() for values in (found.preserved, found.deleted, found.area_fraction)
    )
    for index, own in enumerate(alone):
        good = [n for n, each in enumerate(own) if each.status in SUGGESTED]
        gone = len(own) - len(good) if good else 0
        left.append([own[n] for n in good] if gone else own)
        dropped.append(gone)
        if not gone:
            continue
        curves[index] = curves[index][torch.tensor(good, device=curves[index].center.device)]
        gains[index] = [gains[index][n] for n in good]
        which = torch.tensor([index], device=preserved.device)
        kept, without = judge_together(perturbation, objective, curves[index], 1, which)
        preserved[index], deleted[index] = kept[0], without[0]
        inside = curves[index].area_inside(perturbation.plane).sum()
        fraction[index] = inside / perturbation.plane.area
    changed = replace(
        found,
        curves=tuple(curves),
        gains=tuple(gains),
        preserved=preserved,
        deleted=deleted,
        area_fraction=fraction,
    )
    return changed, left, dropped
