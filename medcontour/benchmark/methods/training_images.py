"""Images of the kind that is explained, for methods that have to learn from some first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

__all__ = ["TrainingImages"]


@dataclass(frozen=True)
class TrainingImages:
    """Where the images come from that a method learns from before it explains others.

    Attributes
    ----------
    label
        What they are, in words: records are known again by it.
    given
        Called when they are needed: images (N, C, H, W) and their classes (N,).
    serves
        How many images are to be explained: each bears its part of what the learning takes.
    """

    label: str
    given: Callable[[], tuple[Tensor, Tensor]] = field(repr=False, compare=False)
    serves: int = 1
