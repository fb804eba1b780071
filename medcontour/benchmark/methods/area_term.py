"""What holds a mask's area: its sorted values against those of a mask of that area."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["area_term", "sorted_mask", "tie_order"]


def sorted_mask(area: float | Tensor, pixels: int, like: Tensor) -> Tensor:
    """Give r_a of Fong, Patrick and Vedaldi (2019): the sorted values of a mask of some area.

    Parameters
    ----------
    area
        Share of the image, or (M,) of them.
    pixels
        Of the image.
    like
        Whose device and type are taken.

    Returns
    -------
    (pixels,) or (M, pixels): 0, and 1 for the share of them last.

    Examples
    --------
    >>> sorted_mask(0.25, 4, torch.zeros(1))
    tensor([0., 0., 0., 1.])
    """
    rank = torch.arange(pixels, device=like.device) / pixels
    least = 1 - (area.unsqueeze(1) if isinstance(area, Tensor) else area)
    return (rank >= least).to(like)


def tie_order(pixels: int, seed: int, like: Tensor) -> Tensor:
    """An order in which pixels of the same value count: without one it goes from the top."""
    return torch.randperm(pixels, generator=torch.Generator().manual_seed(seed)).to(like.device)


def area_term(mask: Tensor, wanted: Tensor, order: Tensor | None = None) -> Tensor:
    """(M,) mean squares of what sorted masks (M, H, W) are off `sorted_mask`.

    Parameters
    ----------
    mask, wanted
        The masks, and what their sorted values are to be.
    order
        See `tie_order`; None: whatever comes.

    Examples
    --------
    >>> area_term(torch.tensor([[[1.0, 0.0], [0.0, 0.0]]]), sorted_mask(0.25, 4, torch.zeros(1)))
    tensor([0.])
    """
    flat = mask.flatten(1)
    if order is None:
        ordered = flat.sort(1).values
    else:
        ordered = flat[:, order].sort(dim=1, stable=True).values
    return (ordered - wanted).square().mean(1)
