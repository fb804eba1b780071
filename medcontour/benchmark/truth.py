"""Where the object is on a network's input."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from medcontour.classifier import Prepared

__all__ = ["truth_in"]


def truth_in(prepared: Prepared, truth: npt.NDArray[np.bool_]) -> Tensor:
    """Give a truth on the network's input, by the nearest pixel; False where padding is.

    Returns
    -------
    Tensor
        (height, width) bool.
    """
    height, width = prepared.tensor.shape[-2:]
    row, column = np.mgrid[:height, :width]
    places = np.stack([row, column, np.ones_like(row)], -1) @ prepared.index_from_input.T
    x, y = np.floor(places[..., 0] + 0.5).astype(int), np.floor(places[..., 1] + 0.5).astype(int)
    inside = (x >= 0) & (y >= 0) & (x < truth.shape[1]) & (y < truth.shape[0])
    found = truth[y.clip(0, truth.shape[0] - 1), x.clip(0, truth.shape[1] - 1)] & inside
    return torch.from_numpy(found)
