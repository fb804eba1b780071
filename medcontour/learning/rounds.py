"""Networks trained in rounds: on outlines, then on outlines that the networks bear out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from medcontour.learning.training import TRAINING, Examples, train
from medcontour.outline.learned import largest_part, probabilities
from medcontour.outline.learned_file import read_networks, write_networks
from medcontour.outline.segmentation import SegmentationNetwork

__all__ = ["ROUNDS", "Known", "Round", "Rounds", "in_rounds"]

Masks = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Rounds:
    """How a set is learned.

    Attributes
    ----------
    rounds
        How many at most: one that agrees less with the outlines than the one before is not kept.
    networks
        Trained in each round; each leaves out its share of the images, and says of these what it
        has not been told.
    levels
        The probabilities from which pixels may be taken to belong to a finding. The one is taken
        at which networks agree best with the outlines of images that they were not taught, so that
        what they draw is as large.
    borne_out
        Dice of a seed and of what a network draws that was not taught it, from which the seed
        stays; below, the network's takes its place.
    enough_corrected
        From so many corrected images on, these choose the level instead of the outlines.
    """

    rounds: int = 2
    networks: int = 3
    levels: tuple[float, ...] = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
    borne_out: float = 0.6
    enough_corrected: int = 5


ROUNDS = Rounds()


@dataclass(frozen=True)
class Known:
    """All images with the finding, and what is known of each before anything is learned.

    Attributes
    ----------
    images
        (N, C, H, W).
    groups
        (N,) which belong together (one scan): no network is taught on some and tested on others.
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
        filled: npt.NDArray[np.bool_] = self.masks.reshape(len(self.masks), -1).max(1) > 0.5
        return filled


@dataclass(frozen=True)
class Round:
    """What one round gave.

    Attributes
    ----------
    networks
        One for each share of the images that it left out.
    level
        The probability from which a pixel belongs to the finding.
    agreement
        Mean Dice of the given masks and what a network draws that was not taught them.
    borne_out
        Share of the outlines that such networks bear out.
    drawn
        (N, H, W) what such a network draws on each image.
    """

    networks: tuple[SegmentationNetwork, ...]
    level: float
    agreement: float
    borne_out: float
    drawn: npt.NDArray[np.bool_]


def in_rounds(
    network: nn.Module,
    known: Known,
    seed: int,
    step: Callable[[int, int], None],
    kept: Callable[[int, int], Path | None],
    constants: Rounds = ROUNDS,
) -> Round:
    """Learn a set, and give its last round.

    Parameters
    ----------
    network
        The classifier's own.
    known
        The images.
    seed
        Of everything random.
    step
        Told how much is done, and all.
    kept
        The file in which the network of a round and a place is kept while the work goes on; None
        keeps none.
    """
    share = _shares(known.groups, constants.networks, seed)
    masks, there = known.masks, known.given
    most = constants.rounds * constants.networks
    before: Round | None = None
    for number in range(constants.rounds):
        networks = []
        for place in range(constants.networks):
            taught = there & (share != place)
            examples = Examples(
                known.images[taught],
                torch.from_numpy(masks[taught]),
                torch.from_numpy(known.corrected[taught]),
                known.without,
            )
            base = number * constants.networks + place

            def told(done: int, steps: int, base: int = base) -> None:
                step(base * steps + done, most * steps)

            start = None if before is None else before.networks[place]
            networks.append(
                _trained(network, examples, seed + base, told, start, kept(number, place))
            )
        now = _judged(networks, known, share, constants)
        if before is not None and now.agreement <= before.agreement:
            break
        before = now
        good = known.given & (_dice_each(before.drawn, known.masks) >= constants.borne_out)
        stays = (good | known.corrected)[:, None, None]
        masks = np.where(stays, known.masks, before.drawn.astype(np.float32))
        there = masks.reshape(len(masks), -1).max(1) > 0.5
    assert before is not None  # there is a round
    return before


def _trained(
    network: nn.Module,
    examples: Examples,
    seed: int,
    step: Callable[[int, int], None],
    start: SegmentationNetwork | None,
    file: Path | None,
) -> SegmentationNetwork:
    """Train a network, or take the one that an earlier run kept."""
    if file is not None and file.is_file():
        [found], _ = read_networks(file, network, examples.images[:1])
        return found
    made = train(network, examples, seed, step, start, TRAINING)
    if file is not None:
        write_networks(file, [made], {})
    return made


def _shares(groups: npt.NDArray[np.int64], count: int, seed: int) -> npt.NDArray[np.int64]:
    """(N,) which of `count` networks each image is not taught to."""
    names, of = np.unique(groups, return_inverse=True)
    order: npt.NDArray[np.int64] = np.random.default_rng(seed).permutation(len(names)) % count
    return order[of]


def _judged(
    networks: Sequence[SegmentationNetwork],
    known: Known,
    share: npt.NDArray[np.int64],
    constants: Rounds,
) -> Round:
    maps = np.zeros(known.masks.shape, np.float32)
    for place, each in enumerate(networks):
        own = share == place
        if own.any():
            maps[own] = probabilities(each, known.images[own]).numpy()
    decisive = known.given & known.corrected
    if decisive.sum() < constants.enough_corrected:
        decisive = known.given
    best: tuple[float, float, npt.NDArray[np.bool_]] | None = None
    for level in constants.levels:
        drawn = np.stack([largest_part(each, level) for each in maps])
        agreement = float(_dice_each(drawn, known.masks)[decisive].mean())
        if best is None or agreement > best[0]:
            best = agreement, level, drawn
    assert best is not None  # there are levels
    agreement, level, drawn = best
    outlines = known.given & ~known.corrected
    good = _dice_each(drawn, known.masks)[outlines] >= constants.borne_out
    return Round(tuple(networks), level, agreement, float(good.mean()) if len(good) else 1.0, drawn)


def _dice_each(drawn: npt.NDArray[np.bool_], masks: Masks) -> npt.NDArray[np.float64]:
    """(N,) Dice, 0 where both are empty."""
    given = masks >= 0.5
    both = (drawn & given).sum((1, 2))
    each: npt.NDArray[np.float64] = 2 * both / np.maximum(drawn.sum((1, 2)) + given.sum((1, 2)), 1)
    return each
