"""Where a map lies: its agreement with a truth (a union of boxes, or a mask)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from medcontour.errors import MedcontourError

__all__ = ["best_iou", "flat", "pointing_game", "relevance_mass", "relevance_rank"]


def flat(maps: Tensor) -> Tensor:
    """Give maps as rows of float64: (B, *spatial) to (B, P).

    Raises
    ------
    MedcontourError
        No spatial axis, no pixel, or a value that is not a finite number.
    """
    if maps.ndim < 2 or maps[:1].numel() == 0:
        raise MedcontourError(
            f"maps of shape {tuple(maps.shape)} cannot be judged; give (B, *spatial), one map an "
            "image, with its channels summed."
        )
    rows = maps.detach().flatten(1).double()
    if not rows.isfinite().all():
        bad = (~rows.isfinite()).any(1).nonzero().flatten().tolist()
        raise MedcontourError(
            f"the maps at {bad} hold values that are not finite numbers, which no metric can "
            "rank; leave these images out and count them as failures."
        )
    return rows


def _with_truth(maps: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """(B, P) float64 maps and bool truths."""
    if maps.shape != truth.shape:
        raise MedcontourError(
            f"maps of shape {tuple(maps.shape)} and a truth of shape {tuple(truth.shape)} do not "
            "belong together; give both as (B, *spatial)."
        )
    return flat(maps), truth.to(maps.device).bool().flatten(1)


def _where(defined: Tensor, value: Tensor) -> Tensor:
    return torch.where(defined, value, math.nan)


def relevance_rank(maps: Tensor, truth: Tensor) -> Tensor:
    r"""Relevance rank accuracy: the part of the top-k pixels that lies in the truth.

    k is the truth's number of pixels (Arras et al. 2022). Let t be the k-th largest value, a
    pixels lie above it, of which a' in the truth, and n at it, of which n' in the truth. Under a
    random order of what is equal the expected value is

    .. math:: \frac{1}{k} \left( a' + (k - a) \frac{n'}{n} \right),

    so that a constant map has the truth's share of the image. Values count as they are, signs
    included. Quantus gives one order's value, whichever its sort finds; the two are the same
    where the k-th and the next value differ.

    Parameters
    ----------
    maps
        (B, *spatial); higher is more relevant.
    truth
        (B, *spatial) bool.

    Returns
    -------
    Tensor
        (B,) float64 in 0 to 1; NaN where the truth is empty.

    Raises
    ------
    MedcontourError
        Shapes that differ, or values that are not finite.

    Examples
    --------
    >>> truth = torch.tensor([[True, True, False, False]])
    >>> relevance_rank(torch.tensor([[3.0, 1.0, 1.0, 0.0]]), truth)  # 1, and half of a tie
    tensor([0.7500], dtype=torch.float64)
    """
    values, inside = _with_truth(maps, truth)
    size = inside.sum(1, keepdim=True)
    ordered = values.sort(1, descending=True).values
    threshold = ordered.gather(1, (size - 1).clamp_min(0))
    above, tied = values > threshold, values == threshold
    open_places = size.squeeze(1) - above.sum(1)
    share = (tied & inside).sum(1) / tied.sum(1).double()
    hits = (above & inside).sum(1) + open_places * share
    return _where(size.squeeze(1) > 0, hits / size.squeeze(1))


def relevance_mass(maps: Tensor, truth: Tensor) -> Tensor:
    r"""Relevance mass accuracy: the part of the positive relevance that lies in the truth.

    .. math:: \sum_{p \in T} \max(m_p, 0) \,/\, \sum_p \max(m_p, 0)

    (Arras et al. 2022). It is Quantus's value for maps without negative values; there, negative
    ones are made positive (``abs=True``) or may push the ratio out of 0 to 1.

    Parameters
    ----------
    maps
        (B, *spatial); signed maps are clipped at 0.
    truth
        (B, *spatial) bool.

    Returns
    -------
    Tensor
        (B,) float64 in 0 to 1; NaN where the truth is empty or nothing is positive.

    Raises
    ------
    MedcontourError
        Shapes that differ, or values that are not finite.

    Examples
    --------
    >>> truth = torch.tensor([[True, True, False, False]])
    >>> relevance_mass(torch.tensor([[2.0, 1.0, 1.0, -5.0]]), truth)
    tensor([0.7500], dtype=torch.float64)
    """
    values, inside = _with_truth(maps, truth)
    # Over the largest value first: the sum of huge values would overflow.
    positive = values.clamp_min(0)
    positive = positive / positive.amax(1, keepdim=True).clamp_min(torch.finfo(torch.double).tiny)
    total = positive.sum(1)
    return _where(inside.any(1) & (total > 0), (positive * inside).sum(1) / total)


def pointing_game(maps: Tensor, truth: Tensor) -> Tensor:
    """Pointing game: whether the largest value lies in the truth (Zhang et al. 2018).

    Where several pixels share the maximum, it is the part of them in the truth: the expected hit
    when one is picked at random. (Quantus counts a hit where any of them lies inside, which a
    constant map always wins.) No margin of tolerance around the truth.

    Parameters
    ----------
    maps
        (B, *spatial).
    truth
        (B, *spatial) bool.

    Returns
    -------
    Tensor
        (B,) float64 in 0 to 1; NaN where the truth is empty.

    Raises
    ------
    MedcontourError
        Shapes that differ, or values that are not finite.

    Examples
    --------
    >>> truth = torch.tensor([[True, True, False, False]])
    >>> pointing_game(torch.tensor([[2.0, 1.0, 2.0, 0.0]]), truth)
    tensor([0.5000], dtype=torch.float64)
    """
    values, inside = _with_truth(maps, truth)
    largest = values == values.amax(1, keepdim=True)
    hit = (largest & inside).sum(1) / largest.sum(1).double()
    return _where(inside.any(1), hit)


def best_iou(maps: Tensor, truth: Tensor) -> Tensor:
    r"""Intersection over union with the truth at the threshold that suits the map best.

    .. math:: \max_t |\{m \ge t\} \cap T| \,/\, |\{m \ge t\} \cup T|

    over all thresholds, exactly: every value of the map is tried, and what is equal is never
    parted. The lowest threshold takes the whole image, so the truth's share of the image is the
    least that any map can have.

    Parameters
    ----------
    maps
        (B, *spatial).
    truth
        (B, *spatial) bool.

    Returns
    -------
    Tensor
        (B,) float64 in 0 to 1; NaN where the truth is empty.

    Raises
    ------
    MedcontourError
        Shapes that differ, or values that are not finite.

    Examples
    --------
    >>> truth = torch.tensor([[True, True, False, False]])
    >>> best_iou(torch.tensor([[0.9, 0.2, 0.2, 0.1]]), truth)  # 1/2, 2/3, 2/4
    tensor([0.6667], dtype=torch.float64)
    """
    values, inside = _with_truth(maps, truth)
    ordered, order = values.sort(1, descending=True)
    hits = inside.gather(1, order).cumsum(1)
    taken = torch.arange(1, values.shape[1] + 1, device=values.device)
    size = inside.sum(1, keepdim=True)
    iou = hits / (taken + size - hits).double()
    last = torch.ones_like(inside)
    last[:, :-1] = ordered[:, :-1] > ordered[:, 1:]
    best = torch.where(last, iou, 0.0).amax(1)
    return _where(size.squeeze(1) > 0, best)
