"""Methods that cover parts of the image and ask again: RISE and occlusion."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medcontour.benchmark.methods.base import FORWARD, Attribution, Method, needed
from medcontour.log_odds import Outputs, log_odds

__all__ = ["Occlusion", "Rise", "random_masks"]

AT_ONCE = 32


@dataclass(frozen=True)
class Rise(Method):
    """Randomised input sampling (Petsiuk et al. 2018): masks weighted by the score they leave.

    A mask is a coarse grid of coin tosses, enlarged bilinearly and shifted at random; what it
    covers is set to zero; the map is the mean of the masks weighted by the probability of the
    class, over the share of heads. The same masks are shown to all images. Each mask is one image
    forward: a quarter of an evaluation.

    Attributes
    ----------
    masks
        How many. The publication takes 4000 for VGG-16 and 8000 for ResNet-50; fewer leave more
        noise in the map.
    cells, heads
        Cells of the coarse grid along each side, and the chance that one is kept.
    outputs
        What the network gives: how that becomes probabilities.
    seed
        Of the masks.
    """

    masks: int = 1000
    cells: int = 7
    heads: float = 0.5
    outputs: Outputs = "softmax"
    seed: int = 0

    name = "rise"

    @torch.no_grad()
    def _explain(self, model: nn.Module, images: Tensor, targets: Tensor) -> Attribution:
        extent = (images.shape[-2], images.shape[-1])
        maps = images.new_zeros(len(images), 1, *extent)
        for drawn in random_masks(self.masks, extent, self.cells, self.heads, self.seed):
            mask = drawn.to(images)
            for index, image in enumerate(images):
                given = model(image * mask).reshape(len(mask), -1)
                shares = log_odds(given, self.outputs).sigmoid()
                share = shares[:, targets[index]].view(-1, 1, 1, 1)
                maps[index] += (share * mask).sum(0)
        maps = maps / (self.masks * self.heads)
        spent = torch.full((len(images),), FORWARD * self.masks, device=images.device)
        return Attribution(maps.float(), spent)


def random_masks(
    count: int, extent: tuple[int, int], cells: int, heads: float, seed: int
) -> Iterator[Tensor]:
    """Give RISE's masks (M, 1, H, W) in 0 to 1, `AT_ONCE` at a time.

    Parameters
    ----------
    count
        How many in all.
    extent
        Rows and columns of the image, in pixels.
    cells, heads
        Cells of the coarse grid along each side, and the share of them that is kept.
    seed
        Of the coin tosses and shifts.
    """
    generator = torch.Generator().manual_seed(seed)
    cell = [math.ceil(side / cells) for side in extent]
    large = [(cells + 1) * side for side in cell]
    for first in range(0, count, AT_ONCE):
        some = min(AT_ONCE, count - first)
        tosses = torch.rand(some, 1, cells, cells, generator=generator) < heads
        enlarged = F.interpolate(tosses.float(), large, mode="bilinear", align_corners=False)
        top = torch.randint(cell[0], (some,), generator=generator).tolist()
        left = torch.randint(cell[1], (some,), generator=generator).tolist()
        yield torch.stack(
            [
                mask[:, y : y + extent[0], x : x + extent[1]]
                for mask, y, x in zip(enlarged, top, left, strict=True)
            ]
        )


@dataclass(frozen=True)
class Occlusion(Method):
    """What the class's logit loses when a window is set to zero (Zeiler and Fergus 2014).

    By captum; signed. The window has a share of each side and moves by half of itself; a pixel
    has the mean over the windows that cover it. Each window, and the whole image, is one image
    forward: a quarter of an evaluation.

    Attributes
    ----------
    window
        Side of the window as a share of the image's.
    seed
        Changes nothing.
    """

    window: float = 0.125
    seed: int = 0

    name = "occlusion"

    @property
    def dimensions(self) -> tuple[int, ...]:
        """Images and volumes."""
        return (4, 5)

    @torch.no_grad()
    def _explain(self, model: nn.Module, images: Tensor, targets: Tensor) -> Attribution:
        captum = needed("captum.attr", "captum", self.name)
        extent = images.shape[2:]
        window = [max(1, round(self.window * side)) for side in extent]
        step = [max(1, side // 2) for side in window]
        places = [
            math.ceil((side - wide) / by) + 1
            for side, wide, by in zip(extent, window, step, strict=True)
        ]
        explain = captum.Occlusion(model)
        maps = [
            explain.attribute(
                image.unsqueeze(0),
                sliding_window_shapes=(images.shape[1], *window),
                strides=(images.shape[1], *step),
                target=target.view(1),
                perturbations_per_eval=AT_ONCE,
            )
            for image, target in zip(images, targets, strict=True)
        ]
        spent = FORWARD * (1 + math.prod(places))
        # All channels are covered at once, so that each has the whole difference.
        found = torch.cat(maps).mean(1, keepdim=True)
        return Attribution(found.float(), torch.full((len(images),), spent, device=images.device))
