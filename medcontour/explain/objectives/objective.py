"""Objectives: how like the original's score is the score of a changed image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from medcontour.errors import MedcontourError

__all__ = [
    "CallableObjective",
    "EmbeddingObjective",
    "Objective",
    "ScoreObjective",
    "ScoreScale",
    "TargetObjective",
    "score_of_target",
]

OVERSHOOT = 0.1
NAT = 1.0


class Objective(Protocol):
    """Similarity of answers to the original's: 1 is the original's own, higher is more alike.

    Any class with this member fits.
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


@dataclass(frozen=True)
class ScoreScale:
    """Scores of any unit on the scale of similarity: the original has 1, its background 0.

    What goes beyond the original's score, or below the background's, counts for a tenth: it is
    not what a contour is for.

    Attributes
    ----------
    original, background
        (B,) scores.
    least_span
        (B,) or a number: a background that does not lower the score still needs a scale.

    Examples
    --------
    >>> scale = ScoreScale(torch.tensor([4.0]), torch.tensor([-2.0]))
    >>> scale.similarity(torch.tensor([1.0, 10.0]), torch.tensor([0, 0]))
    tensor([0.5000, 1.1000])
    """

    original: Tensor
    background: Tensor
    least_span: Tensor | float = NAT

    @property
    def span(self) -> Tensor:
        """(B,): what similarity 1 stands for."""
        least = torch.as_tensor(
            self.least_span, dtype=self.original.dtype, device=self.original.device
        )
        return torch.maximum(self.original - self.background, least)

    def similarity(self, score: Tensor, which: Tensor) -> Tensor:
        """(M,) similarities of the scores of images made of the originals `which`."""
        raw = 1 + (score - self.original[which]) / self.span[which]
        inside = raw.clamp(0.0, 1.0)
        return inside + OVERSHOOT * (raw - inside)

    def score(self, similarity: Tensor, which: Tensor) -> Tensor:
        """(M,) scores that similarities stand for: the inverse of `similarity`."""
        inside = similarity.clamp(0.0, 1.0)
        raw = inside + (similarity - inside) / OVERSHOOT
        return self.original[which] + (raw - 1) * self.span[which]


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
            both = embed(torch.cat([images, background])).float()  # as in `ScoreObjective`
            self._original, ground = both.chunk(2)
            self.background_similarity = F.cosine_similarity(ground, self._original, eps=1e-6)
        floor = (
            self.background_similarity
            if normalise
            else torch.zeros_like(self.background_similarity)
        )
        self._floor = floor.clamp(max=0.99)

    @property
    def original_score(self) -> Tensor:
        """(B,): the cosine of the original to itself, 1."""
        return torch.ones_like(self.background_similarity)

    @property
    def background_score(self) -> Tensor:
        """(B,): `background_similarity`, under the name that every objective has."""
        return self.background_similarity

    def similarity(self, inputs: Tensor, which: Tensor) -> Tensor:
        """(M,) cosines to the originals, measured from the background if normalised."""
        cosine = F.cosine_similarity(self._embed(inputs).float(), self._original[which], eps=1e-6)
        floor = self._floor[which]
        return (cosine - floor) / (1 - floor)

    def cosine(self, similarity: Tensor, which: Tensor) -> Tensor:
        """(M,) cosines that similarities stand for: the inverse of `similarity`."""
        floor = self._floor[which]
        return floor + similarity * (1 - floor)


class ScoreObjective:
    """A score of each image on the scale of `ScoreScale`: what all but the embedding share.

    Parameters
    ----------
    score
        ``(inputs (M, C, H, W), which (M,))`` to (M,), higher for more of the score.
    images, background
        (B, C, H, W).
    least_span
        See `ScoreScale`; by default a thousandth of the scores' own size.
    """

    def __init__(
        self,
        score: Callable[[Tensor, Tensor], Tensor],
        images: Tensor,
        background: Tensor,
        *,
        least_span: float | None = None,
    ) -> None:
        self._score = score
        which = torch.arange(len(images), device=images.device)
        # Both in one batch, as a search evaluates pairs: convolutions of a single image are rounded
        # otherwise, and its contour would depend on whether others share its batch.
        with torch.no_grad():
            both = self.score(torch.cat([images, background]), which.repeat(2))
        original, ground = both.chunk(2)
        size = torch.maximum(original.abs(), ground.abs())
        self.scale = ScoreScale(
            original, ground, (1e-3 * size).clamp_min(1e-6) if least_span is None else least_span
        )

    @property
    def original_score(self) -> Tensor:
        """(B,) scores of the originals, in the objective's unit: of a class its log-odds."""
        return self.scale.original

    @property
    def background_score(self) -> Tensor:
        """(B,) scores of the backgrounds: near the originals', the contour has nothing to show."""
        return self.scale.background

    def score(self, inputs: Tensor, which: Tensor) -> Tensor:
        """(M,) scores in their own unit."""
        score = self._score(inputs, which).float()
        if score.shape != (len(inputs),):
            raise MedcontourError(
                f"the objective's score gave {tuple(score.shape)} for {len(inputs)} images; "
                "it must give one number an image."
            )
        return score

    def similarity(self, inputs: Tensor, which: Tensor) -> Tensor:
        """(M,) scores on the scale background 0, original 1."""
        return self.scale.similarity(self.score(inputs, which), which)


