"""Pictures and boxes as promptable networks of the Segment Anything kind take them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["on_pixels", "resized", "scaled_box"]


def resized(picture: npt.NDArray[np.uint8], size: tuple[int, int]) -> Tensor:
    """(1, 3, height, width) float32 from 0 to 255 of a (rows, columns) or (rows, columns, 3) one.

    Examples
    --------
    >>> resized(np.full((4, 6), 7, np.uint8), (2, 3)).shape
    torch.Size([1, 3, 2, 3])
    """
    image = torch.from_numpy(picture).float()
    image = image.expand(3, *image.shape) if image.ndim == 2 else image.movedim(-1, 0)
    return F.interpolate(image[None], size, mode="bilinear", antialias=True)


def scaled_box(
    box: npt.NDArray[np.float64], shape: tuple[int, ...], size: tuple[int, int]
) -> Tensor:
    """(4,) float32 left, top, right, bottom on a resized image; pixel centres are integers on both.

    Examples
    --------
    >>> scaled_box(np.array([-0.5, 0.0, 2.5, 3.5]), (4, 6), (8, 12)).tolist()
    [-0.5, 0.5, 5.5, 7.5]
    """
    (height, width), (rows, columns) = size, shape[:2]
    factor = np.array([width / columns, height / rows] * 2)
    return torch.from_numpy((box + 0.5) * factor - 0.5).float()


def on_pixels(logits: Tensor, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """(rows, columns) probabilities of a picture's pixels, of (height, width) logits that cover it.

    Examples
    --------
    >>> on_pixels(torch.zeros(2, 3), (4, 6, 3)).shape
    (4, 6)
    """
    full = F.interpolate(logits[None, None].float(), shape[:2], mode="bilinear")
    return np.asarray(full[0, 0].sigmoid().cpu().numpy())
