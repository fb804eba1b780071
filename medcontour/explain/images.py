"""What images, and what spacing of their pixels, can be explained."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from medcontour.errors import MedcontourError

__all__ = ["check_fits", "check_images", "check_spacing"]


def check_images(images: Tensor) -> None:
    """Refuse what is no batch of images or volumes with a number in every pixel.

    Raises
    ------
    MedcontourError
        For a shape that is neither (B, C, H, W) nor (B, C, D, H, W), an empty batch, numbers that
        are not float32, and pixels that are NaN or infinite.

    Examples
    --------
    >>> check_images(torch.zeros(2, 1, 32, 32))
    >>> check_images(torch.zeros(2, 1, 32, 32, dtype=torch.uint8))
    Traceback (most recent call last):
    medcontour.errors.MedcontourError: the images are uint8; give them, and the network, as float32.
    """
    if images.ndim not in (4, 5) or not images.numel():
        raise MedcontourError(
            f"the images have shape {tuple(images.shape)}; give a batch (B, C, H, W), or of "
            "volumes (B, C, D, H, W)."
        )
    if images.dtype != torch.float32:
        kind = str(images.dtype).removeprefix("torch.")
        raise MedcontourError(f"the images are {kind}; give them, and the network, as float32.")
    if not bool(images.isfinite().all()):
        raise MedcontourError(
            "the images hold pixels that are no numbers (NaN or infinite), which no network can "
            "score; fill them first, for instance by torch.nan_to_num."
        )


def check_spacing(spacing: Sequence[float]) -> None:
    """Refuse lengths of pixels that are no lengths.

    Raises
    ------
    MedcontourError
        For one that is not above 0, or not finite.
    """
    if not all(0 < length < math.inf for length in spacing):
        raise MedcontourError(
            f"a pixel spacing of {tuple(spacing)} is not positive; give positive millimetres "
            "between rows, then between columns, of volumes between slices first."
        )


def check_fits(spacing: Sequence[float], images: Tensor) -> None:
    """Refuse a spacing of more or fewer numbers than (B, C, H, W) or (B, C, D, H, W) have axes.

    Raises
    ------
    MedcontourError
        As said.

    Examples
    --------
    >>> check_fits((3.0, 0.8, 0.8), torch.zeros(1, 1, 20, 64, 64))
    """
    if len(spacing) != images.ndim - 2:
        raise MedcontourError(
            f"a pixel spacing of {tuple(spacing)} does not fit images of shape "
            f"{tuple(images.shape)}; give one number for each axis after the channels."
        )
