"""A mask as an implicit neural representation, conditioned on its area (Byra and Skibbe 2025)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from medcontour.benchmark.methods.area_term import area_term, sorted_mask
from medcontour.benchmark.methods.base import BACKWARD, Attribution, Method, target_scores
from medcontour.benchmark.methods.smooth_mask import blur_pyramid, sharpened
from medcontour.errors import MedcontourError

__all__ = ["ImplicitMask", "Sine", "plane"]

WIDTH, LAYERS = 64, 2  # of the hidden layers
SLOW_START = 100.0  # what divides the weight of the area term at the first step


@dataclass(frozen=True)
class ImplicitMask(Method):
    r"""Extremal perturbations whose mask is a small network of the coordinates and the area.

    The mask at (x, y) is ``sigmoid(f(x, y, a))``, f of sines (Sitzmann et al. 2020), one network
    an image for all areas a. Step by step the areas take turns; each descends (Adam) on
    ``lambda mean((sorted mask - r_a)^2) - logit``, the objective of `ExtremalPerturbations`: what
    the mask does not keep is blurred. Lambda grows from a hundredth to the whole. The map is the
    mean of the masks of all areas: high where even the small ones are.

    Each step is one image forward and backward: half an evaluation. The network of the
    coordinates is not counted.

    Attributes
    ----------
    areas
        Shares of the image that the network is conditioned on.
    steps, rate
        Of the descent, over all areas.
    weight
        Lambda at the last step.
    frequency
        Of the first layer's sines, in radians over half the image's longer side: the lower, the
        smoother the masks.
    seed
        Of the first weights, which are the same for all images.

    Raises
    ------
    MedcontourError
        For no area, one outside 0 to 1, or fewer steps than areas.
    """

    areas: tuple[float, ...] = (0.05, 0.1, 0.2)
    steps: int = 600
    rate: float = 3e-3
    weight: float = 300.0
    frequency: float = 10.0
    seed: int = 0

    name = "inr"

    def __post_init__(self) -> None:
        if not self.areas or not all(0 < area < 1 for area in self.areas):
            raise MedcontourError(
                f"An implicit mask cannot have the areas {list(self.areas)}; "
                "give one share of the image or more, between 0 and 1."
            )
        if self.steps < len(self.areas):
            raise MedcontourError(
                f"{len(self.areas)} areas do not take turns in {self.steps} steps; give more steps."
            )

    def masks(self, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """(B, areas, H, W) masks in 0 to 1 of a network that is held (see `held`)."""
        found = [self._search(model, images[[row]], targets[[row]]) for row in range(len(images))]
        return torch.stack(found)

    def _explain(self, model: nn.Module, images: Tensor, targets: Tensor) -> Attribution:
        maps = self.masks(model, images, targets).mean(1, keepdim=True)
        spent = BACKWARD * self.steps
        return Attribution(maps.float(), torch.full((len(images),), spent, device=images.device))

    def _search(self, model: nn.Module, image: Tensor, target: Tensor) -> Tensor:
        """(areas, H, W) of one image (1, C, H, W)."""
        extent = (image.shape[-2], image.shape[-1])
        pixels = extent[0] * extent[1]
        points = plane(extent).to(image)
        implicit = Sine(self.frequency, self.seed).to(image)
        descent = torch.optim.Adam(implicit.parameters(), lr=self.rate)
        pyramid = blur_pyramid(image)
        wanted = [sorted_mask(area, pixels, image) for area in self.areas]
        for step in range(self.steps):
            turn = step % len(self.areas)
            mask = implicit(points, self.areas[turn]).view(1, *extent)
            kept = target_scores(model, sharpened(pyramid, mask), target).sum()
            apart = area_term(mask, wanted[turn]).sum()
            loss = self.weight * SLOW_START ** (step / self.steps - 1) * apart - kept
            slopes = torch.autograd.grad(loss, list(implicit.parameters()))
            for parameter, slope in zip(implicit.parameters(), slopes, strict=True):
                parameter.grad = slope
            descent.step()
        with torch.no_grad():
            return torch.stack([implicit(points, area).view(extent) for area in self.areas])


class Sine(nn.Module):
    """From points of the plane and an area to the mask there: layers of sines.

    Parameters
    ----------
    frequency
        Of the first layer, in radians over a unit of the plane.
    seed
        Of the first weights.
    """

    def __init__(self, frequency: float, seed: int) -> None:
        super().__init__()
        self.frequency = frequency
        sizes = [3] + [WIDTH] * LAYERS
        self.hidden = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(sizes))
        self.last = nn.Linear(WIDTH, 1)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for depth, layer in enumerate([*self.hidden, self.last]):
                fan = layer.weight.shape[1]
                bound = 1 / fan if depth == 0 else math.sqrt(6 / fan)
                for parameter in (layer.weight, layer.bias):
                    parameter.uniform_(-bound, bound, generator=generator)
            self.last.bias.zero_()

    def forward(self, points: Tensor, area: float) -> Tensor:
        """(N, 2) points to (N,) in 0 to 1."""
        # Of its area alone the mask starts about right: where nothing speaks, it is that share.
        values = torch.cat([points, torch.full_like(points[:, :1], 2 * math.sqrt(area) - 1)], 1)
        values = (self.frequency * self.hidden[0](values)).sin()
        for layer in self.hidden[1:]:
            values = layer(values).sin()
        found: Tensor = self.last(values)
        return (found.squeeze(1) + math.log(area / (1 - area))).sigmoid()


def plane(extent: tuple[int, int]) -> Tensor:
    """(H * W, 2) points (x, y) of the pixels' middles; the longer side spans -1 to 1.

    Examples
    --------
    >>> plane((1, 2)).tolist()
    [[-0.5, 0.0], [0.5, 0.0]]
    """
    longer = max(extent)
    y, x = (
        (torch.arange(side, dtype=torch.float32) + 0.5 - side / 2) * 2 / longer for side in extent
    )
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).view(-1, 2)
