"""Objectives: how like the original's answer is the answer to a changed image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["EmbeddingObjective", "Objective", "TargetObjective"]

OVERSHOOT = 0.1


class Objective(Protocol):
    """Similarity of answers to the original's: 1 is the original's own, higher is more alike.

    Any class with these two members fits.
    """

    def similarity(self, inputs: Tensor, which: Tensor) -> Tensor:
        """Answer for changed images.

        Parameters
        ----------
        inputs
            (M, C, H, W) changed images.
        which
            (M,) int64: the original that each was made of.

        Returns
        -------
        Tensor
            (M,), differentiable with respect to `inputs`.
        """
        ...


class EmbeddingObjective:
    """Cosine to the original's embedding (Eq. 6): blind to the class.

    Parameters
    ----------
    embed
        (B, C, H, W) to (B, features).
    images, background
        (B, C, H, W).
    normalise
        Measure from the background: ``(cos - c_b) / (1 - c_b)``, so that a smooth image, whose
        blurred form embeds almost alike, does not let the area term win. False is the paper.

    Attributes
    ----------
    background_similarity
        (B,): ``c_b = cos(e_background, e_original)``.
    """

    def __init__(
        self,
        embed: Callable[[Tensor], Tensor],
        images: Tensor,
        background: Tensor,
        *,
        normalise: bool = True,
    ) -> None:
        self._embed = embed
        with torch.no_grad():
            self._original = embed(images).float()
            self.background_similarity = F.cosine_similarity(
                embed(background).float(), self._original, eps=1e-6
            )
        floor = (
            self.background_similarity
            if normalise
            else torch.zeros_like(self.background_similarity)
        )
        self._floor = floor.clamp(max=0.99)

    def similarity(self, inputs: Tensor, which: Tensor) -> Tensor:
        """(M,) cosines to the originals, measured from the background if normalised."""
        cosine = F.cosine_similarity(self._embed(inputs).float(), self._original[which], eps=1e-6)
        floor = self._floor[which]
        return (cosine - floor) / (1 - floor)


class TargetObjective:
    """Log-odds of one class, scaled so that the original has 1 and the background 0.

    Log-odds keep a gradient where probabilities saturate. What goes beyond the original's
    answer, or below the background's, counts for a tenth: it is not what the contour is for.

    Parameters
    ----------
    score
        (B, C, H, W) to (B, classes) log-odds.
    images, background
        (B, C, H, W).
    target
        The class.

    Attributes
    ----------
    original_log_odds, background_log_odds
        (B,).
    """

    def __init__(
        self,
        score: Callable[[Tensor], Tensor],
        images: Tensor,
        background: Tensor,
        target: int,
    ) -> None:
        self._score, self._target = score, target
        with torch.no_grad():
            self.original_log_odds = self.log_odds(images)
            self.background_log_odds = self.log_odds(background)
        # A background that does not lower the answer still needs a scale: one nat.
        self._span = (self.original_log_odds - self.background_log_odds).clamp_min(1.0)

    def log_odds(self, inputs: Tensor) -> Tensor:
        """(M,) log-odds of the target."""
        return self._score(inputs)[:, self._target].float()

    def similarity(self, inputs: Tensor, which: Tensor) -> Tensor:
        """(M,) log-odds on the scale background 0, original 1."""
        raw = 1 + (self.log_odds(inputs) - self.original_log_odds[which]) / self._span[which]
        inside = raw.clamp(0.0, 1.0)
        return inside + OVERSHOOT * (raw - inside)

    def probability(self, similarity: Tensor, which: Tensor) -> Tensor:
        """(M,) probability of the target that a similarity stands for."""
        inside = similarity.clamp(0.0, 1.0)
        raw = inside + (similarity - inside) / OVERSHOOT
        return (self.original_log_odds[which] + (raw - 1) * self._span[which]).sigmoid()
