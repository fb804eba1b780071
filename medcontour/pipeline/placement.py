"""Contours of one slice against random places in altered views, as evidence says it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from medcontour.explain import (
    PLACEMENT,
    EmbeddingObjective,
    Perturbation,
    placement_test,
    views_of_class,
)
from medcontour.explain.analysis.placement import Placeable

__all__ = ["UNSTABLE", "Network", "Placed", "holds"]

UNSTABLE = (
    "The network is not stable under mirroring: it does not call the mirrored image the class, as "
    "it may never have been shown one. Other altered views took the mirrored ones' place."
)
"""The note of an image that the network does not know mirrored."""


@dataclass(frozen=True)
class Placed:
    """What the placement test says of contours; the names are those of `Evidence`.

    Attributes
    ----------
    p_value, views_held, views_tested
        As of `medcontour.explain.PlacementTest`.
    stable_under_mirroring
        As of `medcontour.explain.views_of_class`.
    placements, placement_evaluations
        How many random places were judged, and what the test cost.
    random_preserved, random_deleted
        Mean probability of the class, over these places in their views.
    """

    p_value: float
    views_held: int
    views_tested: int
    stable_under_mirroring: bool
    placements: int
    placement_evaluations: float
    random_preserved: float
    random_deleted: float


def holds(p_value: float) -> bool:
    """Whether contours do better than random places, in every view.

    Examples
    --------
    >>> holds(0.05), holds(0.06)
    (True, False)
    """
    return p_value <= PLACEMENT.level


@dataclass(frozen=True)
class Network:
    """What contours were found for, and so what they are judged by in altered views.

    Attributes
    ----------
    score, target
        (B, C, H, W) to (B, classes) log-odds, and the class.
    embed
        (B, C, H, W) to (B, features), where contours were found for the embedding.
    normalise
        As `EmbeddingObjective` takes it.
    """

    score: Callable[[Tensor], Tensor]
    target: int
    embed: Callable[[Tensor], Tensor] | None = None
    normalise: bool = True

    @torch.no_grad()
    def placed(
        self,
        perturbation: Perturbation,
        index: int,
        curves: Placeable,
        body: Tensor,
        seed: int,
    ) -> Placed:
        """Judge contours of the image `index`, whose masks are one, against random places.

        Parameters
        ----------
        perturbation
            As the contours were found.
        index
            Which image of it.
        curves
            One contour or several; or a surface.
        body
            (M, 2) plane coordinates that random places are taken from; (M, 3) of a volume.
        seed
            Of the random places.
        """
        views, of_class, stable = views_of_class(perturbation, index, self.score, self.target)
        if self.embed is None:
            test = judged = placement_test(views, of_class, curves, body, seed)
        else:
            of_embedding = EmbeddingObjective(
                views.in_pieces(self.embed),
                views.images,
                views.background,
                normalise=self.normalise,
            )
            test = placement_test(views, of_embedding, curves, body, seed)
            judged = test.judged_by(of_class, views)
        preserved, deleted = (
            of_class.probability(values, judged.view).mean().item()
            for values in (judged.preserved, judged.deleted)
        )
        return Placed(
            p_value=test.p_value,
            views_held=test.views_held,
            views_tested=len(test.p_values),
            stable_under_mirroring=stable,
            placements=test.count,
            placement_evaluations=test.evaluations,
            random_preserved=preserved,
            random_deleted=deleted,
        )
