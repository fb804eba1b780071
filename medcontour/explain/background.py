"""Backgrounds: what stands where evidence is taken away (Eq. 3 and 4)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from medcontour.errors import MedcontourError
from medcontour.explain.choices import Background
from medcontour.explain.images import check_fits, check_spacing

__all__ = [
    "AUTOMATIC",
    "BACKGROUNDS",
    "Background",
    "GaussianBackground",
    "InpaintBackground",
    "TexturedBackground",
    "gaussian_blur",
    "mildest",
]

RING = 16


def gaussian_blur(
    images: Tensor, sigma: Sequence[float], kernel: Sequence[int] | None = None
) -> Tensor:
    """Separable Gaussian with mirrored edges.

    Parameters
    ----------
    images
        (B, C, H, W), or volumes (B, C, D, H, W).
    sigma
        Standard deviation in pixels along H and W, or along D, H and W.
    kernel
        Odd kernel sizes along the same; by default wide enough to hold 3 sigma each side.
    """
    axes = images.ndim - 2
    convolve = F.conv2d if axes == 2 else F.conv3d
    for axis, (deviation, extent) in enumerate(zip(sigma, images.shape[2:], strict=True)):
        size = kernel[axis] if kernel else 2 * max(1, round(3 * deviation)) + 1
        half = min(size // 2, extent - 1)
        offsets = torch.arange(-half, half + 1, device=images.device, dtype=images.dtype)
        weights = torch.exp(-0.5 * (offsets / max(deviation, 1e-6)) ** 2)
        weights = weights / weights.sum()
        channels = images.shape[1]
        shape, padding = [1] * (axes + 2), [0] * (2 * axes)
        shape[2 + axis], place = -1, 2 * (axes - 1 - axis)
        padding[place : place + 2] = half, half
        padded = F.pad(images, padding, mode="reflect")
        each = weights.view(shape).expand(channels, *(-1,) * (axes + 1))
        images = convolve(padded, each, groups=channels)
    return images


def blur(images: Tensor) -> Tensor:
    """Give the paper's background: kernel 21, sigma 20 (nearly a box; effective sd 5.9 px)."""
    axes = images.ndim - 2
    return gaussian_blur(images, (20.0,) * axes, (21,) * axes)


def gaussian(images: Tensor) -> Tensor:
    """Blur by a true Gaussian of a sixteenth of the image's side: removes most lesions."""
    return gaussian_blur(images, [side / 16 for side in images.shape[2:]])


def wide(images: Tensor) -> Tensor:
    """Blur by a true Gaussian of an eighth of the image's side: removes large blobs too."""
    return gaussian_blur(images, [side / 8 for side in images.shape[2:]])


def mean(images: Tensor) -> Tensor:
    """Give each image's own mean, per channel."""
    return images.mean(_spatial(images), keepdim=True).expand_as(images).contiguous()


def _spatial(images: Tensor) -> tuple[int, ...]:
    """Axes of (B, C, H, W) or (B, C, D, H, W) that are places."""
    return tuple(range(2, images.ndim))


@dataclass(frozen=True)
class GaussianBackground:
    """Blur by a true Gaussian of a width in millimetres, the same in all directions.

    Attributes
    ----------
    sigma_mm
        Standard deviation in millimetres. One half to one lesion diameter removes a lesion.
    pixel_spacing
        Millimetres between rows, then between columns (DICOM PixelSpacing order); for volumes
        between slices first.

    Examples
    --------
    >>> background = GaussianBackground(4.0, pixel_spacing=(2.0, 1.0))
    >>> round(background(torch.ones(1, 1, 32, 32)).mean().item(), 4)
    1.0
    """

    sigma_mm: float
    pixel_spacing: tuple[float, ...] = (1.0, 1.0)

    def __post_init__(self) -> None:
        check_spacing(self.pixel_spacing)
        if not 0 < self.sigma_mm < math.inf:
            raise MedcontourError(
                f"a Gaussian of {self.sigma_mm:g} mm cannot be made; give positive millimetres."
            )

    def __call__(self, images: Tensor) -> Tensor:
        """(B, C, H, W) or (B, C, D, H, W) blurred."""
        check_fits(self.pixel_spacing, images)
        return gaussian_blur(images, [self.sigma_mm / spacing for spacing in self.pixel_spacing])


