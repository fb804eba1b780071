"""Several contours of one slice, each judged by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from medcontour.explain import (
    Objective,
    Perturbation,
    TargetObjective,
    judge_together,
    placement_test,
)
from medcontour.pipeline.found import P_VALUE_LEVEL, POSITIVE, Found
from medcontour.results.status import SUGGESTED, Status

__all__ = ["Alone", "judged_alone", "status_of", "without_others"]


@dataclass(frozen=True)
class Alone:
    """How strong the evidence of one contour of several is by itself.

    Attributes
    ----------
    preserved, deleted
        Probability of the class with only this contour's inside kept, and with it alone removed.
    random_preserved, random_deleted
        The same, mean over the random places of its own placement test.
    p_value, placements
        Of that test.
    evaluations
        What judging it cost.
    status
        What a finding of this contour alone would be called, or that it does not keep the class.
    """

    preserved: float
    deleted: float
    random_preserved: float
    random_deleted: float
    p_value: float
    placements: int
    evaluations: float
    status: Status | Literal["does not keep the class"]


def status_of(deleted: float, p_value: float) -> Status:
    """Say what a contour is that holds what the classifier goes by."""
    if p_value > P_VALUE_LEVEL:
        return "no better than random places"
    return "suggested, deletion keeps the class" if deleted > POSITIVE else "suggested"


@torch.no_grad()
def judged_alone(
    perturbation: Perturbation,
    objective: Objective,
    of_target: TargetObjective,
    found: Found,
    places: Callable[[int], Tensor],
    seeds: list[int],
) -> list[list[Alone]]:
    """Judge each contour of the slices that have several, all of them in one batch.

    Parameters
    ----------
    perturbation, objective
        As the contours were found.
    of_target
        Gives probabilities of the class.
    found
        The contours.
    places
        Of the batch's slice: (M, 2) plane coordinates that random places are taken from.
    seeds
        Of the random places of each slice.

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
    measured = judge_together(perturbation, objective, curves, len(rows), of)
    exact = measured
    if objective is not of_target:
        exact = judge_together(perturbation, of_target, curves, len(rows), of)
    kept, gone = (of_target.probability(values, of).tolist() for values in exact)
    for n, index in enumerate(of.tolist()):
        test = placement_test(
            perturbation,
            objective,
            index,
            curves[n : n + 1],
            float(measured[0][n] - measured[1][n]),
            places(index),
            seed=seeds[index],
        )
        random = (test.preserved, test.deleted)
        place = of.new_full((test.count,), index)
        if objective is not of_target:
            random = judge_together(perturbation, of_target, test.curves, test.count, place)
        alone[index].append(
            Alone(
                preserved=kept[n],
                deleted=gone[n],
                random_preserved=of_target.probability(random[0], place).mean().item(),
                random_deleted=of_target.probability(random[1], place).mean().item(),
                p_value=test.p_value,
                placements=test.count,
                evaluations=0.5 + test.evaluations,
                status=status_of(gone[n], test.p_value)
                if kept[n] > POSITIVE
                else "does not keep the class",
            )
        )
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
