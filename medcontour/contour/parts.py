"""Parts of a mask that hang together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

__all__ = ["largest_part"]

Mask = npt.NDArray[np.bool_]


def largest_part(mask: Mask) -> Mask:
    """Give the largest part of a mask that hangs together by its edges or faces, holes filled.

    Parameters
    ----------
    mask
        (rows, columns) or (slices, rows, columns) bool; without a part, nothing is given.

    Examples
    --------
    >>> largest_part(np.array([[True, False, True], [True, False, False]])).tolist()
    [[True, False, False], [True, False, False]]
    """
    parts, count = ndimage.label(mask)
    if not count:
        return np.zeros(mask.shape, dtype=np.bool_)
    largest = 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    filled: Mask = ndimage.binary_fill_holes(parts == largest)
    return filled
