"""Meaningful Perturbations: the smallest smooth mask that takes the class away, by descent."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medcontour.benchmark.methods.base import BACKWARD, FORWARD, Attribution, Method
from medcontour.errors import MedcontourError
from medcontour.explain.background import gaussian_blur
from medcontour.log_odds import Outputs, log_odds

__all__ = ["MeaningfulPerturbations"]

CELLS = 28  # of the mask along the image's shorter side
RATE = 0.1  # of Adam
BETA = 3  # power of the total variation
DISCS = 10  # radii that are tried for the start
TAKEN = 0.99  # of what blurring everything takes away, by the disc that is the start
AT_ONCE = 16


@dataclass(frozen=True)
class MeaningfulPerturbations(Method):
    r"""The deletion game of Fong and Vedaldi (2017), Eq. 6.

    Over a coarse mask m in 0 to 1, by Adam of rate 0.1:
    ``l1 sum(1 - m) + tv sum(|grad m|^3) + p(m * x + (1 - m) * blurred x)`` with m enlarged and
    smoothed by a Gaussian, p the probability of the class, and image and blurred image shifted at
    random in every step, so that the mask does not hang on single pixels. The start is the
    smallest disc in the middle of the image whose blurring takes 99 % of what blurring all of it
    takes. The map is ``1 - m``.

    Each step is one image forward and backward, half an evaluation; the start takes a disc of
    each of ten sizes, the largest being all of the image, and the image itself, forward: a
    quarter each.

    Attributes
    ----------
    steps
        Of the descent.
    l1, tv
        Weights of the two terms, sums over the cells of the coarse mask.
    cells
        Of the coarse mask along the image's shorter side.
    blur, smooth, jitter
        Standard deviation of the blur that deletes and of the Gaussian that smooths the enlarged
        mask, and the largest shift to either side, as shares of the image's shorter side:
        published in pixels of 224.
    outputs
        What the network gives: how that becomes probabilities.
    seed
        Of the shifts, which are the same for all images.

    Raises
    ------
    MedcontourError
        For fewer than one step or one cell.
    """

    steps: int = 300
    l1: float = 1e-4
    tv: float = 1e-2
    cells: int = CELLS
    blur: float = 10 / 224
    smooth: float = 5 / 224
    jitter: float = 4 / 224
    outputs: Outputs = "softmax"
    seed: int = 0

    name = "meaningful-perturbations"
    together = 8

    def __post_init__(self) -> None:
        if self.steps < 1 or self.cells < 1:
            raise MedcontourError(
                f"Meaningful Perturbations cannot be made of {self.steps} steps and "
                f"{self.cells} cells; give one or more of each."
            )

    def _explain(self, model: nn.Module, images: Tensor, targets: Tensor) -> Attribution:
        maps = torch.cat(
            [
                self._search(model, some, classes)
                for some, classes in zip(
                    torch.split(images, AT_ONCE), torch.split(targets, AT_ONCE), strict=True
                )
            ]
        )
        spent = BACKWARD * self.steps + FORWARD * (DISCS + 1)
        return Attribution(maps.float(), torch.full((len(images),), spent, device=images.device))

    def _search(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """(B, 1, H, W) maps."""
        short = min(images.shape[-2:])
        blurred = gaussian_blur(images, (self.blur * short,) * 2)
        coarse = self._start(model, images, blurred, targets).requires_grad_(True)
        descent = torch.optim.Adam([coarse], lr=RATE)
        shifts = self._shifts(round(self.jitter * short))
        for step in range(self.steps):
            pairs = torch.stack([images, blurred])
            sharp, soft = _shifted(pairs, *shifts[step])
            mask = self._large(coarse, images)
            loss = self._probability(model, mask * sharp + (1 - mask) * soft, targets)
            loss = loss + self.l1 * (1 - coarse).sum((1, 2, 3)) + self.tv * _variation(coarse)
            (coarse.grad,) = torch.autograd.grad(loss.sum(), coarse)
            descent.step()
            with torch.no_grad():
                coarse.clamp_(0, 1)
        return (1 - self._large(coarse.detach(), images)).clamp(0, 1)

    def _start(self, model: nn.Module, images: Tensor, blurred: Tensor, targets: Tensor) -> Tensor:
        """(B, 1, h, w): 0 in the smallest disc that takes the class away, 1 around it."""
        height, width = images.shape[-2:]
        cell = min(height, width) / self.cells
        rows, columns = (max(1, math.ceil(side / cell)) for side in (height, width))
        y = (torch.arange(rows, device=images.device) + 0.5) / rows - 0.5
        x = (torch.arange(columns, device=images.device) + 0.5) / columns - 0.5
        distance = torch.hypot(y.view(-1, 1) * height, x.view(1, -1) * width)
        radii = torch.arange(1, DISCS + 1, device=images.device) / DISCS * distance.max()
        discs = (distance > radii.view(-1, 1, 1, 1)).to(images)
        with torch.no_grad():
            whole = self._probability(model, images, targets)
            large = self._large(discs, images)
            left = torch.stack(
                [
                    self._probability(model, mask * images + (1 - mask) * blurred, targets)
                    for mask in large
                ]
            )
        enough = whole - left >= TAKEN * (whole - left[-1])  # (discs, B)
        enough[-1] = True
        return discs[enough.int().argmax(0)].clone()

    def _large(self, coarse: Tensor, images: Tensor) -> Tensor:
        """(N, 1, h, w) at the images' size, smoothed."""
        extent = images.shape[-2:]
        fine = F.interpolate(coarse, extent, mode="bilinear", align_corners=False)
        return gaussian_blur(fine, (self.smooth * min(extent),) * 2)

    def _probability(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        given = log_odds(model(images).reshape(len(images), -1), self.outputs)
        return given.gather(1, targets.view(-1, 1)).squeeze(1).sigmoid()

    def _shifts(self, most: int) -> list[tuple[int, int]]:
        generator = torch.Generator().manual_seed(self.seed)
        drawn = torch.randint(-most, most + 1, (self.steps, 2), generator=generator)
        return [(int(down), int(right)) for down, right in drawn.tolist()]


def _shifted(pairs: Tensor, down: int, right: int) -> Tensor:
    """(2, B, C, H, W) moved by whole pixels, the border repeated."""
    if not down and not right:
        return pairs
    height, width = pairs.shape[-2:]
    rows = (torch.arange(height, device=pairs.device) - down).clamp(0, height - 1)
    columns = (torch.arange(width, device=pairs.device) - right).clamp(0, width - 1)
    return pairs[..., rows, :][..., columns]


def _variation(coarse: Tensor) -> Tensor:
    """(B,) sums of the differences between neighbouring cells, to the power of three."""
    down = coarse.diff(dim=2).abs().pow(BETA).sum((1, 2, 3))
    return down + coarse.diff(dim=3).abs().pow(BETA).sum((1, 2, 3))
