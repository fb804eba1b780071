"""Extremal perturbation by a smooth mask of a given area (Fong, Patrick and Vedaldi 2019)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medcontour.benchmark.methods.area_term import area_term, sorted_mask, tie_order
from medcontour.benchmark.methods.base import BACKWARD, Attribution, Method, target_scores
from medcontour.errors import MedcontourError
from medcontour.explain.background import gaussian_blur

__all__ = ["REACH", "SmoothMask", "blur_pyramid", "sharpened", "smooth_maximum"]

CELLS = 32  # of the coarse grid along the image's shorter side: 7 pixels of 224
REACH = 5  # cells, beyond which the kernel is under 0.02
TEMPERATURE = 1 / 20  # of the smooth maximum
LEVELS, WIDEST = 8, 20 / 224  # of the blurs, and the widest as a share of the shorter side
RATE, MOMENTUM = 0.1, 0.9
WEIGHT, SLOW_START = 300.0, 100.0  # of the area term, and what divides it at the first step
AT_ONCE = 16


@dataclass(frozen=True)
class SmoothMask(Method):
    r"""The smooth mask of a given area that keeps the class's logit highest.

    Our own implementation of what is published: the mask is the max-convolution of a coarse grid
    with the kernel ``exp(-max(0, z - 1)^2 / 4)``, z in cells, enlarged bilinearly; the maximum is
    smooth, of temperature 1/20. What is not kept is blurred, the more the lower the mask (a
    pyramid of eight Gaussians). The area is held by ``lambda mean((sorted mask - r_a)^2)``, where
    r_a has the wanted share of ones, with lambda 300, twice as much every quarter of the steps.
    Gradient descent of rate 0.1 on averaged gradients (momentum 0.9).

    Not as published: lambda begins at 3 and reaches 300 in the first quarter; the maximum is
    taken on the coarse grid; the image is not jittered.

    Each step is one image forward and backward: half an evaluation, for each area.

    Attributes
    ----------
    areas
        Shares of the image; one mask each, and the map is their mean. A tenth is what reproduces
        the complexity and sparseness that the paper reports for this method.
    steps
        Of each mask.
    seed
        Of the order in which pixels of equal value count in the area term.

    Raises
    ------
    MedcontourError
        For no area, or one outside 0 to 1.
    """

    areas: tuple[float, ...] = (0.1,)
    steps: int = 800
    seed: int = 0

    name = "smooth-mask"
    together = 8

    def __post_init__(self) -> None:
        if not self.areas or not all(0 < area < 1 for area in self.areas):
            raise MedcontourError(
                f"A smooth mask cannot have the areas {list(self.areas)}; "
                "give one share of the image or more, between 0 and 1."
            )

    def masks(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """(B, areas, H, W) masks in 0 to 1 of a network that is held (see `held`)."""
        count = len(self.areas)
        which = torch.arange(len(images), device=images.device).repeat_interleave(count)
        areas = images.new_tensor(self.areas).repeat(len(images))
        pyramid = blur_pyramid(images)
        found = [
            self._search(model, pyramid[some], targets[some], share)
            for some, share in zip(_chunks(which), _chunks(areas), strict=True)
        ]
        return torch.cat(found).view(len(images), count, *images.shape[2:])

    def _explain(self, model: nn.Module, images: Tensor, targets: Tensor) -> Attribution:
        maps = self.masks(model, images, targets).mean(1, keepdim=True)
        spent = BACKWARD * self.steps * len(self.areas)
        return Attribution(maps.float(), torch.full((len(images),), spent, device=images.device))

    def _search(self, model: nn.Module, pyramid: Tensor, targets: Tensor, areas: Tensor) -> Tensor:
        """(M, H, W) masks of areas (M,) for the images of (M, LEVELS, C, H, W)."""
        extent = (pyramid.shape[-2], pyramid.shape[-1])
        pixels = extent[0] * extent[1]
        mould = _Mould(extent, pyramid)
        order = tie_order(pixels, self.seed, pyramid)
        wanted = sorted_mask(areas, pixels, pyramid)
        cells = pyramid.new_full((len(areas), *mould.cells), 0.5, requires_grad=True)
        average = torch.zeros_like(cells)
        for step in range(self.steps):
            mask = mould(cells)
            kept = target_scores(model, sharpened(pyramid, mask), targets)
            loss = _area_weight(step / self.steps) * area_term(mask, wanted, order) - kept
            (slope,) = torch.autograd.grad(loss.sum(), cells)
            with torch.no_grad():
                average.lerp_(slope, 1 - MOMENTUM)
                cells.sub_(RATE * average).clamp_(0, 1)
        with torch.no_grad():
            return mould(cells).clamp(0, 1)


def _area_weight(done: float) -> float:
    """Lambda after a share of the steps.

    Were it large at once, the area term would choose among values that are still equal, before
    the score has told them apart.
    """
    if done < 0.25:
        return float(WEIGHT * SLOW_START ** (4 * done - 1))
    return float(WEIGHT * 2 ** (4 * done - 1))


def _chunks(values: Tensor) -> list[Tensor]:
    return [values[first : first + AT_ONCE] for first in range(0, len(values), AT_ONCE)]


class _Mould:
    """From the coarse grid to a smooth mask."""

    def __init__(self, extent: tuple[int, int], like: Tensor) -> None:
        step = max(1, round(min(extent) / CELLS))
        self.cells = (math.ceil(extent[0] / step), math.ceil(extent[1] / step))
        self._extent, self._step = extent, step
        offset = torch.arange(-REACH, REACH + 1, device=like.device, dtype=like.dtype)
        distance = torch.hypot(offset.view(-1, 1), offset.view(1, -1)).flatten()
        self._kernel = torch.exp(-(distance - 1).clamp_min(0).square() / 4).view(1, -1, 1)
        # What a grid of ones gives: the smooth maximum is a little under the largest value.
        self._highest = smooth_maximum(self._kernel)

    def __call__(self, cells: Tensor) -> Tensor:
        """(M, h, w) to (M, H, W): 0 for zeros, 1 for ones, and up to a twentieth above."""
        side = 2 * REACH + 1
        # Repeated at the border: with anything else it would be higher or lower than the rest.
        padded = F.pad(cells.unsqueeze(1), (REACH,) * 4, mode="replicate")
        around = F.unfold(padded, side) * self._kernel
        coarse = (smooth_maximum(around) / self._highest).view(len(cells), 1, *self.cells)
        size = [self._step * count for count in self.cells]
        fine = F.interpolate(coarse, size, mode="bilinear", align_corners=False)
        return fine[:, 0, : self._extent[0], : self._extent[1]]


def smooth_maximum(values: Tensor) -> Tensor:
    """Over the second axis, of temperature 1/20."""
    return (values * (values / TEMPERATURE).softmax(1)).sum(1)


def blur_pyramid(images: Tensor) -> Tensor:
    """(B, LEVELS, C, H, W): the images, then blurred more and more."""
    widest = WIDEST * min(images.shape[-2:])
    sigmas = [widest * level / (LEVELS - 1) for level in range(1, LEVELS)]
    return torch.stack([images, *(gaussian_blur(images, (s, s)) for s in sigmas)], 1)


def sharpened(pyramid: Tensor, mask: Tensor) -> Tensor:
    """(M, C, H, W): sharp where the mask is 1, of the widest blur where it is 0."""
    place = (1 - mask).clamp(0, 1) * (LEVELS - 1)
    level = torch.arange(LEVELS, device=mask.device).view(1, -1, 1, 1)
    share = (1 - (place.unsqueeze(1) - level).abs()).clamp_min(0)
    return (share.unsqueeze(2) * pyramid).sum(1)
