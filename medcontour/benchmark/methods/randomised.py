"""Does a map depend on what the network has learnt? (Adebayo et al. 2018)."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor, nn

from medcontour.benchmark.methods.base import Explainer, attribution

__all__ = ["LayerSimilarity", "likeness", "randomised", "similarity_under_randomisation"]


@dataclass(frozen=True)
class LayerSimilarity:
    """How like the maps of the trained network those of a randomised one are.

    Attributes
    ----------
    layer
        The lowest layer that was re-initialised; all above it were too.
    iou
        Mean over images of the intersection over union of where the positive part of a map is
        above halfway between its smallest and its largest value: of a contour, the contour
        itself. 0 where either map's positive part is constant.
    rank_correlation
        Mean over images of Spearman's correlation of the maps' pixels, ties at their mean rank.
        0 where a map is constant.
    """

    layer: str
    iou: float
    rank_correlation: float


def randomised(
    model: nn.Module, layers: int | None = None, *, seed: int = 0
) -> Iterator[tuple[str, nn.Module]]:
    """Give copies of a network, re-initialised layer by layer from the top (cascading).

    A layer is a module with parameters of its own; the top is the one registered last. It is
    re-initialised as it initialises itself (running statistics too); parameters of a module that
    cannot do so are drawn from a normal distribution of their own mean and deviation.

    Parameters
    ----------
    model
        Not changed, nor is torch's random state.
    layers
        How many layers from the top; None goes down to the bottom.
    seed
        Of the new weights.

    Yields
    ------
    tuple
        Name of the layer re-initialised last, and a copy in which it and those above it are.

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2))
    >>> [name for name, copied in randomised(network)]
    ['3', '0']
    """
    names = [name for name, module in model.named_modules() if module._parameters]
    current = copy.deepcopy(model)
    devices = [p.device for p in model.parameters() if p.device.type == "cuda"][:1]
    for depth, name in enumerate(reversed(names)):
        if layers is not None and depth >= layers:
            return
        with torch.random.fork_rng(devices), torch.no_grad():
            torch.manual_seed(seed + depth)
            _reinitialise(current.get_submodule(name))
        yield name, copy.deepcopy(current)


def _reinitialise(module: nn.Module) -> None:
    for way in ("reset_parameters", "_reset_parameters"):
        if hasattr(module, way):
            getattr(module, way)()
            return
    for parameter in module.parameters(recurse=False):
        spread = parameter.std(correction=0)
        parameter.copy_(parameter.mean() + spread * torch.randn_like(parameter))


def similarity_under_randomisation(
    method: Explainer,
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    *,
    layers: int | None = None,
    seed: int = 0,
) -> list[LayerSimilarity]:
    """Compare the maps of a network with those after each step of `randomised`.

    A method that explains what the network has learnt moves away; one that only shows the image's
    edges does not.

    Parameters
    ----------
    method
        One of ours, or a function of your own.
    model, images, targets
        As the method takes them.
    layers, seed
        As of `randomised`.

    Returns
    -------
    list of LayerSimilarity
        One a layer, from the top.
    """
    original = attribution(method, model, images, targets).maps
    found = []
    for name, changed in randomised(model, layers, seed=seed):
        found.append(likeness(name, original, attribution(method, changed, images, targets).maps))
    return found


def likeness(name: str, first: Tensor, second: Tensor) -> LayerSimilarity:
    """Give how like two batches of maps (B, 1, H, W) are, under a layer's name."""
    pairs = [_ranked(one, other) for one, other in zip(first, second, strict=True)]
    overlap = _overlap(first.flatten(1), second.flatten(1))
    return LayerSimilarity(name, float(overlap.mean()), float(np.mean(pairs)))


def _overlap(one: Tensor, other: Tensor) -> Tensor:
    """(B,) intersection over union of the regions above halfway."""
    first, second = _above(one), _above(other)
    return (first & second).sum(1) / (first | second).sum(1).clamp_min(1)


def _above(maps: Tensor) -> Tensor:
    positive = maps.clamp_min(0)
    low, high = positive.amin(1, keepdim=True), positive.amax(1, keepdim=True)
    return positive > (low + high) / 2


def _ranked(one: Tensor, other: Tensor) -> float:
    """Spearman's correlation of two maps."""
    first, second = (rankdata(values.flatten().cpu().numpy()) for values in (one, other))
    if first.std() == 0 or second.std() == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])
