"""From what a user has (a bundle, a file, a network, a name) to a `Classifier`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from medcontour.classifier.bundle import parser_of, preprocessing_of, read_bundle
from medcontour.classifier.bundle_files import labels_of, uses_sigmoid
from medcontour.classifier.kind import kind_of, shown
from medcontour.classifier.monai_transforms import default_transforms
from medcontour.classifier.named import named, of_timm
from medcontour.classifier.network import NetworkClassifier
from medcontour.classifier.protocol import Classifier, Gives
from medcontour.classifier.torchscript import extra_files, read_torchscript
from medcontour.classifier.trust import runs_code
from medcontour.classifier.volume_network import VolumeNetwork
from medcontour.classifier.weights import load_weights
from medcontour.classifier.xray import of_xray
from medcontour.errors import MedcontourError
from medcontour.files import one_line

__all__ = ["load_classifier"]

_PROTOCOL = ("name", "labels", "outputs", "weights_sha256", "prepare", "embed", "score")
_SUFFIXES = {".ts", ".pt", ".pth", ".safetensors", ".ckpt", ".onnx", ".json", ".zip"}


@dataclass
class _Parts:
    """What a classifier is made of, as far as it is known."""

    network: nn.Module
    name: str
    labels: Sequence[str] | None = None
    preprocessing: Callable[..., Any] | None = None
    outputs: Gives | None = None
    notes: list[str] = field(default_factory=list)
    folder: Path | None = None


def load_classifier(
    spec: str | os.PathLike[str] | nn.Module | Classifier,
    *,
    weights: str | os.PathLike[str] | None = None,
    labels: Sequence[str] | Mapping[int, str] | None = None,
    preprocessing: Callable[..., Any] | None = None,
    outputs: Gives | None = None,
    name: str | None = None,
    device: str | torch.device = "cpu",
) -> Classifier:
    """Load a classifier.

    Load only bundles and TorchScript files that you trust: a bundle's configuration can run any
    code when it is built (strings that begin with ``$``, and whatever ``_target_`` names), and so
    can TorchScript; that is said first, through `logging`. Files of weights run nothing: they are
    read with ``weights_only=True`` or as safetensors.

    A network whose convolutions run over three axes is one of volumes; one that has none is shown
    planes and volumes that are made up. Its classifier takes a whole stack as one input, and
    `medcontour.suggest` explains it by closed surfaces. So does that of a network that scores a
    stack from its slices, as MONAI's ``MILModel`` does from (B, slices, channels, height, width):
    its preprocessing gives (channels, slices, height, width).

    Parameters
    ----------
    spec
        A folder: a MONAI bundle with ``configs/metadata.json``, ``configs/inference.json`` (or
        ``.yaml``) and ``models/model.safetensors``, ``model.pt`` or ``model.ts``. A file:
        TorchScript. A PyTorch network, MONAI's or any other, which is moved to `device`. A name:
        ``"torchvision:resnet50"``, ``"timm:resnet50"``,
        ``"torchxrayvision:densenet121-res224-all"`` or a plain one that torchvision or timm
        knows. An object that already follows `Classifier` is returned as it is.
    weights
        A file of weights for a network, in place of the bundle's, or for torchvision's or timm's
        network of that name with as many classes as there are labels.
    labels
        Names of the classes, in the order of the outputs. None: those that the bundle, MONAI
        export (``network_data_format.outputs.pred.channel_def``) or library gives; without any,
        classes are called "class 0", "class 1", and so on, and a note says so.
    preprocessing
        MONAI transforms or any callable, see `MonaiTransforms`: they take the image as
        ``LoadImage`` gives it, columns before rows. Or transforms of torchvision or timm, which
        take a picture (see `PictureTransform`), or a `PhotoInput`. None: those of the bundle,
        MONAI export or library; without any, channels first, then rows, then columns (of volumes
        slices before them, in the order of the file), with intensities scaled to 0..1 over the
        plane or volume and no resizing.
    outputs
        What the network gives: "softmax" (logits of exclusive classes), "sigmoid" (logits of
        classes that do not exclude each other, or of a single one), "probabilities", or an
        "embedding", which has no classes. None: "sigmoid" where the bundle's postprocessing says
        so; otherwise it is found out when the network is first asked.
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
    >>> load_classifier(network).labels
    ('class 0', 'class 1')
    """
    if not isinstance(spec, (str, os.PathLike)) and all(hasattr(spec, key) for key in _PROTOCOL):
        return spec  # type: ignore[return-value]  # told from a network by its names
    where = _device(device)
    given = _list(labels)
    parts = _parts(spec, None if weights is None else Path(weights), given, where)
    parts.outputs = outputs or parts.outputs
    if preprocessing is None:  # an empty Compose is false
        preprocessing = parts.preprocessing
    kind = kind_of(parts.network, preprocessing, where)
    if preprocessing is None:
        preprocessing = default_transforms(3 if issubclass(kind, VolumeNetwork) else 2)
    called = name or parts.name

    def classifier(known: Sequence[str], outputs: Gives | None) -> NetworkClassifier:
        return kind(
            parts.network,
            known,
            preprocessing=preprocessing,
            outputs=outputs,
            name=called,
            device=where,
            notes=parts.notes,
            folder=parts.folder,
        )

    known = _list(given or parts.labels)
    if not known and parts.outputs != "embedding":
        known = _numbered(classifier((), "embedding"), called)
        parts.notes.append(
            f"{called} comes without names of its classes; they are called by their numbers."
        )
    return classifier(known, parts.outputs)


def _parts(spec: Any, weights: Path | None, labels: Sequence[str], device: torch.device) -> _Parts:
    if isinstance(spec, nn.Module):
        known = of_timm(spec) or of_xray(spec)
        parts = _Parts(spec.to(device), type(spec).__name__)
        if known is not None:
            parts.labels, parts.preprocessing = known.labels, known.preparation
            parts.outputs = known.outputs
        if weights is not None:
            parts.notes.extend(load_weights(spec, weights))
        return parts
    if not isinstance(spec, (str, os.PathLike)):
        raise MedcontourError(
            f"A {type(spec).__name__} is no classifier; give a MONAI bundle's folder, a "
            "TorchScript file, a PyTorch network or a name such as timm:resnet50."
        )
    path = Path(spec)
    if path.is_dir():
        return _of_bundle(path, weights, device)
    if path.exists():
        return _of_torchscript(path, weights, device)
    if isinstance(spec, os.PathLike) or "/" in spec or "\\" in spec or path.suffix in _SUFFIXES:
        raise MedcontourError(f"There is no bundle's folder and no file at {spec}; check the path.")
    return _of_name(spec, weights, labels, device)


def _of_bundle(folder: Path, weights: Path | None, device: torch.device) -> _Parts:
    if (folder / "configs").is_dir():
        runs_code("A MONAI bundle's configuration")
    bundle = read_bundle(folder, weights, device)
    return _Parts(
        bundle.network,
        bundle.name,
        bundle.labels,
        bundle.preprocessing,
        "sigmoid" if bundle.sigmoid else None,
        list(bundle.notes),
        folder,
    )


def _of_torchscript(path: Path, weights: Path | None, device: torch.device) -> _Parts:
    if weights is not None:
        raise MedcontourError(
            f"{path} is no bundle's folder, so the weights in {weights} have no network; "
            "give a MONAI bundle, or from Python the network itself."
        )
    extra = extra_files(path)
    runs_code("A TorchScript file")
    network = read_torchscript(path, device)
    metadata, config = extra.get("metadata.json", {}), extra.get("inference.json", {})
    parser = parser_of(config, metadata, None)
    return _Parts(
        network,
        str(metadata.get("name") or path.stem),
        labels_of(metadata, f"the metadata in {path}"),
        preprocessing_of(parser, f"the configuration in {path}"),
        "sigmoid" if uses_sigmoid(config) else None,
    )


def _of_name(
    name: str, weights: Path | None, labels: Sequence[str], device: torch.device
) -> _Parts:
    if weights is not None and not labels:
        raise MedcontourError(
            f"The weights for {name} come without labels, so that its classes are not known; give "
            "their names with labels=."
        )
    found = named(name, None if weights is None else len(labels))
    notes = () if weights is None else load_weights(found.network, weights)
    return _Parts(
        found.network.to(device).eval(),
        name.rpartition(":")[2],
        found.labels,
        found.preparation,
        found.outputs,
        list(notes),
    )


def _list(labels: Sequence[str] | Mapping[int, str] | None) -> tuple[str, ...]:
    """Give labels in order; one that is empty is called by its number."""
    if isinstance(labels, str):
        labels = [labels]
    if isinstance(labels, Mapping):
        if sorted(labels) != list(range(len(labels))):
            raise MedcontourError(
                "The labels do not number their classes from 0; give a list of names in the order "
                "of the outputs."
            )
        labels = [labels[index] for index in range(len(labels))]
    named = [one_line(str(label)) for label in labels or ()]
    return tuple(label or f"class {index}" for index, label in enumerate(named))


def _numbered(network: NetworkClassifier, name: str) -> tuple[str, ...]:
    """Count the classes of a network by showing it planes or volumes that are made up."""
    for prepared in shown(network):
        with torch.no_grad():
            count = network.embed(prepared.tensor[None]).shape[1]
        return tuple(f"class {index}" for index in range(count))
    raise MedcontourError(
        f"{name} comes without labels, and what is made up here does not pass through it to count "
        "its classes; give their names with labels=, or for a bundle write them in "
        "configs/metadata.json as network_data_format.outputs.pred.channel_def."
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
