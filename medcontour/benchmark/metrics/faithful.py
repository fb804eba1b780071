"""Whether the network agrees with a map: what random pixels carry, and what they cost."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from medcontour.benchmark.metrics.place import flat
from medcontour.benchmark.metrics.score import (
    Baseline,
    Score,
    check,
    filled,
    parts,
    scores,
    unchanged,
)
from medcontour.errors import MedcontourError

__all__ = ["correlation_over_subsets", "faithfulness_correlation"]


def faithfulness_correlation(
    score: Score,
    images: Tensor,
    maps: Tensor,
    *,
    runs: int = 100,
    subset_size: int = 224,
    baseline: Baseline = 0.0,
    seed: int = 0,
    batch: int = 32,
) -> Tensor:
    r"""Correlation of what random subsets carry in the map with what their removal costs.

    .. math:: \operatorname{corr}_S \left( \sum_{i \in S} m_i,\; f(x) - f(x_{S}) \right)

    where :math:`x_S` has the features of a random subset S at their baseline (Bhatt et al. 2020,
    Eq. 3), by Pearson. As in Quantus, a feature is one value of the input: a pixel of one channel,
    and the map counts for each channel alike. With 10 runs (the paper's table) the value has a
    standard deviation of 1/3 under no relation at all, with 100 of 1/10.

    Image i draws its subsets from ``seed + i``, so that it has the same value alone; the first 10
    of 100 runs are those of 10. The map counts as it is, signs included.

    Parameters
    ----------
    score
        What the map explains. It is run without gradients.
    images
        (B, C, *spatial).
    maps
        (B, *spatial).
    runs
        Subsets an image.
    subset_size
        Features a subset, of the C P that an image has.
    baseline
        A number, what broadcasts to the images (Quantus's ``black`` is each image's minimum), or
        a background: images to images.
    seed
        Of the first image.
    batch
        Changed images scored at once.

    Returns
    -------
    Tensor
        (B,) float64 in -1 to 1; NaN where all subsets carry, or cost, the same.

    Raises
    ------
    MedcontourError
        Shapes that do not belong together, fewer than two runs, a subset that is not smaller than
        the image, or scores that are not one finite number an input.

    Examples
    --------
    >>> weights = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> score = lambda inputs, which: (weights * inputs).sum((1, 2, 3))
    >>> images = torch.ones(1, 1, 2, 2)
    >>> faithfulness_correlation(score, images, weights[None], runs=10, subset_size=2)
    tensor([1.], dtype=torch.float64)
    """
    check(images, maps)
    features = images[0].numel()
    if not 0 < subset_size < features or runs < 2:
        raise MedcontourError(
            f"{runs} subsets of {subset_size} of {features} features have no correlation; give "
            "runs of 2 or more and a subset_size between 1 and the number of features less one."
        )
    drawn = np.empty((len(images), runs, subset_size), dtype=np.int64)
    for i in range(len(images)):
        generator = np.random.default_rng(seed + i)
        for run in range(runs):
            drawn[i, run] = generator.choice(features, subset_size, replace=False, shuffle=False)
    subsets = torch.from_numpy(drawn).to(images.device)
    return correlation_over_subsets(score, images, maps, subsets, baseline=baseline, batch=batch)


def correlation_over_subsets(
    score: Score,
    images: Tensor,
    maps: Tensor,
    subsets: Tensor,
    *,
    baseline: Baseline = 0.0,
    batch: int = 32,
) -> Tensor:
    """Give `faithfulness_correlation` over subsets that are chosen already.

    Parameters
    ----------
    score, images, maps, baseline, batch
        As there.
    subsets
        (B, runs, size) int64: places in an image flattened with its channels.

    Returns
    -------
    Tensor
        (B,) float64.
    """
    count, runs, _ = subsets.shape
    values = flat(maps).to(images.device)
    places = (subsets % values.shape[1]).flatten(1)
    carried = values.gather(1, places).view_as(subsets).sum(2)
    replaced = filled(images, baseline).flatten(1)
    original = images.flatten(1)
    lines = subsets.flatten(0, 1)

    def changed() -> Iterator[tuple[Tensor, Tensor]]:
        for rows in parts(torch.arange(count * runs, device=images.device), batch):
            which = rows // runs
            places = lines[rows]
            inputs = original[which].scatter(1, places, replaced[which].gather(1, places))
            yield inputs.view(-1, *images.shape[1:]), which

    whole = scores(score, unchanged(images, batch))
    left = scores(score, changed()).view(count, runs)
    return _pearson(carried, whole.unsqueeze(1) - left)


def _pearson(a: Tensor, b: Tensor) -> Tensor:
    """(B,) correlations of (B, N); NaN where a side is the same throughout but for rounding."""
    lengths, centered = [], []
    for side in (a, b):
        middle = side.mean(1, keepdim=True)
        centered.append(side - middle)
        length = centered[-1].norm(dim=1)
        lengths.append(torch.where(length > 1e-13 * side.norm(dim=1), length, math.nan))
    product = (centered[0] / lengths[0].unsqueeze(1)) * (centered[1] / lengths[1].unsqueeze(1))
    return product.sum(1).clamp(-1.0, 1.0)
