"""Learned networks trained on with what readers corrected."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch

from medcontour.learning.rounds import Training, drawn_by
from medcontour.learning.training import TRAINING, TrainingConstants
from medcontour.learning.training_set import Masks, TrainingSet, dice_each, given
from medcontour.outline import LearnedNetworks

__all__ = ["CONTINUED", "ContinuedConstants", "continued"]


@dataclass(frozen=True)
class ContinuedConstants:
    """How networks go on from a file.

    Chosen on 41 tuning images of breast ultrasound, ten others corrected: Dice 0.703 before, 0.728
    with this rate and 0.724 with twice that; 0.713 and 0.688 where hardly any image of those that
    nobody corrected took part.

    Attributes
    ----------
    training
        How each is trained: fewer steps, at half the rate.
    agreed
        Mean Dice of what single networks and all of them draw on an image that nobody corrected,
        from which this is its mask; below, the image takes no part.
    """

    training: TrainingConstants = field(
        default_factory=lambda: replace(TRAINING, steps=40, rate=3e-3)
    )
    agreed: float = 0.85


CONTINUED = ContinuedConstants()


def continued(known: TrainingSet, networks: LearnedNetworks, training: Training) -> LearnedNetworks:
    """Train networks on with corrected images, and with what they agree on of the others.

    Every network sees every corrected image; their threshold stays.

    Parameters
    ----------
    known
        All images; only the corrected ones have masks.
    networks
        To go on from.
    training
        How.
    """
    masks = np.where(known.corrected[:, None, None], known.masks, _agreed(known, networks))
    which = given(masks)
    trained = [
        training.trained(number, known, masks, which, start)
        for number, start in enumerate(networks.networks)
    ]
    return replace(networks, networks=trained)


def _agreed(known: TrainingSet, networks: LearnedNetworks) -> Masks:
    """(N, H, W) what networks draw together where single ones agree with it, else nothing."""
    single = [
        LearnedNetworks([one], networks.threshold).maps(known.images).cpu()
        for one in networks.networks
    ]
    together = drawn_by(torch.stack(single).mean(0).numpy(), 0.5).astype(np.float32)
    agreement = np.mean([dice_each(drawn_by(one.numpy(), 0.5), together) for one in single], 0)
    return np.where((agreement >= CONTINUED.agreed)[:, None, None], together, 0)
