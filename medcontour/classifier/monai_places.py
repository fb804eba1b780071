"""Where MONAI's transforms put pixels, where its own bookkeeping leaves that out or is inexact.

`Transpose`, which MONAI leaves out of its bookkeeping, is added to it here, and the "nearest" mode
of `Resize` and `Zoom`, which MONAI places up to half a pixel off, is corrected.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from monai.data import MetaTensor
from monai.data.utils import to_affine_nd
from monai.transforms import Transpose, Transposed
from torch import Tensor

from medcontour.errors import MedcontourError

__all__ = ["Matrix", "correct", "matrix", "placed", "step_name"]

Matrix = npt.NDArray[np.float64]


def correct(operation: dict[str, Any], before: Tensor, image: Any) -> None:
    """Correct the affine that MONAI gives `image` where its bookkeeping is inexact.

    PyTorch's "nearest" takes source index ``floor(s i)`` for output index i, on average
    ``s i - (q - 1) / 2q`` where s = p / q; MONAI writes ``s i + (s - 1) / 2`` as for the other
    modes. `before` is the affine before the operation.
    """
    kind, settings = operation["class"], operation["extra_info"]
    if kind == "Affine" and settings.get("align_corners") is True:
        raise MedcontourError(
            "The preprocessing step Affine with align_corners=True does not say exactly where "
            "its pixels went; set align_corners to False."
        )
    if kind in ("Resize", "Zoom") and settings["mode"] == "nearest":
        moved = torch.linalg.inv(before) @ image.affine
        shift = torch.eye(len(before), dtype=before.dtype)
        for axis in range(len(before) - 1):
            scale = float(moved[axis, axis])
            period = Fraction(scale).limit_denominator(2**15).denominator
            shift[axis, -1] = (1 / period - scale) / 2
        image.affine = before @ shift @ moved


def placed(
    step: Callable[[Any], Any], affine: Tensor, before: Any, after: Any, size: tuple[int, ...]
) -> tuple[Any, tuple[int, ...]]:
    """Keep the affine through a step that does not write it itself, or refuse the step.

    `affine` and `size` are the image's before the step, `size` along its spatial axes; its size
    after it is returned as well.
    """
    known = (affine, torch.eye(len(affine), dtype=affine.dtype))  # eye: made anew, so lost
    if isinstance(after, MetaTensor) and not any(torch.equal(after.affine, a) for a in known):
        return after, tuple(after.shape[1:])
    tensor = torch.as_tensor(after) if isinstance(after, (np.ndarray, Tensor)) else None
    shape = () if tensor is None else tuple(tensor.shape)
    if isinstance(step, (Transpose, Transposed)):
        order = _order(step, before, size)
        size = tuple(size[axis] for axis in order)
        turn = torch.eye(len(affine), dtype=affine.dtype)
        turn[:, : len(order)] = turn[:, order]
        affine = affine @ turn
    if size not in (shape, shape[1:], shape[:-1]):
        raise MedcontourError(
            f"The preprocessing step {step_name(step)} changes the "
            f"{'plane' if len(size) == 2 else 'volume'} from {size} to an array "
            f"of shape {shape} without saying where its pixels went; use one of MONAI's spatial "
            "transforms (Resize, CenterSpatialCrop, SpatialPad, ...) instead."
        )
    meta = dict(after.meta if isinstance(after, MetaTensor) else before.meta)
    meta.pop("affine")
    return MetaTensor(tensor, affine=affine, meta=meta), size


def _order(step: Transpose | Transposed, before: Any, size: tuple[int, ...]) -> list[int]:
    """For each spatial axis after a transposition, the one that it was before."""
    transpose = step.transform if isinstance(step, Transposed) else step
    indices = transpose.indices or range(before.ndim)[::-1]
    count = len(size)
    first = 1 if before.ndim == count + 1 and tuple(before.shape[1:]) == size else 0
    axes = [axis % before.ndim for axis in indices]
    return [axis - first for axis in axes if first <= axis < first + count]


def matrix(affine: Tensor, axes: int) -> Matrix:
    """Give the (axes + 1, axes + 1) part of an affine that moves an image's spatial axes."""
    part: Matrix = to_affine_nd(axes, affine.detach().cpu().numpy().astype(np.float64))
    return part


def step_name(step: Any) -> str:
    """What a step of a preprocessing is called."""
    return getattr(step, "__name__", type(step).__name__)
