"""The small network that amortised methods train: a U-Net on the shrunk image."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medcontour.errors import MedcontourError

__all__ = ["PlaneNetwork", "check_training"]

SIDE, SMALLEST = 64, 16  # of the image's shorter side, as the network sees it
WIDTHS = (16, 16, 32, 64, 64, 16)  # of the U-Net
TOLD = 4  # planes that tell it the class


class PlaneNetwork(nn.Module):
    """From images and classes to planes of numbers: a U-Net on the image shrunk to 64 pixels.

    Parameters
    ----------
    images
        (N, C, H, W) of the training, whose mean and spread it knows.
    classes
        How many it tells apart; 0: it is told none.
    planes
        How many it gives.
    """

    def __init__(self, images: Tensor, classes: int, planes: int) -> None:
        from monai.networks.nets import BasicUNet

        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", images.mean((0, 2, 3), keepdim=True))
        self.register_buffer("std", images.std((0, 2, 3), keepdim=True).clamp_min(1e-6))
        self.classes = nn.Embedding(classes, TOLD) if classes else None
        seen = images.shape[1] + (TOLD if classes else 0)
        # Groups: with a norm of each channel alone, planes that are constant would be lost.
        norm = ("group", {"num_groups": 4})
        self.unet = BasicUNet(2, seen, planes, WIDTHS, act="relu", norm=norm)

    def forward(self, images: Tensor, targets: Tensor) -> Tensor:
        """(B, C, H, W) and (B,) to (B, planes, h, w), the shorter of h and w 64 at most."""
        extent = (images.shape[-2], images.shape[-1])
        shrink = min(1.0, SIDE / min(extent))
        small = [max(SMALLEST, round(side * shrink)) for side in extent]
        seen = F.interpolate((images - self.mean) / self.std, small, mode="area")
        if self.classes is not None:
            told = self.classes(targets).view(len(images), TOLD, 1, 1)
            seen = torch.cat([seen, told.expand(-1, -1, *small)], 1)
        given: Tensor = self.unet(seen)
        return given


def check_training(images: Tensor) -> None:
    """Refuse images that the network cannot be trained on.

    Raises
    ------
    MedcontourError
        For no images, or such of fewer than 16 rows or columns.
    """
    if not len(images) or min(images.shape[2:]) < SMALLEST:
        raise MedcontourError(
            f"A network cannot be trained on images of shape {tuple(images.shape)}; give one "
            f"image or more, of at least {SMALLEST} rows and columns."
        )
