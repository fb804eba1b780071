"""How strong the evidence is: the same curves at random places, a sequential test."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from medcontour.contour import FourierContour
from medcontour.explain.objectives.objective import Objective
from medcontour.explain.perturbation import Perturbation
from medcontour.explain.search.several import judge_together

__all__ = ["PlacementTest", "placement_test", "turned"]

CURVES = 99
ENOUGH = 10
BATCH = 11
CANDIDATES = 20


@dataclass(frozen=True)
class PlacementTest:
    """Sequential Monte Carlo p-value of one image's contours (Besag and Clifford 1991).

    Attributes
    ----------
    p_value
        ``(g + 1) / (n + 1)`` after n random placements of which g did as well; ``g / n`` where the
        test stopped early at g = 10.
    curves
        The random placements judged: for several contours, group by group.
    preserved, deleted
        Their similarities, one a group.
    """

    p_value: float
    curves: FourierContour
    preserved: Tensor
    deleted: Tensor

    @property
    def count(self) -> int:
        """The number of random placements, or groups of them, judged."""
        return len(self.preserved)

    @property
    def evaluations(self) -> float:
        """What the test cost: a pair run forward only counts half."""
        return len(self.preserved) / 2


def turned(curve: FourierContour, angle: Tensor) -> FourierContour:
    """Turn one curve about its center by (M,) angles in radians, frame included."""
    count = len(angle)
    k = torch.arange(1, curve.harmonics.shape[1] + 1, device=angle.device) * angle.unsqueeze(-1)
    a, b = curve.harmonics.unbind(-1)
    harmonics = torch.stack([a * k.cos() - b * k.sin(), a * k.sin() + b * k.cos()], -1)
    p, q = curve.frame.unbind(-1)
    double = 2 * angle
    frame = torch.stack(
        [p * double.cos() - q * double.sin(), p * double.sin() + q * double.cos()], -1
    )
    return replace(
        curve,
        center=curve.center.expand(count, 2).clone(),
        size=curve.size.expand(count).clone(),
        harmonics=harmonics,
        frame=frame,
    )


def placed_at_random(
    curve: FourierContour, body: Tensor, count: int, generator: torch.Generator
) -> FourierContour:
    """Place the curve, turned, at random in the body, overlapping itself by at most half.

    Parameters
    ----------
    curve
        One curve.
    body
        (M, 2) plane coordinates of the places that a center may take.
    count
        How many.
    generator
        Source of chance, on the processor.
    """
    draws = torch.rand(count * CANDIDATES, generator=generator)
    spots = torch.randint(len(body), (count * CANDIDATES,), generator=generator)
    moved = turned(curve, (draws * 2 * math.pi).to(curve.center))
    moved = replace(moved, center=body[spots.to(body.device)].to(curve.center))
    # The overlap is the share of points spread over the curve (scaled copies of it) that lie in
    # the other. Of some random places the first that overlaps little is taken; a curve that
    # fills the body leaves none, and then the one that overlaps least is the fairest there is.
    center = curve.center[0]
    spread = curve.polygon(48)[0] - center
    inside = torch.cat([center + spread * share for share in (0.35, 0.6, 0.8, 0.95)])
    overlap = moved.contains(inside).float().mean(-1).view(count, CANDIDATES)
    fair = overlap <= 0.5
    first = torch.where(fair.any(1), fair.float().argmax(1), overlap.argmin(1))
    return moved[torch.arange(count, device=first.device) * CANDIDATES + first]


def placed_groups(
    curves: FourierContour, body: Tensor, count: int, generator: torch.Generator
) -> FourierContour:
    """Place N curves at random, each as `placed_at_random` does: `count` x N, group by group."""
    size = len(curves)
    moved = [placed_at_random(curves[k : k + 1], body, count, generator) for k in range(size)]
    order = torch.arange(count * size, device=curves.center.device).view(size, count).T.flatten()
    return FourierContour.cat(moved)[order]


def placement_test(
    perturbation: Perturbation,
    objective: Objective,
    index: int,
    curve: FourierContour,
    statistic: float,
    body: Tensor,
    seed: int,
) -> PlacementTest:
    """Judge one image's contours, together, against the same curves at random places.

    Parameters
    ----------
    perturbation, objective
        As the contour was found.
    index
        Which image of the perturbation.
    curve
        The contour, or several whose masks are one (Eq. 11).
    statistic
        Their similarity preserved minus deleted.
    body
        (M, 2) plane coordinates inside the body (or image).
    seed
        Of the random placements.
    """
    generator = torch.Generator().manual_seed(seed)
    as_good = 0
    judged: list[tuple[FourierContour, Tensor, Tensor]] = []
    for first in range(0, CURVES, BATCH):
        groups = min(BATCH, CURVES - first)
        curves = placed_groups(curve, body, groups, generator)
        which = torch.full((groups,), index, device=curve.center.device)
        preserved, deleted = judge_together(perturbation, objective, curves, groups, which)
        done = torch.cumsum((preserved - deleted >= statistic).long(), 0) + as_good
        reached = (done >= ENOUGH).nonzero().flatten()
        end = int(reached[0]) + 1 if len(reached) else groups
        judged.append((curves[: end * len(curve)], preserved[:end], deleted[:end]))
        as_good = int(done[end - 1])
        if len(reached):
            break
    batches, kept, removed = zip(*judged, strict=True)
    curves, preserved, deleted = (
        FourierContour.cat(list(batches)),
        torch.cat(kept),
        torch.cat(removed),
    )
    n = len(preserved)
    p_value = ENOUGH / n if as_good >= ENOUGH else (as_good + 1) / (n + 1)
    return PlacementTest(p_value, curves, preserved, deleted)
