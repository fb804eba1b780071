"""Weights and TorchScript networks, read from files."""

from __future__ import annotations

import json
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from medcontour.errors import MedcontourError

__all__ = ["load_weights", "read_torchscript"]

_CHECKPOINT_KEYS = ("state_dict", "model_state_dict", "model", "network", "net")


def load_weights(network: nn.Module, path: Path) -> None:
    """Load a file of weights into a network.

    Parameters
    ----------
    network
        Takes the weights, in its own number format.
    path
        A ``.safetensors`` file, or a state dict saved by ``torch.save``, by itself or in a
        checkpoint under "state_dict", "model_state_dict", "model", "network" or "net". A prefix
        "module." on its names is left out. It is read with ``weights_only=True``.

    Raises
    ------
    MedcontourError
        When the file is missing, holds something else than weights, or does not fit.
    """
    state = _read_state(path)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        wanted, given = set(network.state_dict()), set(state)
        raise MedcontourError(
            f"The weights in {path} do not fit the network ({len(wanted - given)} of its "
            f"{len(wanted)} tensors are missing, {len(given - wanted)} are unknown to it, "
            f"{_misshapen(network, state)} have another shape); give the network that they were "
            "trained with."
        ) from error


def read_torchscript(path: Path, device: torch.device) -> tuple[nn.Module, dict[str, Any]]:
    """Read a TorchScript network, and the JSON files that MONAI's export stores with it.

    Returns
    -------
    tuple of Module and dict
        The network in evaluation mode, and the contents of "metadata.json" and "inference.json"
        by their names, where the file has them.

    Raises
    ------
    MedcontourError
        When the file is missing or is no TorchScript.
    """
    _check_file(path)
    extra = {"metadata.json": "", "inference.json": ""}
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*torch.jit.*deprecated.*")
            network = torch.jit.load(  # type: ignore[no-untyped-call]
                str(path), map_location=device, _extra_files=extra
            )
        notes = {name: json.loads(content) for name, content in extra.items() if content}
    except (RuntimeError, ValueError) as error:
        raise MedcontourError(
            f"{path} is no TorchScript network; give a file written by torch.jit.save, a MONAI "
            "bundle's folder, or from Python a network with weights=."
        ) from error
    network.eval()
    return network, notes


def _read_state(path: Path) -> dict[str, Tensor]:
    _check_file(path)
    try:
        if path.suffix == ".safetensors":
            content: Any = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise MedcontourError(
            f"{path} holds more than weights, and reading it could run code, so it is refused; "
            "save the network's state_dict() alone."
        ) from error
    except Exception as error:  # a damaged file raises nearly anything
        raise MedcontourError(
            f"{path} is no readable file of weights ({type(error).__name__}); it may be damaged "
            "or of another kind: get it again."
        ) from error
    for key in _CHECKPOINT_KEYS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not all(
        isinstance(value, Tensor) for value in content.values()
    ):
        raise MedcontourError(
            f"{path} holds no state dict; save the network's state_dict() with torch.save."
        )
    return {str(key).removeprefix("module."): value for key, value in content.items()}


def _misshapen(network: nn.Module, state: Mapping[str, Tensor]) -> int:
    return sum(
        key in state and state[key].shape != value.shape
        for key, value in network.state_dict().items()
    )


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise MedcontourError(f"There is no file {path}; check the path.")
