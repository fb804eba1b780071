"""A workload: what presets are compared on, and how its contours are judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from medcontour.explain import (
    AUTOMATIC,
    PRESETS,
    EmbeddingObjective,
    Objective,
    Perturbation,
    TargetObjective,
    mildest,
)

__all__ = ["Workload"]

AREA_WEIGHT = PRESETS["fast"].area_weight or 1.0


@dataclass(frozen=True)
class Workload:
    """Images, the network that scores them, and the protocol by which contours are judged.

    Every contour, whatever found it, is judged by its hard mask (tau = 100) on the same
    background: ``objective = deleted - preserved + area_weight * area fraction``, similarities
    measured so that the original has 1 and the background 0.

    Attributes
    ----------
    name
        What the tables call it.
    images
        (N, C, H, W), as the network takes them.
    targets
        (N,) int64: the class that each image is of, which the network calls it too.
    score
        (B, C, H, W) to (B, classes) log-odds.
    embed
        (B, C, H, W) to (B, features).
    follows
        Whether the contour is to keep the ``"target"`` or the ``"embedding"`` (Eq. 6).
    area_weight
        lambda_a: what the area of the whole image costs.
    backgrounds
        Names from `BACKGROUNDS`: of these, each image gets the mildest that takes its class away.
    """

    name: str
    images: Tensor
    targets: Tensor
    score: Callable[[Tensor], Tensor]
    embed: Callable[[Tensor], Tensor]
    follows: Literal["target", "embedding"] = "target"
    area_weight: float = AREA_WEIGHT
    backgrounds: tuple[str, ...] = AUTOMATIC

    def __len__(self) -> int:
        return len(self.images)

    def perturbation(self, which: slice) -> Perturbation:
        """Some of the images with their backgrounds."""
        images = self.images[which]
        return Perturbation.of_images(images, self._background(images, self.targets[which]))

    def objective(
        self, perturbation: Perturbation, which: slice, *, normalise: bool = True
    ) -> Objective:
        """What contours of these images are to keep and to take away."""
        images, background = perturbation.images, perturbation.background
        if self.follows == "embedding":
            return EmbeddingObjective(self.embed, images, background, normalise=normalise)
        return TargetObjective(self.score, images, background, self.targets[which])

    def _background(self, images: Tensor, targets: Tensor) -> Tensor:
        rows = torch.arange(len(images))
        return mildest(images, lambda x: self.score(x)[rows, targets], self.backgrounds)[0]
