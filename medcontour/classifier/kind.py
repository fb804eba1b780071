"""What a network takes: planes, volumes, or stacks whose slices it pools over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import nn

from medcontour.classifier.channels import COLOURS
from medcontour.classifier.monai_transforms import default_transforms
from medcontour.classifier.network import NetworkClassifier
from medcontour.classifier.protocol import Prepared
from medcontour.classifier.volume_network import SliceNetwork, VolumeNetwork
from medcontour.errors import MedcontourError

__all__ = ["kind_of", "shown"]

_PLANES = (224, 64, 96, 128, 256, 299, 512, 32, 28)
_VOLUMES = (64, 96, 32, 128)
"""Sides of the planes and volumes that are made up to see what a network takes and gives."""

_SLICES = 8
"""Slices of a stack that is made up for a network that pools over them."""


def shown(network: NetworkClassifier, *, smallest_first: bool = False) -> Iterator[Prepared]:
    """Give planes, or volumes, made up here that pass through a network, as it takes them."""
    generator = np.random.default_rng(0)
    volumes = isinstance(network, VolumeNetwork)
    deep = _SLICES if isinstance(network, SliceNetwork) else None
    sides = _VOLUMES if volumes else _PLANES
    for side in sorted(sides) if smallest_first else sides:
        shapes = ((side, side, deep or side),) if volumes else ((side, side), (side, side, COLOURS))
        for shape in shapes:
            values = generator.integers(0, 256, shape).astype(np.float32)
            try:
                yield (
                    network.prepare_volume(values, np.eye(4))
                    if isinstance(network, VolumeNetwork)
                    else network.prepare(values, (1.0, 1.0))
                )
            except (MedcontourError, torch.OutOfMemoryError):  # so large nobody's image need be
                continue


def kind_of(
    network: nn.Module, preprocessing: Callable[..., Any] | None, device: torch.device
) -> type[NetworkClassifier]:
    """Find out whether a network is one of planes, of volumes, or of slices that it pools over.

    Its convolutions say so, but for those over two axes, which may work on the slices of a stack:
    such a network is run on empty ones. Where it has none, or some of either kind (transformers,
    frozen TorchScript), it is shown planes and volumes that are made up.

    Parameters
    ----------
    network, device
        As of `NetworkClassifier`.
    preprocessing
        None where it comes without.

    Returns
    -------
    type
        `NetworkClassifier`, `VolumeNetwork` or `SliceNetwork`.
    """
    axes = {weight.ndim for weight in network.parameters()}
    if 5 in axes and 4 not in axes:  # a convolution over two axes has weights of four
        return VolumeNetwork

    def made(kind: type[NetworkClassifier]) -> NetworkClassifier:
        axes = 2 if kind is NetworkClassifier else 3
        steps = default_transforms(axes) if preprocessing is None else preprocessing
        return kind(network, (), preprocessing=steps, outputs="embedding", device=device)

    stacks = (VolumeNetwork, SliceNetwork)
    if 4 in axes and 5 not in axes:
        found = next((kind for kind in stacks if _takes_any(made(kind), 1, 5)), None)
        if found is None or _takes_any(made(NetworkClassifier), 2):
            return NetworkClassifier
        return found
    kinds = (NetworkClassifier, *stacks)
    taken = (kind for kind in kinds if next(shown(made(kind), smallest_first=True), None))
    return next(taken, NetworkClassifier)


def _takes_any(network: NetworkClassifier, count: int, *slices: int) -> bool:
    """Whether a network takes planes, or stacks, of any size; fast where it does not."""
    for side, channels in product(_PLANES, (1, COLOURS)):
        with suppress(torch.OutOfMemoryError):  # so large nobody's image need be
            if network._takes(torch.zeros(count, channels, *slices, side, side)):
                return True
    return False
