"""How many channels a network takes, found out by asking it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from medcontour.classifier.monai_transforms import MonaiTransforms
from medcontour.classifier.protocol import Prepared
from medcontour.errors import MedcontourError

__all__ = [
    "Way",
    "prepared_ways",
    "refuse_channels",
    "refuse_unbatched_volumes",
    "refuse_volumes",
    "volumes_refused",
]

Plane = npt.NDArray[np.float32]
COLOURS = 3
_TRIED = range(1, 13)
_DEEP = 32
"""Planes of a volume that is made up to see whether a network takes one."""


@dataclass(frozen=True)
class Way:
    """One way from a plane to a network's input.

    Attributes
    ----------
    as_colour
        The preprocessing gets a grey plane as a file of three equal channels.
    channels_first
        It gets (channels, rows, columns), as a data set that cuts patches gives them, and not
        what ``LoadImage`` gives.
    repeated
        The one channel that it gives is repeated to three.
    """

    as_colour: bool = False
    channels_first: bool = False
    repeated: bool = False

    def __call__(
        self, preparation: Any, plane: Plane, pixel_spacing: tuple[float, float]
    ) -> Prepared:
        """Prepare a plane this way."""
        if self.as_colour and plane.ndim == 2:
            plane = np.stack([plane] * COLOURS, -1)
        made: Prepared = (
            preparation(plane, pixel_spacing, channels_first=True)
            if self.channels_first
            else preparation(plane, pixel_spacing)
        )
        return self.repeat(made) if self.repeated else made

    def repeat(self, made: Prepared) -> Prepared:
        """Repeat one channel to three."""
        return Prepared(made.tensor.expand(COLOURS, -1, -1), made.index_from_input)


def prepared_ways(
    preparation: Any, plane: Plane, pixel_spacing: tuple[float, float]
) -> Iterator[tuple[Way, Prepared | MedcontourError]]:
    """Prepare a plane in each way that may be meant, the likeliest first, or say why not."""
    grey = plane.ndim == 2
    patches = isinstance(preparation, MonaiTransforms) and preparation.takes_patches
    layouts = (False, True) if patches else (False,)
    for channels_first in layouts:
        for as_colour in (False, True) if grey else (False,):
            way = Way(as_colour, channels_first)
            try:
                made = way(preparation, plane, pixel_spacing)
            except MedcontourError as error:
                yield way, error
                continue
            if as_colour and len(made.tensor) not in (1, COLOURS):
                continue  # colour was not what it wanted
            yield way, made
            if grey and not as_colour and len(made.tensor) == 1:
                repeated = Way(as_colour, channels_first, repeated=True)
                yield repeated, repeated.repeat(made)


def refuse_volumes(network: nn.Module, name: str) -> None:
    """Refuse a network whose convolutions run over three axes, and none over two.

    Raises
    ------
    MedcontourError
        For such a network.
    """
    axes = {weight.ndim for weight in network.parameters()}
    if 5 in axes and 4 not in axes:
        raise volumes_refused(name)


def refuse_unbatched_volumes(takes: Callable[[Tensor], bool], tensor: Tensor, name: str) -> None:
    """Refuse a network that takes a plane's channels for the depth of a volume, or for its slices.

    Convolutions over three axes take four axes for one volume without the batch's; two planes
    together they do not take. So do convolutions over two axes whose network pools over slices.

    Parameters
    ----------
    takes
        Whether the network takes an input, with its batch's axis.
    tensor
        (channels, height, width), which it takes by itself.
    name
        What people call the network.

    Raises
    ------
    MedcontourError
        For such a network.
    """
    if not takes(tensor.expand(2, -1, -1, -1)) and _takes_volume(takes, tensor):
        raise volumes_refused(name)


def refuse_channels(
    takes: Callable[[Tensor], bool], tensor: Tensor, colour: bool, name: str
) -> None:
    """Say how many channels a network takes instead of those of `tensor`, where it takes any.

    Parameters
    ----------
    takes
        Whether the network takes an input, with its batch's axis.
    tensor
        (channels, height, width), or of a volume (channels, depth, height, width), which it does
        not take.
    colour
        Whether the image has colour.
    name
        What people call the network.

    Raises
    ------
    MedcontourError
        When another number of channels, or a volume in place of a plane, is taken.
    """
    given = len(tensor)
    wanted = [count for count in _TRIED if takes(tensor[:1].expand(1, count, *tensor.shape[1:]))]
    if wanted:
        remedy = (
            "save the image in greyscale, or give a preprocessing that makes one channel of it"
            if colour and wanted[0] == 1
            else "choose planes or a preprocessing with as many channels as the network takes"
            if colour or (wanted[0] <= COLOURS and wanted[0] != 2)
            else "it was made for several images of one place (modalities, phases, a mask), of "
            "which a scan has one: give a network of one image"
        )
        source = "the image has colour and its preprocessing" if colour else "its preprocessing"
        raise MedcontourError(
            f"{name} takes {wanted[0]} channel(s), but {source} gives {given}; {remedy}."
        )
    if tensor.ndim == 3 and _takes_volume(takes, tensor):
        raise volumes_refused(name)


def _takes_volume(takes: Callable[[Tensor], bool], tensor: Tensor) -> bool:
    """Whether a network takes volumes, with their slices after the channels or before them."""
    volume = tensor[:1].expand(1, 1, _DEEP, -1, -1)
    return takes(volume) or takes(volume.transpose(1, 2))


def volumes_refused(name: str) -> MedcontourError:
    """Say that a network takes volumes where planes are what is worked on."""
    return MedcontourError(
        f"{name} takes volumes (its convolutions run over three axes, or it pools over slices), "
        "and this works on planes; give a network of planes (2D), or explain the whole stack with "
        "`medcontour suggest`."
    )
