"""A MONAI bundle: its network, weights, labels and preprocessing.

A bundle's configuration can run any code when it is built: strings that begin with ``$`` are
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

from medcontour.classifier.bundle_files import NETWORK, read_files, uses_sigmoid
from medcontour.classifier.pretrained import never_fetching
from medcontour.classifier.reasons import reason
from medcontour.classifier.torchscript import read_torchscript
from medcontour.classifier.weights import load_weights
from medcontour.errors import MedcontourError

__all__ = ["Bundle", "parser_of", "preprocessing_of", "read_bundle"]

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
    notes
        Plain sentences that a reader of a result should know.
    """

    name: str
    network: nn.Module
    labels: tuple[str, ...] | None
    preprocessing: Callable[[Any], Any] | None
    sigmoid: bool
    notes: tuple[str, ...]


def read_bundle(folder: Path, weights: Path | None, device: torch.device) -> Bundle:
    """Read a MONAI bundle.

    Weights that the configuration would fetch (``pretrained: true``), and that the bundle's own
    then replace, are not fetched.

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
    files = read_files(folder)
    weights = weights or files.weights
    if weights is None:
        raise MedcontourError(
            f"The bundle {folder} has no weights; put them at models/model.safetensors or "
            "models/model.pt."
        )
    where = str(files.config_file)
    notes: tuple[str, ...] = ()
    with _importing_from(folder):
        parser = parser_of(never_fetching(files.config, where), files.metadata, folder)
        if weights.suffix == ".ts":
            network = read_torchscript(weights, device)
        else:
            network = _network_of(parser, where)
            notes = load_weights(network, weights)
        preprocessing = preprocessing_of(parser, where)
    return Bundle(
        name=files.name,
        network=network.to(device).eval(),
        labels=files.labels,
        preprocessing=preprocessing,
        sigmoid=uses_sigmoid(files.config),
        notes=notes,
    )


def parser_of(config: Mapping[str, Any], metadata: Mapping[str, Any], folder: Path | None) -> Any:
    """Give MONAI's parser of a configuration, whose paths begin in `folder`."""
    parser = ConfigParser(dict(config))
    parser.read_meta(dict(metadata))
    if folder is not None and "bundle_root" in parser:
        parser["bundle_root"] = str(folder)
    return parser


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
    key = next((key for key in NETWORK if key in parser), None)
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
