"""Extremal Perturbations at a fixed area, as published (Fong, Patrick and Vedaldi 2019)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medcontour.benchmark.methods.area_term import area_term, sorted_mask, tie_order
from medcontour.benchmark.methods.base import BACKWARD, Attribution, Method, target_scores
from medcontour.benchmark.methods.smooth_mask import (
    REACH,
    blur_pyramid,
    sharpened,
    smooth_maximum,
)
from medcontour.errors import MedcontourError

__all__ = ["ExtremalPerturbations", "MaxConvolution"]

CELLS = 32  # of the coarse grid along the image's shorter side: 7 pixels of 224
MOMENTUM = 0.9
GROWTH = 16.0  # what multiplies the weight of the area term by the last step
AT_ONCE = 4

Variant = Literal["preserve", "delete", "dual"]


@dataclass(frozen=True)
class ExtremalPerturbations(Method):
    r"""The mask of a fixed area that changes the class's logit most.

    What is published, written anew: the mask is the max-convolution of a coarse grid with the
    kernel ``exp(-max(0, z - 1)^2 / 4)``, z in cells, at every pixel, its maximum smooth, of
    temperature 1/20. The area is held by ``lambda mean((sorted mask - r_a)^2)``, where r_a is 0
    and then 1 for the wanted share; lambda grows from 300 to 16 times as much. The grid starts at
    ones and follows averaged gradients (momentum 0.9). Every other step shows the image mirrored.

    Other than published, the border is dealt with by repeating the grid there, in place of a
    margin around the image that shares in the area, and a grid of ones is a mask of ones.
    `SmoothMask` is the variant of the tables: the maximum on the coarse grid alone, which is many
    times cheaper to make, another start and rate, no mirrored images.

    Each step is one image forward and backward, half an evaluation; two with ``dual``.

    Attributes
    ----------
    area
        Share of the image.
    steps, rate
        Of the descent.
    weight
        Lambda at the first step; by the last it is 16 times as much. The published one is for
        logits of 10 to 20: with smaller ones the area term chooses before the network does.
    variant
        ``"preserve"``: what is inside makes the logit high; ``"delete"``: what is left without it
        makes it low; ``"dual"``: the difference of the two.
    perturbation
        ``"blur"``: the lower the mask, the stronger the blur (a pyramid of eight Gaussians, up to
        20 pixels of 224), the soft mask of the paper; ``"fade"``: towards zero.
    mirror
        Whether every other step shows the image mirrored.
    seed
        Of the order in which pixels of equal value count in the area term.

    Raises
    ------
    MedcontourError
        For an area outside 0 to 1, or fewer than one step.
    """

    area: float = 0.1
    steps: int = 800
    rate: float = 0.01
    weight: float = 300.0
    variant: Variant = "preserve"
    perturbation: Literal["blur", "fade"] = "blur"
    mirror: bool = True
    seed: int = 0

    name = "extremal-perturbations"
    together = 4

    def __post_init__(self) -> None:
        if not 0 < self.area < 1:
            raise MedcontourError(
                f"An extremal perturbation cannot have the area {self.area:g}; "
                "give a share of the image between 0 and 1."
            )
        if self.steps < 1:
            raise MedcontourError(
                f"An extremal perturbation is not found in {self.steps} steps; give one or more."
            )

    def _explain(self, model: nn.Module, images: Tensor, targets: Tensor) -> Attribution:
        pairs = zip(torch.split(images, AT_ONCE), torch.split(targets, AT_ONCE), strict=True)
        maps = torch.cat([self._search(model, some, classes) for some, classes in pairs])
        spent = BACKWARD * self.steps * (2 if self.variant == "dual" else 1)
        return Attribution(maps.float(), torch.full((len(images),), spent, device=images.device))

    def _search(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """(B, 1, H, W) masks."""
        extent = (images.shape[-2], images.shape[-1])
        pixels = extent[0] * extent[1]
        convolve = MaxConvolution(extent, images)
        levels = blur_pyramid(images) if self.perturbation == "blur" else images
        order = tie_order(pixels, self.seed, images)
        wanted = sorted_mask(self.area, pixels, images)
        cells = images.new_ones(len(images), *convolve.cells).requires_grad_(True)
        average = torch.zeros_like(cells)
        for step in range(self.steps):
            mask = convolve(cells)
            gain = self._gain(model, levels, mask, targets, self.mirror and step % 2 == 0)
            weight = self.weight * GROWTH ** (step / self.steps)
            loss = weight * area_term(mask, wanted, order) - gain
            (slope,) = torch.autograd.grad(loss.sum(), cells)
            with torch.no_grad():
                average.lerp_(slope, 1 - MOMENTUM)
                cells.sub_(self.rate * average).clamp_(0, 1)
        with torch.no_grad():
            return convolve(cells).clamp(0, 1).unsqueeze(1)

    def _gain(
        self, model: nn.Module, levels: Tensor, mask: Tensor, targets: Tensor, mirrored: bool
    ) -> Tensor:
        """(B,) what the variant wants to be high."""

        def score(kept: Tensor) -> Tensor:
            blurs = self.perturbation == "blur"
            shown = sharpened(levels, kept) if blurs else kept.unsqueeze(1) * levels
            return target_scores(model, shown.flip(-1) if mirrored else shown, targets)

        gain = torch.zeros(len(mask), device=mask.device)
        if self.variant != "delete":
            gain = gain + score(mask)
        if self.variant != "preserve":
            gain = gain - score(1 - mask)
        return gain


class MaxConvolution:
    """From a coarse grid to a mask, by a smooth maximum over the cells around each pixel.

    Parameters
    ----------
    extent
        Rows and columns of the image, in pixels.
    like
        Whose device and type are taken.

    Attributes
    ----------
    cells
        Rows and columns of the grid.
    step
        Pixels of a cell's side.

    Examples
    --------
    >>> convolve = MaxConvolution((64, 96), torch.zeros(1))
    >>> convolve.cells, convolve.step
    ((32, 48), 2)
    >>> convolve(torch.zeros(1, 32, 48)).shape
    torch.Size([1, 64, 96])
    """

    def __init__(self, extent: tuple[int, int], like: Tensor) -> None:
        self.step = max(1, round(min(extent) / CELLS))
        self.cells = (math.ceil(extent[0] / self.step), math.ceil(extent[1] / self.step))
        self._extent = extent
        # From the middle of a cell to the pixels of its own, and to the middles around it.
        inside = (torch.arange(self.step) - (self.step - 1) / 2) / self.step
        around = torch.arange(-REACH, REACH + 1)
        apart = (around.view(-1, 1) - inside.view(1, -1)).to(like)
        down, right = apart.view(-1, 1, self.step, 1), apart.view(1, -1, 1, self.step)
        distance = torch.hypot(down, right)
        kernel = torch.exp(-(distance - 1).clamp_min(0).square() / 4)
        self._kernel = kernel.flatten(0, 1).flatten(1).unsqueeze(-1)  # (around, in a cell, 1)
        # What a grid of ones gives: the smooth maximum is a little under the largest value.
        self._highest = smooth_maximum(self._kernel.unsqueeze(0))

    def __call__(self, cells: Tensor) -> Tensor:
        """(M, h, w) to (M, H, W): 0 for zeros, 1 for ones, and up to a twentieth above."""
        side = 2 * REACH + 1
        # Repeated at the border: with zeros it would be higher there, and draw the mask to it.
        padded = F.pad(cells.unsqueeze(1), (REACH,) * 4, mode="replicate")
        values = F.unfold(padded, side).unsqueeze(2) * self._kernel
        highest = smooth_maximum(values) / self._highest
        size = (self.step * self.cells[0], self.step * self.cells[1])
        fine = F.fold(highest, size, self.step, stride=self.step)
        return fine[:, 0, : self._extent[0], : self._extent[1]]
