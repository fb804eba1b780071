"""Backgrounds: what stands where evidence is taken away (Eq. 3 and 4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from medcontour.errors import MedcontourError

__all__ = ["BACKGROUNDS", "Background", "GaussianBackground", "gaussian_blur"]

Background = Callable[[Tensor], Tensor]


def gaussian_blur(
    images: Tensor, sigma: tuple[float, float], kernel: tuple[int, int] | None = None
) -> Tensor:
    """Separable Gaussian with mirrored edges.

    Parameters
    ----------
    images
        (B, C, H, W).
    sigma
        Standard deviation in pixels along H and W.
    kernel
        Odd kernel sizes along H and W; by default wide enough to hold 3 sigma each side.
    """
    for axis, (deviation, extent) in enumerate(zip(sigma, images.shape[-2:], strict=True)):
        size = kernel[axis] if kernel else 2 * max(1, round(3 * deviation)) + 1
        half = min(size // 2, extent - 1)
        offsets = torch.arange(-half, half + 1, device=images.device, dtype=images.dtype)
        weights = torch.exp(-0.5 * (offsets / max(deviation, 1e-6)) ** 2)
        weights = weights / weights.sum()
        channels = images.shape[1]
        shape = (1, 1, -1, 1) if axis == 0 else (1, 1, 1, -1)
        padding = (0, 0, half, half) if axis == 0 else (half, half, 0, 0)
        padded = F.pad(images, padding, mode="reflect")
        images = F.conv2d(padded, weights.view(shape).repeat(channels, 1, 1, 1), groups=channels)
    return images


def blur(images: Tensor) -> Tensor:
    """Give the paper's background: kernel 21, sigma 20 (nearly a box; effective sd 5.9 px)."""
    return gaussian_blur(images, (20.0, 20.0), (21, 21))


def gaussian(images: Tensor) -> Tensor:
    """Blur by a true Gaussian of a sixteenth of the image's side: removes most lesions."""
    return gaussian_blur(images, (images.shape[-2] / 16, images.shape[-1] / 16))


def wide(images: Tensor) -> Tensor:
    """Blur by a true Gaussian of an eighth of the image's side: removes large blobs too."""
    return gaussian_blur(images, (images.shape[-2] / 8, images.shape[-1] / 8))


def mean(images: Tensor) -> Tensor:
    """Give each image's own mean, per channel."""
    return images.mean((-2, -1), keepdim=True).expand_as(images).contiguous()


@dataclass(frozen=True)
class GaussianBackground:
    """Blur by a true Gaussian of a width in millimetres, the same in both directions.

    Attributes
    ----------
    sigma_mm
        Standard deviation in millimetres. One half to one lesion diameter removes a lesion.
    pixel_spacing
        Millimetres between rows, then between columns (DICOM PixelSpacing order).

    Examples
    --------
    >>> background = GaussianBackground(4.0, pixel_spacing=(2.0, 1.0))
    >>> round(background(torch.ones(1, 1, 32, 32)).mean().item(), 4)
    1.0
    """

    sigma_mm: float
    pixel_spacing: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        if self.sigma_mm <= 0 or min(self.pixel_spacing) <= 0:
            raise MedcontourError(
                f"a Gaussian of {self.sigma_mm:g} mm on pixels of {self.pixel_spacing} mm cannot "
                "be made; give positive millimetres."
            )

    def __call__(self, images: Tensor) -> Tensor:
        """(B, C, H, W) blurred."""
        row, column = self.pixel_spacing
        return gaussian_blur(images, (self.sigma_mm / row, self.sigma_mm / column))


BACKGROUNDS: dict[str, Background] = {
    "blur": blur,
    "gaussian": gaussian,
    "wide": wide,
    "mean": mean,
}
"""Backgrounds by name, from the mildest to the strongest."""
