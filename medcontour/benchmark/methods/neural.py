"""Amortised masks: a network that predicts the mask, NEM-U and NEMt (Møller et al. 2024, 2025)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medcontour.benchmark.methods.area_term import area_term, sorted_mask
from medcontour.benchmark.methods.base import (
    BACKWARD,
    FORWARD,
    Attribution,
    Method,
    held,
    target_scores,
)
from medcontour.benchmark.methods.plane_network import PlaneNetwork, check_training
from medcontour.benchmark.methods.relax import embedding
from medcontour.benchmark.methods.smooth_mask import blur_pyramid, sharpened
from medcontour.benchmark.methods.training_images import TrainingImages
from medcontour.errors import MedcontourError

__all__ = ["MaskNetwork", "NeuralMask", "trained_mask_network"]

RATE, BATCH = 2e-3, 8
SLOW_START = 100.0  # what divides the weight of the area term at the first step
COSINE = 30.0  # what a cosine is multiplied by, to stand beside the logits of NEMt


@dataclass(frozen=True)
class NeuralMask(Method):
    r"""The mask of a given area that a small U-Net predicts, trained on other images.

    The U-Net sees the image (its shorter side shrunk to 64 pixels) and, of NEMt, the class; what it
    predicts is enlarged bilinearly. It is trained on images of the kind by the objective of
    `ImplicitMask`, ``lambda mean((sorted mask - r_a)^2) - score`` with all that the mask does not
    keep blurred: the score is the class's logit (NEMt, targeted), or 30 times the cosine between
    the embeddings of what is kept and of the image (NEM-U, of which no class has a part; the
    embedding is that of `Relax`). Published are other networks and an L1 term in place of a
    fixed area.

    Training takes `steps` batches of eight images forward and backward, and with NEM-U each
    training image once forward; each explained image bears its part of that. Predicting takes no
    pass of the classifier.

    Attributes
    ----------
    targeted
        NEMt, or else NEM-U.
    training
        The images; the U-Net is trained at the first call, for the network of that call.
    area
        Share of the image.
    steps
        Of the training.
    weight
        Lambda at the last step; at the first it is a hundredth.
    seed
        Of first weights and batches.

    Raises
    ------
    MedcontourError
        For an area outside 0 to 1, fewer than one step, or a call without training images.
    """

    targeted: bool = True
    training: TrainingImages | None = None
    area: float = 0.1
    steps: int = 400
    weight: float = 300.0
    seed: int = 0
    _trained: list[tuple[MaskNetwork, float]] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    together = 8

    def __post_init__(self) -> None:
        if not 0 < self.area < 1 or self.steps < 1:
            raise MedcontourError(
                f"A mask of the area {self.area:g} is not learned in {self.steps} steps; give a "
                "share of the image between 0 and 1, and one step or more."
            )

    @property
    def name(self) -> str:  # type: ignore[override]
        """As the tables call it."""
        return "nemt" if self.targeted else "nem-u"

    def _explain(self, model: nn.Module, images: Tensor, targets: Tensor) -> Attribution:
        if self.training is None:
            raise MedcontourError(
                f'The method "{self.name}" has to be trained on other images of the kind; the '
                "tables do so by themselves, from Python give NeuralMask(training=...)."
            )
        if self.targeted and hasattr(model, "image_embedding"):
            raise MedcontourError("NEMt needs a class, and an embedding has none; take nem-u.")
        if not self._trained:
            given, classes = self.training.given()
            self._trained.append(trained_mask_network(self, model, given, classes))
        network, spent = self._trained[0]
        with torch.no_grad():
            maps = network(images, targets).unsqueeze(1)
        part = torch.full((len(images),), spent / self.training.serves, device=images.device)
        return Attribution(maps.float(), part)


class MaskNetwork(nn.Module):
    """From images and classes to masks, by a `PlaneNetwork`.

    Parameters
    ----------
    images
        (N, C, H, W) of the training, whose mean and spread it knows.
    classes
        How many it tells apart; 0: it is told none.
    area
        Share of the image that a mask has where nothing speaks.
    """

    def __init__(self, images: Tensor, classes: int, area: float) -> None:
        super().__init__()
        self.planes = PlaneNetwork(images, classes, 1)
        self.start = math.log(area / (1 - area))

    def forward(self, images: Tensor, targets: Tensor) -> Tensor:
        """(B, C, H, W) and (B,) to masks (B, H, W) in 0 to 1."""
        coarse = (self.planes(images, targets) + self.start).sigmoid()
        extent = (images.shape[-2], images.shape[-1])
        return F.interpolate(coarse, extent, mode="bilinear", align_corners=False)[:, 0]


def trained_mask_network(
    method: NeuralMask, model: nn.Module, images: Tensor, targets: Tensor
) -> tuple[MaskNetwork, float]:
    """Train a mask network for a classifier.

    Parameters
    ----------
    method
        Whose settings are taken.
    model
        The classifier, left as it came.
    images, targets
        (N, C, H, W) and (N,): of the kind that is to be explained.

    Returns
    -------
    tuple
        The network, and the evaluations that its training took.

    Raises
    ------
    MedcontourError
        For no images, or such of fewer than 16 rows or columns.
    """
    check_training(images)
    with held(model, images):
        torch.manual_seed(method.seed)
        with torch.no_grad():
            classes = model(images[:1]).reshape(1, -1).shape[1] if method.targeted else 0
        network = MaskNetwork(images, classes, method.area).to(images.device).train()
        score, before = _score(method, model, images, targets)
        descent = torch.optim.Adam(network.parameters(), lr=RATE)
        order = torch.Generator().manual_seed(method.seed)
        wanted = sorted_mask(method.area, images.shape[-2] * images.shape[-1], images)
        for step in range(method.steps):
            which = torch.randint(len(images), (BATCH,), generator=order).to(images.device)
            mask = network(images[which], targets[which])
            kept = score(sharpened(blur_pyramid(images[which]), mask), which)
            weight = method.weight * SLOW_START ** (step / method.steps - 1)
            loss = (weight * area_term(mask, wanted) - kept).mean()
            slopes = torch.autograd.grad(loss, list(network.parameters()))
            for parameter, slope in zip(network.parameters(), slopes, strict=True):
                parameter.grad = slope
            descent.step()
    return network.eval().requires_grad_(False), before + BACKWARD * BATCH * method.steps


def _score(
    method: NeuralMask, model: nn.Module, images: Tensor, targets: Tensor
) -> tuple[Callable[[Tensor, Tensor], Tensor], float]:
    """What is to be high of (B, C, H, W) variants of the images `which`, and its evaluations."""
    if method.targeted:
        return lambda shown, which: target_scores(model, shown, targets[which]), 0.0
    embed = embedding(model, images)
    with torch.no_grad():
        own = torch.cat([embed(some) for some in torch.split(images, BATCH)])
    return (
        lambda shown, which: COSINE * torch.cosine_similarity(embed(shown), own[which]),
        FORWARD * len(images),
    )
