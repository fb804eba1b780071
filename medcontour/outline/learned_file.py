"""Files of learned outliners: weights and a model card, as safetensors; no image is in them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from medcontour.errors import MedcontourError
from medcontour.files import replacing
from medcontour.limits import check_file
from medcontour.outline.segmentation import SegmentationNetwork, segmentation_network

__all__ = ["SCHEMA", "read_card", "read_networks", "write_networks"]

SCHEMA = "medcontour/learned/2"
CARD = "medcontour"
"""The key of the file's metadata under which the card stands, as JSON."""


def write_networks(
    path: Path,
    networks: Sequence[SegmentationNetwork],
    shape: Sequence[int],
    card: Mapping[str, Any],
) -> None:
    """Write networks that have the same stages, with a card of plain values.

    Parameters
    ----------
    path
        The file.
    networks
        One or more.
    shape
        (C, H, W) of the inputs that they were trained on.
    card
        What the file says of itself beside these.
    """
    tensors = {
        f"{n}.{name}": tensor.cpu().contiguous().clone()
        for n, network in enumerate(networks)
        for name, tensor in network.state_dict().items()
    }
    own = {
        "schema": SCHEMA,
        "networks": len(networks),
        "stages": networks[0].stages,
        "inputs": list(shape),
    }
    with replacing(path) as partial:
        save_file(tensors, partial, {CARD: json.dumps({**own, **card})})


def read_card(path: Path) -> dict[str, Any]:
    """Read what a file says of itself.

    Raises
    ------
    MedcontourError
        Where there is no such file, or it is another.
    """
    check_file(path)
    if not path.is_file():
        raise MedcontourError(f"There is no file {path}; `medcontour learn` makes one.")
    try:
        with safe_open(path, "pt") as file:
            card = json.loads((file.metadata() or {})[CARD])
        if card["schema"] != SCHEMA or int(card["networks"]) < 1:
            raise ValueError
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise MedcontourError(
            f"{path} is no learned outliner that this version reads; give a file that "
            "`medcontour learn` wrote."
        ) from error
    return dict(card)


def read_networks(
    path: Path, network: nn.Module
) -> tuple[tuple[SegmentationNetwork, ...], dict[str, Any]]:
    """Read what `write_networks` wrote.

    Parameters
    ----------
    path
        The file.
    network
        That of the classifier which was learned with.

    Returns
    -------
    The networks, in ``eval`` mode, where the classifier's stands; and the card.

    Raises
    ------
    MedcontourError
        Where there is no such file, it is another, or it does not fit the network.
    """
    card = read_card(path)
    try:
        stages = tuple(str(name) for name in card["stages"])
        shape = tuple(int(size) for size in card["inputs"])
        made = [segmentation_network(network, shape, stages) for _ in range(card["networks"])]
        with safe_open(path, "pt") as file:
            names = file.keys()
            for n, each in enumerate(made):
                own = [name for name in names if name.startswith(f"{n}.")]
                each.load_state_dict({k.partition(".")[2]: file.get_tensor(k) for k in own})
    except (LookupError, RuntimeError, TypeError, ValueError, SafetensorError) as error:
        raise MedcontourError(
            f"{path} does not fit this classifier's network; learn again with this classifier."
        ) from error
    return tuple(each.eval().requires_grad_(False) for each in made), card
