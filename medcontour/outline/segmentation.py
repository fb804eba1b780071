"""A small segmentation network on top of a classifier's own encoder, or a plain U-Net."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["PLAIN", "SegmentationNetwork", "device_of", "segmentation_network"]

WIDTHS = (32, 48, 80)
"""Channels of the decoder, from the finest stage to the coarsest."""

STRIDES = (4, 8, 16)
"""Strides of the stages that the decoder takes; the first is that of the map."""

PLAIN_WIDTHS = (16, 24, 32, 64, 96)
"""Channels of the plain U-Net's encoder, at strides 1, 2, 4, 8 and 16."""

PLAIN = tuple(f"levels.{math.log2(stride):.0f}" for stride in STRIDES)
"""The stages of the plain U-Net's encoder."""


class SegmentationNetwork(nn.Module):
    """Log-odds that the finding is at each pixel of a coarse map.

    Parameters
    ----------
    encoder
        What gives features: a copy of a classifier's network, or of `PlainEncoder`.
    stages
        Names of the encoder's modules whose outputs the decoder takes, the finest first.
    channels
        Channels of each of these.
    """

    def __init__(self, encoder: nn.Module, stages: Sequence[str], channels: Sequence[int]) -> None:
        super().__init__()
        self.encoder = encoder
        self.stages = tuple(stages)
        self.channels = tuple(channels)
        widths = WIDTHS[: len(stages)]
        self.decoder = nn.ModuleList(
            _block(own + coarser, width)
            for own, coarser, width in zip(channels, (*widths[1:], 0), widths, strict=True)
        )
        self.head = nn.Conv2d(widths[0], 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 1, h, w) log-odds for (B, C, H, W) images; h, w are those of the finest stage."""
        features = self.features(images)
        x = self.decoder[-1](features[-1])
        for own, block in list(zip(features, self.decoder, strict=True))[-2::-1]:
            x = F.interpolate(x, own.shape[-2:], mode="bilinear", align_corners=False)
            x = block(torch.cat([own, x], 1))
        logits: Tensor = self.head(x)
        return logits

    def features(self, images: Tensor) -> list[Tensor]:
        """(B, channels, h, w) of each stage for (B, C, H, W) images, the finest first."""
        return _features(self.encoder, self.stages, images)


class PlainEncoder(nn.Module):
    """The encoder of a plain U-Net, where a classifier's own stages cannot be found."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        pairs = zip((channels, *PLAIN_WIDTHS), PLAIN_WIDTHS, strict=False)
        self.levels = nn.ModuleList(_block(*pair) for pair in pairs)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) images to the coarsest features."""
        x = images
        for level, block in enumerate(self.levels):
            x = block(F.max_pool2d(x, 2) if level else x)
        return x


def segmentation_network(
    network: nn.Module, shape: Sequence[int], stages: Sequence[str] | None = None
) -> SegmentationNetwork:
    """Give a network whose encoder is a copy of a classifier's, its decoder untrained.

    Parameters
    ----------
    network
        The classifier's own. What is given stands on its device.
    shape
        (C, H, W) of an input: the network's stages are found with one.
    stages
        Names of the stages; by default those found, and `PLAIN` where less than two are.

    Raises
    ------
    LookupError
        Where the network has no such stages.

    Examples
    --------
    >>> network = nn.Sequential(*(nn.Conv2d(n, n + 1, 3, 2, 1) for n in range(1, 6)))
    >>> segmentation_network(network, (1, 64, 64)).stages
    ('1', '2', '3')
    >>> segmentation_network(nn.Flatten(), (1, 64, 64)).stages == PLAIN
    True
    """
    device = device_of(network)
    found = {} if stages == PLAIN else _stages_of(network, torch.zeros(1, *shape, device=device))
    if stages is None:
        stages = tuple(found) if len(found) >= 2 else PLAIN
    encoder: nn.Module
    if stages == PLAIN:
        encoder = PlainEncoder(shape[0])
        found = dict(zip(PLAIN, PLAIN_WIDTHS[-len(PLAIN) :], strict=True))
    else:
        encoder = copy.deepcopy(network)
        for parameter in encoder.parameters():
            parameter.requires_grad_(parameter.is_floating_point())
    channels = [found[name] for name in stages]
    return SegmentationNetwork(encoder, stages, channels).to(device)


def device_of(network: nn.Module) -> torch.device:
    """Give where a network stands; the processor for one without weights."""
    tensors = itertools.chain(network.parameters(), network.buffers())
    return next((tensor.device for tensor in tensors), torch.device("cpu"))


@torch.no_grad()
def _stages_of(network: nn.Module, images: Tensor) -> dict[str, int]:
    """Modules that give the last features at each of `STRIDES`, by name, with their channels."""
    if any(isinstance(module, torch.jit.ScriptModule) for module in network.modules()):
        return {}  # scripted modules take no hooks
    found: dict[int, tuple[str, int]] = {}

    def seen(name: str, output: object) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and min(output.shape[-2:]) > 1:
            area = math.prod(images.shape[-2:]) / math.prod(output.shape[-2:])
            for stride in STRIDES:
                if abs(math.log2(area) / 2 - math.log2(stride)) < 0.25:
                    found[stride] = name, output.shape[1]

    with _hooked(network, [name for name, _ in network.named_modules() if name], seen):
        network(images)
    return {name: channels for _, (name, channels) in sorted(found.items())}


def _features(network: nn.Module, names: Sequence[str], images: Tensor) -> list[Tensor]:
    """What the modules of these names give on the way through a network."""
    kept: dict[str, Tensor] = {}

    def seen(name: str, output: object) -> None:
        assert isinstance(output, Tensor)  # it was when the stages were found
        kept[name] = output

    with _hooked(network, names, seen):
        network(images)
    return [kept[name] for name in names]


@contextmanager
def _hooked(
    network: nn.Module, names: Sequence[str], seen: Callable[[str, object], None]
) -> Iterator[None]:
    """Call `seen` with the name and the output of each module of these names as it is run."""
    modules = dict(network.named_modules())
    handles = []
    try:
        for name in names:

            def hook(_module: nn.Module, _given: object, output: object, name: str = name) -> None:
                seen(name, output)

            handles.append(modules[name].register_forward_hook(hook))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _block(channels: int, out: int) -> nn.Sequential:
    """Two 3 x 3 convolutions with batch norm."""
    layers: list[nn.Module] = []
    for given in (channels, out):
        layers.append(nn.Conv2d(given, out, 3, padding=1, bias=False))
        layers += [nn.BatchNorm2d(out), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
