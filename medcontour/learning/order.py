"""Which scans a reader should correct next: the most typical first, then the least certain."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from scipy.spatial.distance import cdist
from torch import Tensor

from medcontour.checked.edited import edits_of
from medcontour.checked.scans import checked_scans
from medcontour.classifier import target_index
from medcontour.errors import MedcontourError
from medcontour.learning.constants import NEXT, TYPICAL
from medcontour.learning.learning_set import LearningSet
from medcontour.outline import LearnedNetworks
from medcontour.outline.learned_file import read_card
from medcontour.outline.segmentation import device_of
from medcontour.pipeline.inputs import AnyClassifier, given_classifier
from medcontour.pipeline.outliners import check_card, learned_networks
from medcontour.pipeline.settings import Settings
from medcontour.progress import Progress

__all__ = ["NextScan", "Reason", "correction_order", "next_scans", "seen_by"]

Reason = Literal["typical", "uncertain"]
AT_ONCE = 16


@dataclass(frozen=True)
class NextScan:
    """A scan to correct.

    Attributes
    ----------
    path, series
        Where it is.
    slice
        The slice that is typical, or uncertain; from 0.
    reason
        ``typical``: it stands for many others that nobody corrected. ``uncertain``: what is drawn
        on it changes when it is mirrored and zoomed.
    stands_for
        How many of the images are most like this one.
    stability
        See `medcontour.outline.LearnedNetworks.stability`.
    """

    path: Path
    series: str | None
    slice: int
    reason: Reason
    stands_for: int
    stability: float


def next_scans(
    scans: str | os.PathLike[str],
    classifier: AnyClassifier,
    outliner: str | os.PathLike[str],
    *,
    edits: str | os.PathLike[str] | None = None,
    count: int = NEXT,
    target: str | int | None = None,
    labels: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> tuple[list[NextScan], tuple[str, ...]]:
    """Say which scans to correct next, so that what is learned from them helps most.

    Until ten are corrected these are the most typical ones: one after the other, the scan that
    brings the images nearest to one that is corrected or chosen, by what the networks see where
    they draw. From then on it is those whose outlines change most under mirroring and zoom.

    Parameters
    ----------
    scans
        As `learn` takes them; those with a mask in the list are corrected.
    classifier
        As `suggest` takes it.
    outliner
        The file that `learn` wrote.
    edits
        A folder with what readers corrected, as `learn` takes it.
    count
        So many scans at most.
    target
        The class, by name or index; by default the only one that names a finding.
    labels
        Names of the classes, for a network that comes without.
    progress
        Called as the work goes on.

    Returns
    -------
    scans, notes
        The scans in the order to correct them, and what a reader should know.

    Raises
    ------
    MedcontourError
        As `learn`, and where the file is of another classifier or class.

    Examples
    --------
    >>> import medcontour as mc
    >>> mc.next_scans("scans/", "bundle/", "outliner.safetensors")  # doctest: +SKIP
    """
    if count < 1:
        raise MedcontourError(f"{count} scans cannot be chosen; give a number from 1 on.")
    loaded = given_classifier(classifier, labels)
    settings = Settings(target=target)
    number = target_index(loaded, settings.target)
    file = Path(outliner)
    check_card(read_card(file), file, loaded, number)
    networks = learned_networks(file, loaded)
    listed, notes = checked_scans(scans)
    learning = LearningSet(loaded, number, settings, [*notes])
    if edits is not None:
        listed = edits_of(listed, edits, learning.notes)
    learning.read(listed, progress)
    images = learning.positive
    inputs = torch.stack([image.inputs for image in images])
    features, stability = seen_by(networks, inputs)
    corrected = np.array([image.mask is not None for image in images])
    groups = np.array([image.scan for image in images])
    found = []
    for place, reason, stands_for in correction_order(
        features, stability, corrected, groups, count
    ):
        image = images[place]
        own = learning.listed[image.scan]
        stable = float(stability[place])
        found.append(NextScan(own.path, own.series, image.slice, reason, stands_for, stable))
    return found, tuple(learning.notes)


def correction_order(
    features: npt.NDArray[np.floating],
    stability: npt.NDArray[np.floating],
    corrected: npt.NDArray[np.bool_],
    groups: npt.NDArray[np.int64],
    count: int,
    typical: int = TYPICAL,
) -> list[tuple[int, Reason, int]]:
    """Give images in the order to correct them, one a group.

    The typical ones are chosen greedily: each brings the sum over all images of the distance to
    the nearest chosen or corrected one down by most (facility location).

    Parameters
    ----------
    features
        (N, D).
    stability
        (N,).
    corrected
        (N,) bool.
    groups
        (N,) which are of one scan: a scan that is corrected is corrected as a whole.
    count
        So many at most.
    typical
        So many scans are to be corrected before the least certain come.

    Returns
    -------
    For each the place of the image, why it is chosen, and how many other images are nearer to it
    than to any other that is corrected or chosen.

    Examples
    --------
    >>> features = np.array([[0.0], [0.1], [0.2], [5.0]])
    >>> none = np.zeros(4, bool)
    >>> correction_order(features, np.ones(4), none, np.arange(4), 3, typical=2)
    [(1, 'typical', 1), (3, 'typical', 0), (0, 'uncertain', 0)]
    """
    distance = cdist(features, features)
    done = set(groups[corrected].tolist())
    nearest = distance[:, corrected].min(1, initial=distance.max() + 1.0)
    chosen: list[tuple[int, Reason]] = []
    while len(chosen) < count and (left := [n for n, g in enumerate(groups) if g not in done]):
        if len(done) < typical:
            gains = np.maximum(nearest[:, None] - distance[:, left], 0).sum(0)
            chosen.append((left[int(gains.argmax())], "typical"))
        else:
            chosen.append((left[int(stability[left].argmin())], "uncertain"))
        place, _ = chosen[-1]
        done.add(groups[place])
        nearest = np.minimum(nearest, distance[:, place])
    if not chosen:
        return []
    known = [*(place for place, _ in chosen), *np.flatnonzero(corrected)]
    counts = np.bincount(distance[:, known].argmin(1), minlength=len(known))
    return [
        (place, reason, int(own) - 1) for (place, reason), own in zip(chosen, counts, strict=False)
    ]


@torch.no_grad()
def seen_by(
    networks: LearnedNetworks, inputs: Tensor
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(N, D) features under what is drawn on images, and (N,) how stable that is."""
    features, stability = [], []
    for first in range(0, len(inputs), AT_ONCE):
        some = inputs[first : first + AT_ONCE]
        maps = networks.maps(some)
        stability.append(networks.stability(some, maps).cpu())
        own = []
        for network in networks.networks:
            deep = network.features(some.to(device_of(network)))[-1]
            where = F.adaptive_avg_pool2d(
                maps[:, None], (deep.shape[-2], deep.shape[-1])
            ).clamp_min(1e-6)
            own.append((deep * where).sum((2, 3)) / where.sum((2, 3)))
        features.append(torch.cat(own, 1).cpu())
    every = torch.cat(features).double()
    scaled = (every - every.mean(0)) / every.std(0, correction=0).clamp_min(1e-9)
    return scaled.numpy(), torch.cat(stability).double().numpy()
