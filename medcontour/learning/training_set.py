"""What networks are trained on: images with the finding, and what is known of their masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from medcontour.learning.training import Examples

__all__ = ["Masks", "TrainingSet", "dice_each"]

Masks = npt.NDArray[np.float32]


@dataclass(frozen=True)
class TrainingSet:
    """All images with the finding, and what is known of each.

    Attributes
    ----------
    images
        (N, C, H, W) inputs of the classifier, on the processor.
    groups
        (N,) which belong together (one scan): no network is trained on some and tested on others.
    masks
        (N, H, W) from 0 to 1: outlines, or what readers drew; empty where there is neither.
    corrected
        (N,) bool: whose masks are readers'.
    without
        (M, C, H, W) images without the finding.
    """

    images: Tensor
    groups: npt.NDArray[np.int64]
    masks: Masks
    corrected: npt.NDArray[np.bool_]
    without: Tensor

    @property
    def given(self) -> npt.NDArray[np.bool_]:
        """(N,) whose mask is not empty."""
        return given(self.masks)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    def examples(self, masks: Masks, which: npt.NDArray[np.bool_]) -> Examples:
        """Give some of the images with (N, H, W) masks to train on."""
        return Examples(
            self.images[which],
            torch.from_numpy(masks[which]),
            torch.from_numpy(self.corrected[which]),
            self.without,
        )


def given(masks: Masks) -> npt.NDArray[np.bool_]:
    """(N,) which of (N, H, W) masks are not empty."""
    filled: npt.NDArray[np.bool_] = masks.reshape(len(masks), -1).max(1) > 0.5
    return filled


def dice_each(drawn: npt.NDArray[np.bool_], masks: Masks) -> npt.NDArray[np.float64]:
    """(N,) Dice of two (N, H, W) of masks, 0 where both are empty."""
    other = masks >= 0.5
    both = (drawn & other).sum((1, 2))
    each: npt.NDArray[np.float64] = 2 * both / np.maximum(drawn.sum((1, 2)) + other.sum((1, 2)), 1)
    return each
