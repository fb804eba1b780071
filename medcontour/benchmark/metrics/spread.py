"""How spread out a map is, and how alike the maps of several runs are."""

from __future__ import annotations

import math
from itertools import combinations

import torch
from torch import Tensor

from medcontour.benchmark.metrics.place import flat
from medcontour.errors import MedcontourError

__all__ = ["agreement", "complexity", "overlap", "sparseness"]


def _shares(maps: Tensor) -> tuple[Tensor, Tensor]:
    """(B, P) absolute values over their sum, and (B,) whether there is anything."""
    size = flat(maps).abs()
    largest = size.amax(1, keepdim=True)
    # Over the largest first: the sum of tiny or huge values would leave the range.
    size = size / torch.where(largest > 0, largest, 1.0)
    total = size.sum(1, keepdim=True)
    return size / torch.where(total > 0, total, 1.0), total.squeeze(1) > 0


def complexity(maps: Tensor) -> Tensor:
    r"""Entropy of the share that each pixel has of the relevance, in nats.

    .. math:: -\sum_p q_p \ln q_p, \qquad q_p = |m_p| / \sum_j |m_j|

    (Bhatt et al. 2020, Eq. 4). A constant map of P pixels has ln P, one single pixel 0; lower is
    more compact. Quantus adds 1e-12 within the logarithm, which moves it by less than P 1e-12.

    Parameters
    ----------
    maps
        (B, *spatial); of signed maps the absolute value.

    Returns
    -------
    Tensor
        (B,) float64; NaN for a map of zeros.

    Raises
    ------
    MedcontourError
        Values that are not finite.

    Examples
    --------
    >>> complexity(torch.tensor([[1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 9.0]])).exp()
    tensor([2., 1.], dtype=torch.float64)
    """
    share, defined = _shares(maps)
    return torch.where(defined, -torch.xlogy(share, share).sum(1), math.nan)


def sparseness(maps: Tensor) -> Tensor:
    r"""Gini index of the absolute values.

    .. math:: \frac{\sum_i (2 i - P - 1) |m|_{(i)}}{P \sum_i |m|_{(i)}}

    with the P values in rising order (Chalasani et al. 2020). A constant map has 0, one single
    pixel ``1 - 1/P``; higher is more compact. Quantus adds 1e-7 to each value first, which
    divides its index by ``1 + 1e-7 / mean``, the mean of the absolute values there.

    Parameters
    ----------
    maps
        (B, *spatial); of signed maps the absolute value.

    Returns
    -------
    Tensor
        (B,) float64; NaN for a map of zeros.

    Raises
    ------
    MedcontourError
        Values that are not finite.

    Examples
    --------
    >>> sparseness(torch.tensor([[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, -9.0]]))
    tensor([0.0000, 0.7500], dtype=torch.float64)
    """
    share, defined = _shares(maps)
    count = share.shape[1]
    weight = 2 * torch.arange(1, count + 1, device=share.device, dtype=share.dtype) - count - 1
    gini = (weight * share.sort(1).values).sum(1) / count
    return torch.where(defined, gini, math.nan)


def _runs(maps_of_runs: Tensor) -> list[Tensor]:
    """R rows of maps, each (B, P)."""
    if maps_of_runs.ndim < 3 or len(maps_of_runs) < 2:
        raise MedcontourError(
            f"runs of shape {tuple(maps_of_runs.shape)} cannot be compared; give "
            "(R, B, *spatial) with at least two runs."
        )
    return [flat(maps) for maps in maps_of_runs]


def agreement(maps_of_runs: Tensor) -> Tensor:
    """Run-to-run agreement: Spearman's rank correlation, averaged over the pairs of runs.

    What is equal in a map has the mean of its ranks. No threshold is chosen, and any rising
    function of the maps gives the same; of two binary maps it is their phi coefficient. Maps
    without relation have 0. `overlap` compares regions instead.

    Parameters
    ----------
    maps_of_runs
        (R, B, *spatial): R runs (seeds, starts) of a method on the same B images.

    Returns
    -------
    Tensor
        (B,) float64 in -1 to 1; NaN where a run's map is constant.

    Raises
    ------
    MedcontourError
        Fewer than two runs, or values that are not finite.

    Examples
    --------
    >>> runs = torch.tensor([[[1.0, 2.0, 3.0, 4.0]], [[1.0, 4.0, 9.0, 16.0]]])
    >>> agreement(runs)
    tensor([1.], dtype=torch.float64)
    """
    ranked = []
    for values in _runs(maps_of_runs):
        ordered = values.sort(1).values
        below = torch.searchsorted(ordered, values)
        upto = torch.searchsorted(ordered, values, right=True)
        # Twice the mean rank, about zero: whole numbers, so a constant map gives exactly zero.
        ranked.append((below + upto - values.shape[1]).double())
    length = [ranks.square().sum(1) for ranks in ranked]
    pairs = [
        torch.where(
            (length[i] > 0) & (length[j] > 0),
            (ranked[i] * ranked[j]).sum(1) / (length[i] * length[j]).sqrt(),
            math.nan,
        )
        for i, j in combinations(range(len(ranked)), 2)
    ]
    return torch.stack(pairs).mean(0)


def overlap(maps_of_runs: Tensor) -> Tensor:
    """Run-to-run overlap: IoU of the regions above half the maximum, averaged over pairs of runs.

    For a contour's soft mask the region is the contour's inside.

    Parameters
    ----------
    maps_of_runs
        (R, B, *spatial): R runs (seeds, starts) of a method on the same B images.

    Returns
    -------
    Tensor
        (B,) float64 in 0 to 1; NaN where a run's map has nothing positive.

    Raises
    ------
    MedcontourError
        Fewer than two runs, or values that are not finite.

    Examples
    --------
    >>> overlap(torch.tensor([[[1.0, 0.8, 0.0]], [[0.9, 0.1, 0.0]]]))
    tensor([0.5000], dtype=torch.float64)
    """
    runs = _runs(maps_of_runs)
    peaks = [values.amax(1, keepdim=True) for values in runs]
    regions = [values >= peak / 2 for values, peak in zip(runs, peaks, strict=True)]
    pairs = [(a & b).sum(1) / (a | b).sum(1).double() for a, b in combinations(regions, 2)]
    defined = torch.stack(peaks).squeeze(2).amin(0) > 0
    return torch.where(defined, torch.stack(pairs).mean(0), math.nan)