@dataclass(frozen=True)
class InpaintBackground:
    """Fill every pixel in from its surroundings: what is no larger than a size vanishes.

    Each pixel, in each channel, becomes the median of what lies around it on rings at a half,
    three quarters and the whole of the size, the pixel's own place left out. A blob fills less
    than half of such a neighbourhood and is gone; an organ or the body's edge fills more and
    stays, where a Gaussian would smear it. One image for all masks: a contour cannot choose what
    it is filled with.

    Attributes
    ----------
    size_mm
        Diameter in millimetres of what is to vanish.
    pixel_spacing
        Millimetres between rows, then between columns (DICOM PixelSpacing order).

    Examples
    --------
    >>> image = torch.zeros(1, 1, 64, 64)
    >>> image[..., :32] = 1.0  # an edge, and a blob on either side
    >>> image[..., 28:34, 10:16], image[..., 28:34, 48:54] = 0.0, 1.0
    >>> filled = InpaintBackground(10.0)(image)[0, 0, 30]
    >>> [round(filled[column].item(), 2) for column in (12, 20, 44, 50)]
    [1.0, 1.0, 0.0, 0.0]
    """

    size_mm: float
    pixel_spacing: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        check_spacing(self.pixel_spacing)
        if not 0 < self.size_mm < math.inf:
            raise MedcontourError(
                f"what is {self.size_mm:g} mm large cannot be filled in; give positive millimetres."
            )

    def __call__(self, images: Tensor) -> Tensor:
        """(B, C, H, W) filled in."""
        check_plane(images)
        check_fits(self.pixel_spacing, images)
        row, column = self.pixel_spacing
        return ring_median(images, (self.size_mm / row, self.size_mm / column))


def check_plane(images: Tensor) -> None:
    """Refuse volumes, whose surroundings are no rings."""
    if images.ndim != 4:
        raise MedcontourError(
            "a volume is not filled in from its surroundings; choose the background blur, "
            "gaussian, wide, texture or mean."
        )


def ring_median(images: Tensor, size: tuple[float, float]) -> Tensor:
    """Median over rings around each pixel, up to `size` pixels away along H and W.

    The result is smooth on the scale of the rings: it is worked out on pixels of about a tenth of
    them. What lies outside the image is not counted.

    Raises
    ------
    MedcontourError
        For volumes, whose surroundings are no rings.
    """
    check_plane(images)
    extent = images.shape[-2:]
    coarse = [
        max(1, min(length, math.ceil(10 * length / max(distance, 1e-6))))
        for length, distance in zip(extent, size, strict=True)
    ]
    small = F.interpolate(images, coarse, mode="area")
    far = [d * c / e for d, c, e in zip(size, coarse, extent, strict=True)]
    margin = [math.ceil(distance) for distance in far]
    padded = F.pad(small, (margin[1], margin[1], margin[0], margin[0]), value=math.nan)
    around = []
    for share, turn in ((0.5, 0.0), (0.75, 0.5), (1.0, 0.0)):
        for step in range(RING):
            angle = 2 * math.pi * (step + turn) / RING
            top = margin[0] + round(share * far[0] * math.sin(angle))
            left = margin[1] + round(share * far[1] * math.cos(angle))
            around.append(padded[..., top : top + coarse[0], left : left + coarse[1]])
    median = torch.stack(around).nanmedian(0).values
    # Rings larger than the image meet nothing: all of it is to vanish.
    filled = torch.where(median.isnan(), images.mean((-1, -2), keepdim=True), median)
    # Neighbouring medians jump where one sample changes sides.
    filled = gaussian_blur(filled, (1.0, 1.0))
    return F.interpolate(filled, extent, mode="bilinear", align_corners=False)


