"""Integrated gradients and gradient SHAP, by captum."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from medcontour.benchmark.methods.base import BACKWARD, Attribution, Method, needed, seed_all

__all__ = ["GradientShap", "IntegratedGradients"]

AT_ONCE = 25


@dataclass(frozen=True)
class IntegratedGradients(Method):
    """Gradients along the straight path from an image of zeros (Sundararajan et al. 2017).

    By captum; signed, summed over channels, so that a map sums to the difference of the class's
    logit between the image and zeros. Each point of the path is one image forward and backward:
    half an evaluation.

    Attributes
    ----------
    steps
        Points of the Gauss-Legendre rule on the path.
    seed
        Changes nothing.
    """

    steps: int = 50
    seed: int = 0

    name = "integrated-gradients"

    @property
    def dimensions(self) -> tuple[int, ...]:
        """Images and volumes."""
        return (4, 5)

    def _explain(self, model: nn.Module, images: Tensor, targets: Tensor) -> Attribution:
        captum = needed("captum.attr", "captum", self.name)
        explain = captum.IntegratedGradients(model)
        maps = [
            explain.attribute(
                image.unsqueeze(0).requires_grad_(True),
                target=target.view(1),
                n_steps=self.steps,
                internal_batch_size=AT_ONCE,
            )
            for image, target in zip(images, targets, strict=True)
        ]
        spent = torch.full((len(images),), BACKWARD * self.steps, device=images.device)
        return Attribution(torch.cat(maps).detach().sum(1, keepdim=True).float(), spent)


@dataclass(frozen=True)
class GradientShap(Method):
    """Expected gradients between noisy copies and two flat images (Lundberg and Lee 2017).

    By captum; signed, summed over channels. Baselines are zeros and the image's own mean colour,
    the noise has a tenth of the image's own standard deviation. Each sample is one image forward
    and backward: half an evaluation. Every image is given the same draws, so that its map does
    not depend on the batch that it comes in.

    Attributes
    ----------
    samples
        Draws an image.
    seed
        Of the draws.
    """

    samples: int = 20
    seed: int = 0

    name = "gradient-shap"

    @property
    def dimensions(self) -> tuple[int, ...]:
        """Images and volumes."""
        return (4, 5)

    def _explain(self, model: nn.Module, images: Tensor, targets: Tensor) -> Attribution:
        captum = needed("captum.attr", "captum", self.name)
        explain = captum.GradientShap(model)
        maps = []
        for image, target in zip(images, targets, strict=True):
            seed_all(self.seed)
            own = image.unsqueeze(0)
            flat = own.mean(tuple(range(2, own.ndim)), keepdim=True).expand_as(own)
            found = explain.attribute(
                own.clone().requires_grad_(True),
                baselines=torch.cat([torch.zeros_like(own), flat]),
                target=target.view(1),
                n_samples=self.samples,
                stdevs=0.1 * float(own.std()),
            )
            maps.append(found.detach())
        spent = torch.full((len(images),), BACKWARD * self.samples, device=images.device)
        return Attribution(torch.cat(maps).sum(1, keepdim=True).float(), spent)
