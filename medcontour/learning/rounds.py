"""Networks trained in rounds: on outlines, then on outlines that the networks confirm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import nn

from medcontour.contour.parts import largest_part
from medcontour.learning.training import TrainingConstants, train
from medcontour.learning.training_set import Masks, TrainingSet, dice_each, given
from medcontour.outline import LearnedNetworks
from medcontour.outline.learned_file import read_networks, write_networks
from medcontour.outline.segmentation import SegmentationNetwork

__all__ = ["ROUNDS", "Round", "RoundConstants", "Training", "drawn_by", "in_rounds"]


@dataclass(frozen=True)
class RoundConstants:
    """How a set is learned.

    Attributes
    ----------
    rounds
        How many at most: one that agrees less with the outlines than the one before is not kept.
    folds
        Networks of a round; each leaves out its fold of the images, on which it is tested.
    thresholds
        The probabilities from which pixels may be taken to belong to a finding. The one is taken
        at which networks agree best with the outlines of the fold that they left out, so that what
        they draw is as large.
    confirmed
        Dice of an outline and of what the network draws that left it out, from which the outline
        stays; below, the network's takes its place.
    enough_corrected
        From so many corrected images on, these choose the threshold instead of the outlines.
    """

    rounds: int = 2
    folds: int = 3
    thresholds: tuple[float, ...] = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
    confirmed: float = 0.6
    enough_corrected: int = 5


ROUNDS = RoundConstants()


@dataclass(frozen=True)
class Round:
    """What one round gave.

    Attributes
    ----------
    networks
        One a fold.
    threshold
        The probability from which a pixel belongs to the finding.
    agreement
        Mean Dice of the given masks and what the network draws that left them out.
    confirmed
        Share of the outlines that such networks confirm.
    drawn
        (N, H, W) what such a network draws on each image.
    """

    networks: tuple[SegmentationNetwork, ...]
    threshold: float
    agreement: float
    confirmed: float
    drawn: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Training:
    """How networks are trained, and where they are kept while the work goes on.

    Attributes
    ----------
    network
        The classifier's own.
    seed
        Of everything random.
    step
        Told the steps done, and all of them.
    kept
        The file in which the network of a number is kept; None keeps none.
    networks
        How many are trained in all.
    constants
        How each is trained.
    """

    network: nn.Module
    seed: int
    step: Callable[[int, int], None]
    kept: Callable[[int], Path | None]
    networks: int
    constants: TrainingConstants

    def trained(
        self,
        number: int,
        known: TrainingSet,
        masks: Masks,
        which: npt.NDArray[np.bool_],
        start: SegmentationNetwork | None,
    ) -> SegmentationNetwork:
        """Train a network on some of the images, or take the one that an earlier run kept."""
        file = self.kept(number)
        if file is not None and file.is_file():
            [found], _ = read_networks(file, self.network)
            return found

        def told(done: int, steps: int) -> None:
            self.step(number * steps + done, self.networks * steps)

        made = train(
            self.network,
            known.examples(masks, which),
            self.seed + number,
            told,
            start,
            self.constants,
        )
        if file is not None:
            write_networks(file, [made], known.shape, {})
        return made


def in_rounds(known: TrainingSet, training: Training, constants: RoundConstants = ROUNDS) -> Round:
    """Learn a set, and give the last round that is kept."""
    masks = known.masks
    before: Round | None = None
    for number in range(constants.rounds):
        starts = None if before is None else before.networks
        now = _round(known, masks, training, number * constants.folds, starts, constants)
        if before is not None and now.agreement <= before.agreement:
            break
        before = now
        good = known.given & (dice_each(before.drawn, known.masks) >= constants.confirmed)
        stays = (good | known.corrected)[:, None, None]
        masks = np.where(stays, known.masks, before.drawn.astype(np.float32))
    assert before is not None  # there is a round
    return before


def _round(
    known: TrainingSet,
    masks: Masks,
    training: Training,
    first: int,
    starts: Sequence[SegmentationNetwork] | None,
    constants: RoundConstants = ROUNDS,
) -> Round:
    """Train a network a fold on (N, H, W) masks, and test each on its own fold.

    Parameters
    ----------
    known
        The images; its own masks are what networks are tested against.
    masks
        What they are trained on.
    training
        How.
    first
        Number of the first network.
    starts
        Networks to go on from, one a fold; None starts from the classifier.
    constants
        How many, and how they are tested.
    """
    fold = _folds(known, constants.folds, training.seed)
    networks = []
    for n in range(constants.folds):
        start = None if starts is None else starts[n]
        which = given(masks) & (fold != n)
        # Without an image to train on there is nothing to change.
        if start is not None and not which.any():
            networks.append(start)
        else:
            networks.append(training.trained(first + n, known, masks, which, start))
    return _tested(networks, known, fold, constants)


def drawn_by(maps: Masks, threshold: float) -> npt.NDArray[np.bool_]:
    """(N, H, W) what (N, H, W) probabilities draw: the largest part above a threshold."""
    return np.stack([largest_part(each > threshold) for each in maps])


def _folds(known: TrainingSet, count: int, seed: int) -> npt.NDArray[np.int64]:
    """(N,) which of `count` networks leaves out each image; each has groups with masks to see."""
    names = np.random.default_rng(seed).permutation(np.unique(known.groups))
    first = np.isin(names, known.groups[known.given])
    dealt = np.concatenate([names[first], names[~first]])
    fold_of = dict(zip(dealt.tolist(), np.arange(len(dealt)) % count, strict=True))
    return np.array([fold_of[group] for group in known.groups.tolist()])


def _tested(
    networks: Sequence[SegmentationNetwork],
    known: TrainingSet,
    fold: npt.NDArray[np.int64],
    constants: RoundConstants,
) -> Round:
    maps = np.zeros(known.masks.shape, np.float32)
    for n, network in enumerate(networks):
        if (own := fold == n).any():
            maps[own] = LearnedNetworks([network], 0.5).maps(known.images[own]).cpu().numpy()
    decisive = known.given & known.corrected
    if decisive.sum() < constants.enough_corrected:
        decisive = known.given
    tried = [
        Round(tuple(networks), threshold, float(dice[decisive].mean()), 0.0, drawn)
        for threshold in constants.thresholds
        for drawn in [drawn_by(maps, threshold)]
        for dice in [dice_each(drawn, known.masks)]
    ]
    best = max(tried, key=lambda each: each.agreement)
    outlines = known.given & ~known.corrected
    good = dice_each(best.drawn, known.masks)[outlines] >= constants.confirmed
    return replace(best, confirmed=float(good.mean()) if len(good) else 1.0)