class CallableObjective(ScoreObjective):
    """Any function from images to one number each.

    Parameters
    ----------
    function
        (M, C, H, W) to (M,), differentiable, higher for more of the score, in any unit.
    images, background
        (B, C, H, W).

    Examples
    --------
    >>> images = torch.ones(1, 1, 8, 8)
    >>> brightness = CallableObjective(lambda x: x.mean((1, 2, 3)), images, 0 * images)
    >>> brightness.similarity(0.25 * images, torch.tensor([0]))
    tensor([0.2500])
    """

    def __init__(
        self, function: Callable[[Tensor], Tensor], images: Tensor, background: Tensor
    ) -> None:
        super().__init__(lambda inputs, _: function(inputs), images, background)


class TargetObjective(ScoreObjective):
    """Log-odds of one class against the rest, scaled: the original has 1, the background 0.

    Log-odds keep a gradient where probabilities saturate. What goes beyond the original's
    score, or below the background's, counts for a tenth: it is not what the contour is for.

    Parameters
    ----------
    score
        (B, C, H, W) to (B, classes) log-odds, as `medcontour.log_odds.log_odds` makes them of
        logits or probabilities; a classifier's ``score`` gives them.
    images, background
        (B, C, H, W).
    target
        The class, or (B,) one for each image.

    Raises
    ------
    MedcontourError
        For a target that is no class, or not as many as there are images.

    Examples
    --------
    >>> images = torch.tensor([[[[3.0]], [[-1.0]]], [[[0.0]], [[2.0]]]])
    >>> objective = TargetObjective(lambda x: x.flatten(1), images, 0 * images, [0, 1])
    >>> objective.original_log_odds
    tensor([3., 2.])
    """

    def __init__(
        self,
        score: Callable[[Tensor], Tensor],
        images: Tensor,
        background: Tensor,
        target: int | Sequence[int] | Tensor,
    ) -> None:
        # A background that does not lower the log-odds still needs a scale: one nat.
        super().__init__(score_of_target(score, images, target), images, background, least_span=NAT)

    @property
    def original_log_odds(self) -> Tensor:
        """(B,) log-odds of the target in the originals: `original_score` by its unit."""
        return self.scale.original

    @property
    def background_log_odds(self) -> Tensor:
        """(B,) log-odds of the target in the backgrounds: `background_score` by its unit."""
        return self.scale.background

    def probability(self, similarity: Tensor, which: Tensor) -> Tensor:
        """(M,) probability of the target that a similarity stands for."""
        return self.scale.score(similarity, which).sigmoid()


def score_of_target(
    score: Callable[[Tensor], Tensor], images: Tensor, target: int | Sequence[int] | Tensor
) -> Callable[[Tensor, Tensor], Tensor]:
    """Take one class of each image out of the scores of all classes.

    Parameters
    ----------
    score, images, target
        As `TargetObjective` takes them.

    Returns
    -------
    callable
        ``(inputs (M, C, H, W), which (M,))`` to (M,), `which` being the original of each input.

    Raises
    ------
    MedcontourError
        As `TargetObjective`, of what is no class of the network when it is called.
    """
    classes = torch.as_tensor(target, device=images.device)
    whole = not classes.is_floating_point() and classes.dtype != torch.bool
    if not whole or classes.shape not in ((), (1,), (len(images),)):
        raise MedcontourError(
            f"the target {target!r} does not fit {len(images)} images; give one class (an "
            "integer), or one for each image."
        )
    targets = classes.long().expand(len(images))
    low, high = int(targets.min()), int(targets.max())

    def of_target(inputs: Tensor, which: Tensor) -> Tensor:
        scores = score(inputs)
        if low < 0 or high >= scores.shape[1]:
            raise MedcontourError(
                f"the target {target!r} is not a class of the network, which gives "
                f"{scores.shape[1]}: choose from 0 to {scores.shape[1] - 1}."
            )
        return scores.gather(1, targets[which].unsqueeze(1)).squeeze(1)

    return of_target
