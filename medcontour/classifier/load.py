"""From what a user has (a bundle, a file, a network) to a `Classifier`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from medcontour.classifier.bundle import (
    labels_of,
    parser_of,
    preprocessing_of,
    read_bundle,
    uses_sigmoid,
)
from medcontour.classifier.network import NetworkClassifier, Outputs
from medcontour.classifier.preprocessing import default_transforms
from medcontour.classifier.protocol import Classifier
from medcontour.classifier.weights import load_weights, read_torchscript
from medcontour.errors import MedcontourError

__all__ = ["load_classifier"]

_PROTOCOL = ("name", "labels", "weights_sha256", "prepare", "embed", "score")


def load_classifier(
    spec: str | os.PathLike[str] | nn.Module | Classifier,
    *,
    weights: str | os.PathLike[str] | None = None,
    labels: Sequence[str] | None = None,
    preprocessing: Callable[[Any], Any] | None = None,
    outputs: Outputs | None = None,
    name: str | None = None,
    device: str | torch.device = "cpu",
) -> Classifier:
    """Load a classifier.

    Load only bundles and TorchScript files that you trust: a bundle's configuration can run any
    code when it is read (strings that begin with ``$``, and whatever ``_target_`` names), and so
    can TorchScript. Files of weights run nothing: they are read with ``weights_only=True`` or as
    safetensors.

    Parameters
    ----------
    spec
        A folder: a MONAI bundle with ``configs/metadata.json``, ``configs/inference.json`` (or
        ``.yaml``) and ``models/model.safetensors``, ``model.pt`` or ``model.ts``. A file:
        TorchScript. A PyTorch network, MONAI's or any other, which is moved to `device`. An
        object that already follows `Classifier` is returned as it is.
    weights
        A file of weights for a network, or in place of the bundle's.
    labels
        Names of the classes, in the order of the outputs. None: those of the bundle's or MONAI
        export's metadata (``network_data_format.outputs.pred.channel_def``).
    preprocessing
        MONAI transforms or any callable, see `Preprocessing`: they take the image as
        ``LoadImage`` gives it, columns before rows. None: those of the bundle's or MONAI export's
        configuration; without any, channels first, then rows, then columns, with intensities
        scaled to 0..1 over the plane and no resizing.
    outputs
        What the network gives: "softmax" (logits of exclusive classes), "sigmoid" (logits of
        classes that do not exclude each other, or of a single one) or "probabilities". None:
        "sigmoid" where the bundle's postprocessing says so or there is one label, "softmax"
        otherwise.
    name
        What people call it. None: the bundle's name, the file's, or the network's class.
    device
        Where it runs, as PyTorch names it.

    Raises
    ------
    MedcontourError
        When something is missing, cannot be read or does not fit.

    Examples
    --------
    >>> from monai.networks.nets import DenseNet
    >>> network = DenseNet(2, 1, 2, init_features=8, growth_rate=4, block_config=(1, 1))
    >>> classifier = load_classifier(network, labels=["no lesion", "lesion"])
    >>> classifier.labels
    ('no lesion', 'lesion')
    """
    if not isinstance(spec, (str, os.PathLike)) and all(hasattr(spec, key) for key in _PROTOCOL):
        return spec  # type: ignore[return-value]  # told from a network by its names
    where = _device(device)
    weights_path = None if weights is None else Path(weights)
    sigmoid = False
    if isinstance(spec, nn.Module):
        network, found_name = spec.to(where), type(spec).__name__
        if weights_path is not None:
            load_weights(network, weights_path)
    elif not isinstance(spec, (str, os.PathLike)):
        raise MedcontourError(
            f"A {type(spec).__name__} is no classifier; give a MONAI bundle's folder, a "
            "TorchScript file or a PyTorch network."
        )
    elif Path(spec).is_dir():
        bundle = read_bundle(Path(spec), weights_path, where)
        network, found_name, sigmoid = bundle.network, bundle.name, bundle.sigmoid
        labels = labels or bundle.labels
        if preprocessing is None:  # an empty Compose is false
            preprocessing = bundle.preprocessing
    elif not Path(spec).exists():
        raise MedcontourError(f"There is no bundle's folder and no file at {spec}; check the path.")
    elif weights_path is not None:
        raise MedcontourError(
            f"{spec} is no bundle's folder, so the weights in {weights_path} have no network; "
            "give a MONAI bundle, or from Python the network itself."
        )
    else:
        network, notes = read_torchscript(Path(spec), where)
        metadata = notes.get("metadata.json", {})
        parser = parser_of(notes.get("inference.json", {}), metadata, None)
        found_name, sigmoid = str(metadata.get("name") or Path(spec).stem), uses_sigmoid(parser)
        labels = labels or labels_of(metadata, f"the metadata in {spec}")
        if preprocessing is None:
            preprocessing = preprocessing_of(parser, f"the configuration in {spec}")
    if not labels:
        raise MedcontourError(
            f"{name or found_name} comes without labels; give the names of its classes with "
            "labels=, or for a bundle write them in configs/metadata.json as "
            "network_data_format.outputs.pred.channel_def."
        )
    return NetworkClassifier(
        network,
        labels,
        preprocessing=default_transforms() if preprocessing is None else preprocessing,
        outputs=outputs or ("sigmoid" if sigmoid or len(labels) == 1 else "softmax"),
        name=name or found_name,
        device=where,
    )


def _device(device: str | torch.device) -> torch.device:
    try:
        where = torch.device(device)
        torch.empty(0, device=where)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise MedcontourError(
            f'The device "{device}" is not there or PyTorch cannot use it; choose "cpu", or mend '
            "the installation."
        ) from error
    return where
