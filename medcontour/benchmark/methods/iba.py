"""IBA: how many bits of each place the class needs (Schulz et al. 2020)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medcontour.benchmark.methods.base import BACKWARD, FORWARD, Attribution, Method, held
from medcontour.benchmark.methods.feature_layer import FeatureLayer, feature_layer, features
from medcontour.benchmark.methods.training_images import TrainingImages
from medcontour.errors import MedcontourError
from medcontour.explain.background import gaussian_blur
from medcontour.log_odds import Outputs, log_odds

__all__ = ["FeatureStatistics", "Iba", "capacity", "feature_statistics"]

OPEN = 5.0  # of alpha at the start: 0.993 of the features pass
RATE = 1.0  # of Adam
SMOOTH = 1.0  # standard deviation of the Gaussian on the share that passes, in places
LARGEST = 0.999  # share that passes: with all of it the bits would be infinite
LEAST = 0.01  # standard deviation of the noise
AT_ONCE = 32


@dataclass(frozen=True)
class FeatureStatistics:
    """What features look like over images: the noise of the bottleneck is drawn from it.

    Attributes
    ----------
    mean, std
        (channels, h, w), or (channels, d, h, w) of volumes.
    evaluations
        What it took: a quarter for each image.
    """

    mean: Tensor
    std: Tensor
    evaluations: float


@dataclass(frozen=True)
class Iba(Method):
    r"""Per-sample information bottleneck attribution: a map in bits.

    Features R of one layer are mixed with noise of their own mean and deviation,
    ``Z = lambda R + (1 - lambda) eps``, and lambda, the sigmoid of a parameter at each place and
    channel smoothed by a Gaussian, descends (Adam, rate 1) on
    ``-log p(class) + beta mean(KL(Z | R, noise))``. The map is the divergence that is left,
    summed over channels: how many bits pass at a place. It is enlarged bilinearly so that its sum
    stays about the number of bits.

    The noise has the mean and deviation of each feature over other images of the kind: give them
    as `statistics`, or the images as `training`. (Those of the image itself would not do: where
    the network averages the features, their mean alone tells the class.) Published are 10000
    images. Of a transformer only the patches' tokens pass through the bottleneck: what others hold
    already is not counted.

    Each step shows `samples` draws of noise, one image forward and backward each: half an
    evaluation; the features themselves take one forward, as does each image of the training, of
    which each explained image bears its part. Finding the layer is done once a batch and not
    counted.

    Attributes
    ----------
    steps, samples
        Of the descent, and draws of noise in each.
    beta
        Weight of the mean divergence.
    layer
        Name of the module whose output is restricted; None chooses it (see `feature_layer`). The
        publication takes one in the middle of the network.
    statistics
        Of the features of that layer over images (see `feature_statistics`).
    training
        Images to estimate them from at the first call, for the network of that call.
    outputs
        What the network gives: how that becomes probabilities.
    seed
        Of the noise, which is the same for all images.

    Raises
    ------
    MedcontourError
        For fewer than one step or sample, or a call without statistics or training images.
    """

    steps: int = 10
    samples: int = 10
    beta: float = 10.0
    layer: str | None = None
    statistics: FeatureStatistics | None = None
    training: TrainingImages | None = None
    outputs: Outputs = "softmax"
    seed: int = 0
    _estimated: list[FeatureStatistics] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    name = "iba"

    def __post_init__(self) -> None:
        if self.steps < 1 or self.samples < 1:
            raise MedcontourError(
                f"IBA cannot be made of {self.steps} steps and {self.samples} samples; "
                "give one or more of each."
            )

    @property
    def dimensions(self) -> tuple[int, ...]:
        """Images and volumes."""
        return (4, 5)

    def _explain(self, model: nn.Module, images: Tensor, targets: Tensor) -> Attribution:
        layer = feature_layer(model, images, targets, self.layer)
        statistics, before = self._statistics(model, layer)
        mode = "bilinear" if images.ndim == 4 else "trilinear"
        maps = []
        for image, target in zip(images, targets, strict=True):
            bits = self.bits(model, image, target, layer, statistics).sum(0)
            share = bits.numel() / image[0].numel()
            maps.append(
                share * F.interpolate(bits[None, None], image.shape[1:], mode=mode)  # of a pixel
            )
        spent = BACKWARD * self.steps * self.samples + FORWARD + before
        return Attribution(
            torch.cat(maps).float(), torch.full((len(images),), spent, device=images.device)
        )

    def bits(
        self,
        model: nn.Module,
        image: Tensor,
        target: Tensor,
        layer: FeatureLayer,
        statistics: FeatureStatistics,
    ) -> Tensor:
        """(channels, h, w) bits that pass, of one image (C, H, W) of a held network."""
        feature = features(model, image.unsqueeze(0), layer)[0]
        mean, std = _noise(statistics, feature)
        usual = (feature - mean) / std
        alpha = torch.full_like(feature, OPEN, requires_grad=True)
        descent = torch.optim.Adam([alpha], lr=RATE)
        generator = torch.Generator().manual_seed(self.seed)
        shown = image.expand(self.samples, *image.shape)
        for _ in range(self.steps):
            drawn = torch.randn(self.samples, *feature.shape, generator=generator).to(feature)
            passing = _passing(alpha)
            mixed = passing * feature + (1 - passing) * (mean + std * drawn)
            with restricted(model, layer, mixed):
                given = log_odds(model(shown).reshape(self.samples, -1), self.outputs)
            lost = F.softplus(-given[:, target]).mean()
            loss = lost + self.beta * capacity(passing, usual).mean()
            (alpha.grad,) = torch.autograd.grad(loss, alpha)
            descent.step()
        with torch.no_grad():
            return capacity(_passing(alpha), usual) / math.log(2)

    def _statistics(self, model: nn.Module, layer: FeatureLayer) -> tuple[FeatureStatistics, float]:
        """Those that are given, or estimated once; and what an image bears of that."""
        if self.statistics is not None:
            return self.statistics, 0.0
        if self.training is None:
            raise MedcontourError(
                "IBA has to learn from other images of the kind what features are usual; the "
                "tables do so by themselves, from Python give Iba(training=...) or statistics."
            )
        if not self._estimated:
            given, classes = self.training.given()
            self._estimated.append(feature_statistics(model, given, classes, layer.name))
        return self._estimated[0], self._estimated[0].evaluations / self.training.serves


def _noise(statistics: FeatureStatistics, feature: Tensor) -> tuple[Tensor, Tensor]:
    if statistics.mean.shape != feature.shape:
        raise MedcontourError(
            f"The statistics are of features {tuple(statistics.mean.shape)}, those of the image "
            f"are {tuple(feature.shape)}; estimate them at the same layer and image size."
        )
    return statistics.mean.to(feature), statistics.std.to(feature).clamp_min(LEAST)


def capacity(passing: Tensor, usual: Tensor) -> Tensor:
    """Divergence of what passes from noise alone, in nats (Eq. 6 of the publication).

    Parameters
    ----------
    passing
        Share of the feature in the mixture, 0 to below 1.
    usual
        The feature less its mean, over its standard deviation.

    Examples
    --------
    >>> capacity(torch.tensor([0.0, 0.5]), torch.tensor([3.0, 0.0]))
    tensor([0.0000, 0.3181])
    """
    variance = (1 - passing).square()
    return 0.5 * ((passing * usual).square() + variance - variance.log() - 1)


def feature_statistics(
    model: nn.Module, images: Tensor, targets: Tensor, layer: str | None = None
) -> FeatureStatistics:
    """Estimate mean and standard deviation of each feature over images of the kind.

    Parameters
    ----------
    model
        Left as it came.
    images
        (N, C, H, W), as the network takes them; two or more.
    targets
        (N,) classes, by which the layer is chosen where none is named.
    layer
        As `Iba` takes it.

    Raises
    ------
    MedcontourError
        For a single image, or a layer without a feature map.
    """
    if len(images) < 2:
        raise MedcontourError("One image has no deviation; give two or more.")
    with held(model, images):
        chosen = feature_layer(model, images, targets, layer)
        parts = torch.split(images, AT_ONCE)
        found = torch.cat([features(model, some, chosen) for some in parts])
    return FeatureStatistics(found.mean(0), found.std(0), FORWARD * len(images))


@contextmanager
def restricted(model: nn.Module, layer: FeatureLayer, given: Tensor) -> Iterator[None]:
    """Have a layer give other features (B, channels, h, w) than its own.

    Tokens that lie at no place stay as they are.
    """

    def hook(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        # Features are picked out of the output; the transpose of that lays them back.
        own, laid_back, *_ = torch.func.vjp(layer.to_map, output)
        change: Tensor = laid_back(given - own)[0]
        return output + change

    handle = model.get_submodule(layer.name).register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def _passing(alpha: Tensor) -> Tensor:
    """(channels, h, w) shares that pass."""
    sigma = (SMOOTH,) * (alpha.ndim - 1)
    return gaussian_blur(alpha.sigmoid().unsqueeze(0), sigma)[0].clamp_max(LARGEST)