@dataclass(frozen=True)
class TexturedBackground:
    """A smooth background with the image's own grain put back on.

    A network may take a smooth patch for a finding of its own: in ultrasound, a patch without
    speckle is a cyst. The grain is the image's detail with its phases drawn anew (from a fixed
    seed, the same for all images), so that its spectrum stays and nothing in it has a place; it
    is as strong at each place as detail is around it, and values stay in the image's range.

    Attributes
    ----------
    smooth
        The background that the grain is put on.
    grain
        Standard deviation, as a fraction of the image's side, of the Gaussian that tells detail
        from the rest.

    Examples
    --------
    >>> speckle = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    >>> background = TexturedBackground(wide)(speckle)
    >>> round(float(background.std() / speckle.std()), 1), bool(background.min() >= 0)
    (0.9, True)
    """

    smooth: Background
    grain: float = 0.02

    def __call__(self, images: Tensor) -> Tensor:
        """(B, C, H, W) or (B, C, D, H, W) smoothed, with grain."""
        extent, places = images.shape[2:], _spatial(images)
        sigma = [self.grain * side for side in extent]
        detail = images - gaussian_blur(images, sigma)
        spread = gaussian_blur(detail.square(), [2 * s for s in sigma]).clamp_min(0).sqrt()
        level = spread.mean(places, keepdim=True)
        even = torch.fft.rfftn(detail / (spread + 0.05 * level).clamp_min(1e-6), dim=places)
        noise = torch.randn(extent, generator=torch.Generator().manual_seed(0), dtype=torch.float32)
        drawn = torch.fft.rfftn(noise.to(images))
        phases = drawn / drawn.abs().clamp_min(1e-6)
        texture = torch.fft.irfftn(even.abs() * phases, s=extent, dim=places)
        texture = texture / texture.std(places, keepdim=True).clamp_min(1e-6)
        filled: Tensor = self.smooth(images) + texture * self.smooth(spread)
        low, high = images.amin(places, keepdim=True), images.amax(places, keepdim=True)
        return filled.clamp(low, high)


def inpaint(images: Tensor) -> Tensor:
    """Fill in from the surroundings: what is up to a quarter of the image's side vanishes."""
    return ring_median(images, (images.shape[-2] / 4, images.shape[-1] / 4))


BACKGROUNDS: dict[str, Background] = {
    "blur": blur,
    "gaussian": gaussian,
    "inpaint": inpaint,
    "wide": wide,
    "texture": TexturedBackground(wide),
    "mean": mean,
}
"""Backgrounds by name, from the mildest to the strongest; of images, and but for ``inpaint`` of
volumes (B, C, D, H, W)."""

AUTOMATIC = ("blur", "gaussian", "wide", "mean")
"""What is tried, in this order, where the background is to be chosen: each costs a quarter of an
evaluation."""


@torch.no_grad()
def mildest(
    images: Tensor,
    log_odds: Callable[[Tensor], Tensor],
    names: Sequence[str] = AUTOMATIC,
) -> tuple[Tensor, list[str]]:
    """Give each image the mildest background that takes its score away.

    Parameters
    ----------
    images
        (B, C, H, W).
    log_odds
        From (B, C, H, W) to (B,): below 0 the class is gone. Where no background reaches that,
        an image gets the one that lowers it most.
    names
        Of `BACKGROUNDS`, the mildest first.

    Returns
    -------
    tuple
        (B, C, H, W) backgrounds, and the name of each.

    Examples
    --------
    >>> images = torch.zeros(1, 1, 64, 64)
    >>> images[..., 24:40, 24:40] = 1.0
    >>> mildest(images, lambda x: x[:, 0, 32, 32] - 0.5)[1]
    ['wide']
    """
    made = torch.stack([BACKGROUNDS[name](images) for name in names])
    odds = torch.stack([log_odds(ground).float() for ground in made])
    removes = odds < 0
    choice = torch.where(removes.any(0), removes.float().argmax(0), odds.argmin(0))
    rows = torch.arange(len(images), device=images.device)
    return made[choice, rows], [names[index] for index in choice.tolist()]
