"""How strong evidence is: a contour against itself at random places, in altered views."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from medcontour.contour import (
    FourierContour,
    HarmonicSurface,
    Shape,
    turned,
    turned_surface,
)
from medcontour.explain.analysis.views import AlteredViews, InViews
from medcontour.explain.objectives.objective import Objective
from medcontour.explain.search.several import judge_together

__all__ = ["PLACEMENT", "Placeable", "PlacementConstants", "PlacementTest", "placement_test"]

Placeable = TypeVar("Placeable", FourierContour, HarmonicSurface)
"""What is put at random places: curves, or surfaces."""


@dataclass(frozen=True)
class PlacementConstants:
    """How the placement test is made.

    Attributes
    ----------
    level
        A view in which p is above this has failed.
    rounds
        How many random places a view are judged between two looks at which views have failed. In
        all they are the fewest with which a contour that beats them all reaches the level: its p
        is ``1 / (n + 1)`` (Besag and Clifford, Biometrika 78, 1991: it is exact for any n, and
        with a stop at the first that does as well).
    candidates
        Places drawn for each, of which the first that overlaps the contour little is taken.
    most_overlap
        What counts as little: a share of the curve's points.
    """

    level: float = 0.05
    rounds: tuple[int, ...] = (4, 5, 5, 5)
    candidates: int = 20
    most_overlap: float = 0.5

    @property
    def places(self) -> int:
        """Random places a view."""
        return sum(self.rounds)


PLACEMENT = PlacementConstants()


@dataclass(frozen=True)
class PlacementTest:
    """One image's contours against random places in each of its altered views.

    Attributes
    ----------
    p_values
        Of the views, in their order: ``(g + 1) / (n + 1)`` after n random placements of
        which g did as well. A view that has failed is not gone on with, and its p is conservative.
    curves
        The random placements judged: for several contours, group by group.
    view
        (M,) in which view each group was judged.
    preserved, deleted
        (M,) their similarities, on the view's own scale.
    """

    p_values: tuple[float, ...]
    curves: FourierContour | HarmonicSurface
    view: Tensor
    preserved: Tensor
    deleted: Tensor

    @property
    def p_value(self) -> float:
        """The worst view's."""
        return max(self.p_values)

    @property
    def views_held(self) -> int:
        """In how many views the contour beats all random places."""
        return sum(p <= PLACEMENT.level for p in self.p_values)

    def judged_by(self, objective: Objective, views: AlteredViews) -> PlacementTest:
        """Give the same places with their similarities by another objective of these views."""
        preserved, deleted = judged_groups(views, InViews(objective, views), self.curves, self.view)
        return replace(self, preserved=preserved, deleted=deleted)

    @property
    def count(self) -> int:
        """The number of random placements, or groups of them, judged."""
        return len(self.view)

    @property
    def evaluations(self) -> float:
        """What the test cost: a pair run forward only counts half; the contour is one a view."""
        return (len(self.view) + len(self.p_values)) / 2


def turned_at_random(shape: Placeable, count: int, generator: torch.Generator) -> Placeable:
    """`count` copies of one curve or surface, each turned about its center at random."""
    if isinstance(shape, HarmonicSurface):
        # Quaternions of normal numbers, scaled to length one, are spread evenly over rotations.
        quaternions = torch.randn(count, 4, generator=generator)
        turns = torch.from_numpy(
            Rotation.from_quat(quaternions[:, [1, 2, 3, 0]].numpy()).as_matrix()
        )
        return turned_surface(shape, turns.to(shape.center))
    draws = torch.rand(count, generator=generator)
    return turned(shape, (draws * 2 * math.pi).to(shape.center))


def placed_at_random(
    curve: Placeable, body: Tensor, count: int, generator: torch.Generator
) -> Placeable:
    """Place the curve, turned, at random in the body, overlapping itself by at most half.

    Parameters
    ----------
    curve
        One curve, or one surface.
    body
        (M, 2) plane coordinates of the places that a center may take; (M, 3) of a volume.
    count
        How many.
    generator
        Source of chance, on the processor.
    """
    candidates = PLACEMENT.candidates
    moved = turned_at_random(curve, count * candidates, generator)
    spots = torch.randint(len(body), (count * candidates,), generator=generator)
    moved = replace(moved, center=body[spots.to(body.device)].to(curve.center))
    # The overlap is the share of points spread over the curve (scaled copies of it) that lie in
    # the other. Of some random places the first that overlaps little is taken; a curve that
    # fills the body leaves none, and then the one that overlaps least is the fairest there is.
    center = curve.center[0]
    boundary = curve.mesh(1)[0] if isinstance(curve, HarmonicSurface) else curve.polygon(48)
    spread = boundary[0].to(center) - center
    inside = torch.cat([center + spread * share for share in (0.35, 0.6, 0.8, 0.95)])
    overlap = moved.contains(inside).float().mean(-1).view(count, candidates)
    fair = overlap <= PLACEMENT.most_overlap
    first = torch.where(fair.any(1), fair.float().argmax(1), overlap.argmin(1))
    return moved[torch.arange(count, device=first.device) * candidates + first]


