"""Learned networks trained on with what readers corrected."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch

from medcontour.learning.rounds import ROUNDS, Round, Training, drawn_by, one_round
from medcontour.learning.training import TRAINING, TrainingConstants
from medcontour.learning.training_set import Masks, TrainingSet
from medcontour.outline import LearnedNetworks
from medcontour.outline.drawn import soft_dice

__all__ = ["CONTINUED", "ContinuedConstants", "continued"]


@dataclass(frozen=True)
class ContinuedConstants:
    """How networks go on from a file.

    Attributes
    ----------
    training
        How each is trained: fewer steps.
    agreed
        Mean soft Dice of what single networks and all of them draw on an image that nobody
        corrected, from which this is its mask; below, it is left out.
    """

    training: TrainingConstants = field(
        default_factory=lambda: replace(TRAINING, steps=40, rate=3e-3)
    )
    agreed: float = 0.85


CONTINUED = ContinuedConstants()


def continued(
    known: TrainingSet, networks: LearnedNetworks, agreement: float, training: Training
) -> Round:
    """Train networks on with corrected images, and what they agree on of the others.

    Parameters
    ----------
    known
        All images; only the corrected ones have masks.
    networks
        To go on from.
    agreement
        What they reached on images that they left out; it stays, as does their threshold, while
        too few images are corrected to say.
    training
        How.
    """
    masks = np.where(known.corrected[:, None, None], known.masks, _agreed(known, networks))
    made = one_round(known, masks, training, 0, networks.networks)
    if known.given.sum() < ROUNDS.enough_corrected:
        return replace(made, threshold=networks.threshold, agreement=agreement)
    return made


def _agreed(known: TrainingSet, networks: LearnedNetworks) -> Masks:
    """(N, H, W) what networks draw together where single ones agree with it, else nothing."""
    single = [
        LearnedNetworks([one], networks.threshold).maps(known.images).cpu()
        for one in networks.networks
    ]
    together = torch.stack(single).mean(0)
    agreement = np.mean([soft_dice(one, together).numpy() for one in single], 0)
    drawn = drawn_by(together.numpy(), 0.5)
    return np.where((agreement >= CONTINUED.agreed)[:, None, None], drawn, 0).astype(np.float32)
