"""The boundaries of one object on all its slices, chosen together: exact, by dynamic programming.

No image is read and no classifier is run: what there is to choose from comes with its energies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from shapely import MultiPolygon

from medcontour.contour.polygons import overlap

__all__ = ["CONTINUITY", "Candidate", "Continuity", "choose_together", "disagreement"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Continuity:
    """What the boundaries of one object on neighbouring slices cost together.

    The two energies were chosen on tuning phantoms alone (`experiments/stack_phantoms.py`).

    Attributes
    ----------
    weight
        What two outlines without overlap cost, on slices much nearer than the outlines are wide.
    parted
        What an outline beside none costs, and one beside another of another place, apart from it
        by more than `reach` lets one object's be: less than a disagreement, since an object may
        end, and neighbouring slices may show two of them.
    reach
        Gap in the plane in mm for each mm between the slices.
    nothing
        The energy of no outline: that of a boundary barely clear enough to be one.
    """

    weight: float = 2.5
    parted: float = 1.0
    reach: float = 0.5
    nothing: float = -1.0


CONTINUITY = Continuity()


@dataclass(frozen=True)
class Candidate:
    """A boundary on one slice.

    Attributes
    ----------
    region
        What it encloses, in mm; the same in-plane axes and origin on all slices.
    energy
        What speaks against it on its own slice, as its outliner and the classifier tell.
    """

    region: MultiPolygon
    energy: float


def choose_together(
    candidates: Sequence[Sequence[Candidate]],
    heights: Sequence[float],
    continuity: Continuity = CONTINUITY,
) -> list[int | None]:
    """Choose a boundary, or none, on each slice of one object, so that all cost least together.

    Parameters
    ----------
    candidates
        By slice, in the order of the slices; none or more each.
    heights
        mm of each slice along the slices' normal.
    continuity
        What disagreement costs.

    Returns
    -------
    list of int or None
        For each slice the place of the chosen one among its candidates.

    Raises
    ------
    ValueError
        For not as many heights as slices.

    Examples
    --------
    >>> from shapely import box
    >>> small = Candidate(MultiPolygon([box(0, 0, 9, 9)]), energy=-3.0)
    >>> large = Candidate(MultiPolygon([box(0, 0, 99, 99)]), energy=-4.0)
    >>> choose_together([[small], [large, small], [small]], [0.0, 3.0, 6.0])
    [0, 1, 0]
    """
    if len(heights) != len(candidates):
        raise ValueError(f"{len(candidates)} slices have {len(heights)} heights")
    if not candidates:
        return []
    alone = [np.array([*(c.energy for c in some), continuity.nothing]) for some in candidates]
    total, before = alone[0], []
    for n, (some, others) in enumerate(pairwise(candidates)):
        apart = abs(heights[n + 1] - heights[n])
        steps = total[:, None] + _disagreements(some, others, apart, continuity)
        before.append(steps.argmin(0))
        total = steps.min(0) + alone[n + 1]
    chosen = [int(total.argmin())]
    for best in reversed(before):
        chosen.append(int(best[chosen[-1]]))
    chosen.reverse()
    return [k if k < len(some) else None for k, some in zip(chosen, candidates, strict=True)]


def disagreement(one: MultiPolygon, other: MultiPolygon, apart: float) -> float:
    """From 0 to 1: how little of two outlines overlaps, and how surely it should.

    1 minus intersection over union, times ``1 / (1 + (apart / width)^2)`` with the width of the
    larger one (the diameter of a circle of its area) and the distance of the slices, both in mm:
    an object much thinner than the slices' distance may well move from one to the next.
    """
    width = 2 * math.sqrt(max(one.area, other.area) / math.pi)
    if not width:
        return 0.0
    return (1 - overlap(one, other)) / (1 + (apart / width) ** 2)


def _disagreements(
    some: Sequence[Candidate], others: Sequence[Candidate], apart: float, continuity: Continuity
) -> FloatArray:
    """(n + 1, m + 1): what each pair costs; the last of either is no outline."""
    costs = np.full((len(some) + 1, len(others) + 1), continuity.parted)
    costs[-1, -1] = 0.0
    for i, one in enumerate(some):
        for j, other in enumerate(others):
            if one.region.distance(other.region) <= continuity.reach * apart:
                costs[i, j] = continuity.weight * disagreement(one.region, other.region, apart)
    return costs