def placed_groups(
    curves: Placeable, body: Tensor, count: int, generator: torch.Generator
) -> Placeable:
    """Place N curves at random, each as `placed_at_random` does: `count` x N, group by group."""
    size = len(curves)
    moved = [placed_at_random(curves[k : k + 1], body, count, generator) for k in range(size)]
    order = torch.arange(count * size, device=curves.center.device).view(size, count).T.flatten()
    return curves.cat(moved)[order]


def judged_groups(
    views: AlteredViews, objective: InViews, curves: Shape, which: Tensor
) -> tuple[Tensor, Tensor]:
    """Judge a group of hard contours for each of the views `which`; volumes one at a time."""
    batch = 1 if views.perturbation.images.ndim == 5 else 32
    return judge_together(views.perturbation, objective, curves, len(which), which, batch=batch)


@torch.no_grad()
def placement_test(
    views: AlteredViews,
    objective: Objective,
    curve: Placeable,
    body: Tensor,
    seed: int,
) -> PlacementTest:
    """Judge one image's contours, together, against the same curves at random places.

    An optimised contour nearly always beats random places in the image that it was optimised on.
    What it keeps of the score by more than a chance of that image's pixels it keeps in altered
    views as well: there it has to beat them.

    Parameters
    ----------
    views
        The image in its altered views.
    objective
        Of the originals and backgrounds of `views`: it brings each view's own scale.
    curve
        The contour, or several whose masks are one (Eq. 11); or a surface.
    body
        (M, 2) plane coordinates inside the body (or image); (M, 3) of a volume.
    seed
        Of the random placements.

    Examples
    --------
    >>> from medcontour.explain import Perturbation, TargetObjective
    >>> images = torch.zeros(1, 1, 48, 48)
    >>> images[..., 8:16, 30:38] = 1.0
    >>> perturbation = Perturbation.of_images(images, torch.zeros_like(images))
    >>> views = AlteredViews.of(perturbation, 0)
    >>> score = lambda x: 0.2 * x.flatten(1).sum(1, keepdim=True) - 6
    >>> objective = TargetObjective(score, views.images, views.background, target=0)
    >>> contour = FourierContour.circles(torch.tensor([[0.40, -0.51]]), torch.tensor([0.2]))
    >>> body = perturbation.points.reshape(-1, 2)
    >>> placement_test(views, objective, contour, body, seed=0).p_values
    (0.05, 0.05, 0.05, 0.05)
    """
    size = len(curve)
    generator = torch.Generator().manual_seed(seed)
    places = [placed_groups(curve, body, PLACEMENT.places, generator) for _ in views.views]
    in_views = InViews(objective, views)

    def judge(curves: Placeable, which: Tensor) -> tuple[Tensor, Tensor]:
        return judged_groups(views, in_views, curves, which)

    own = judge(curve.cat([curve] * len(views.views)), views.every)
    statistic = own[0] - own[1]
    as_good, judged = torch.zeros_like(views.every), torch.zeros_like(views.every)
    rounds: list[tuple[Placeable, Tensor, Tensor, Tensor]] = []
    first = 0
    for number in PLACEMENT.rounds:
        left = views.every[as_good == 0]
        if not len(left):
            break
        some = slice(first * size, (first + number) * size)
        curves = curve.cat([places[view][some] for view in left.tolist()])
        which = left.repeat_interleave(number)
        preserved, deleted = judge(curves, which)
        as_good.index_add_(0, which, (preserved - deleted >= statistic[which]).long())
        judged[left] += number
        rounds.append((curves, which, preserved, deleted))
        first += number
    batches, which_view, kept, removed = zip(*rounds, strict=True)
    return PlacementTest(
        tuple((g + 1) / (n + 1) for g, n in zip(as_good.tolist(), judged.tolist(), strict=True)),
        curve.cat(list(batches)),
        torch.cat(which_view),
        torch.cat(kept),
        torch.cat(removed),
    )
