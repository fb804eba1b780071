"""A MONAI bundle: its network, weights, labels and preprocessing.

A bundle's configuration can run any code when it is read: strings that begin with ``$`` are
Python, and ``_target_`` names anything that can be called. Load only bundles that you trust.
The weights themselves are read with ``weights_only=True`` and run nothing; a TorchScript file
(``models/model.ts``, read where there are no other weights) can run code as well.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser
from torch import nn

from medcontour.classifier.reasons import reason
from medcontour.classifier.weights import load_weights, read_torchscript
from medcontour.errors import MedcontourError

__all__ = ["Bundle", "labels_of", "parser_of", "preprocessing_of", "read_bundle", "uses_sigmoid"]

_NETWORK = ("network_def", "network", "net")
_PREPROCESSING = ("preprocessing", "transforms", "validate#preprocessing")


@dataclass(frozen=True)
class Bundle:
    """What a bundle's folder holds of a classifier.

    Attributes
    ----------
    name
        From its metadata, or the folder's name.
    network
        With its weights, in evaluation mode, on the device asked for.
    labels
        In the order of the outputs; None where the metadata names none.
    preprocessing
        Its transforms; None where the configuration has none.
    sigmoid
        Whether its postprocessing applies a sigmoid.
    """

    name: str
    network: nn.Module
    labels: tuple[str, ...] | None
    preprocessing: Callable[[Any], Any] | None
    sigmoid: bool


def read_bundle(folder: Path, weights: Path | None, device: torch.device) -> Bundle:
    """Read a MONAI bundle.

    Parameters
    ----------
    folder
        Holds ``configs/metadata.json``, ``configs/inference.json`` (or ``.yaml``, ``.yml``) and
        ``models/model.safetensors``, ``model.pt`` or ``model.ts``, looked for in this order.
    weights
        Another file of weights.
    device
        Where the network goes.

    Raises
    ------
    MedcontourError
        When a file is missing or cannot be read, or the weights do not fit the network.
    """
    metadata_file = folder / "configs" / "metadata.json"
    if not metadata_file.is_file():
        raise MedcontourError(
            f"{folder} is no MONAI bundle: it has no configs/metadata.json; give a bundle's "
            "folder, or a TorchScript file."
        )
    metadata = _read(metadata_file)
    config_file = next(
        (
            folder / "configs" / f"inference{suffix}"
            for suffix in (".json", ".yaml", ".yml")
            if (folder / "configs" / f"inference{suffix}").is_file()
        ),
        None,
    )
    if config_file is None:
        raise MedcontourError(
            f"The bundle {folder} has no configs/inference.json (or .yaml), which names its "
            "network and its preprocessing; add it."
        )
    parser = parser_of(_read(config_file), metadata, folder)
    where = str(config_file)
    weights = weights or _weights_file(folder)
    with _importing_from(folder):
        if weights.suffix == ".ts":
            network, _ = read_torchscript(weights, device)
        else:
            network = _network_of(parser, where)
            load_weights(network, weights)
        preprocessing = preprocessing_of(parser, where)
    return Bundle(
        name=str(metadata.get("name") or folder.resolve().name),
        network=network.to(device).eval(),
        labels=labels_of(metadata, str(metadata_file)),
        preprocessing=preprocessing,
        sigmoid=uses_sigmoid(parser),
    )


def parser_of(config: Mapping[str, Any], metadata: Mapping[str, Any], folder: Path | None) -> Any:
    """Give MONAI's parser of a configuration, whose paths begin in `folder`."""
    parser = ConfigParser(dict(config))
    parser.read_meta(dict(metadata))
    if folder is not None and "bundle_root" in parser:
        parser["bundle_root"] = str(folder)
    return parser


def labels_of(metadata: Mapping[str, Any], where: str) -> tuple[str, ...] | None:
    """Give the labels of ``network_data_format.outputs.pred.channel_def``; None without it."""
    found: Any = metadata
    for key in ("network_data_format", "outputs", "pred", "channel_def"):
        found = found.get(key) if isinstance(found, Mapping) else None
    if not found:
        return None
    try:
        labels = {int(index): str(label) for index, label in found.items()}
    except (AttributeError, ValueError):
        labels = {}
    if not labels or sorted(labels) != list(range(len(found))):
        raise MedcontourError(
            f"{where} has a channel_def that does not number its classes from 0; write it as "
            '{"0": "no lesion", "1": "lesion"}.'
        )
    return tuple(labels[index] for index in range(len(labels)))


def preprocessing_of(parser: Any, where: str) -> Callable[[Any], Any] | None:
    """Build the configuration's preprocessing; None where it has none."""
    key = next((key for key in _PREPROCESSING if key in parser), None)
    if key is None:
        return None
    preprocessing = _built(parser, key, where)
    if not callable(preprocessing):
        raise MedcontourError(f'"{key}" in {where} is no transform; let it be a MONAI Compose.')
    built: Callable[[Any], Any] = preprocessing
    return built


def uses_sigmoid(parser: Any) -> bool:
    """Say whether the configuration's postprocessing applies a sigmoid."""

    def found(item: Any) -> bool:
        if isinstance(item, Mapping):
            target = str(item.get("_target_", "")).rpartition(".")[2]
            if target.startswith("Activations") and item.get("sigmoid") is True:
                return True
            return any(found(part) for part in item.values())
        return isinstance(item, list) and any(found(part) for part in item)

    return found(parser.get("postprocessing"))


@contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    """Let the configuration import modules in the bundle's folder, as MONAI's own run does."""
    path = str(folder.resolve())
    sys.path.insert(1, path)
    try:
        yield
    finally:
        sys.path.remove(path)


def _network_of(parser: Any, where: str) -> nn.Module:
    key = next((key for key in _NETWORK if key in parser), None)
    if key is None:
        raise MedcontourError(f'{where} has no "network_def"; add the definition of the network.')
    network = _built(parser, key, where)
    if not isinstance(network, nn.Module):
        raise MedcontourError(
            f'"{key}" in {where} gives a {type(network).__name__}, not a PyTorch network; mend it.'
        )
    return network


def _built(parser: Any, key: str, where: str) -> Any:
    # LoadImage says that it cannot decode on a GPU; it reads nothing here.
    readers = logging.getLogger("monai.data.nvimgcodec_pydicom_plugin")
    level = readers.level
    try:
        readers.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="NvImgCodecPydicomReader")
            return parser.get_parsed_content(key)
    except Exception as error:  # a configuration can call anything, and so raise anything
        raise MedcontourError(
            f'"{key}" in {where} cannot be built ({reason(error)}); mend it.'
        ) from error
    finally:
        readers.setLevel(level)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = ConfigParser.load_config_file(str(path))
    except Exception as error:  # json's and yaml's own errors have no common class
        raise MedcontourError(
            f"{path} cannot be read ({reason(error)}); mend or replace it."
        ) from error
    if not isinstance(content, dict):
        raise MedcontourError(f"{path} holds no names and values; mend or replace it.")
    return content


def _weights_file(folder: Path) -> Path:
    for name in ("model.safetensors", "model.pt", "model.ts"):
        if (folder / "models" / name).is_file():
            return folder / "models" / name
    raise MedcontourError(
        f"The bundle {folder} has no weights; put them at models/model.safetensors or "
        "models/model.pt."
    )
