"""Networks by name: torchvision, timm, DINO, a MONAI bundle or TorchScript."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from medcontour.benchmark.dataset import FloatArray
from medcontour.benchmark.model import Model, model_of
from medcontour.benchmark.photo_input import PhotoInput
from medcontour.classifier import NetworkClassifier, load_classifier
from medcontour.classifier.protocol import Prepared
from medcontour.errors import MedcontourError

__all__ = ["load_model"]

DINO = "dino-vitb16"
DINO_FILE = "dino_vitbase16_pretrain.pth"
DINO_URL = f"https://dl.fbaipublicfiles.com/dino/dino_vitbase16_pretrain/{DINO_FILE}"


def load_model(name: str, device: str = "cpu") -> Model:
    """Load a network by name.

    Parameters
    ----------
    name
        A model's name in torchvision (``resnet50``; its first published weights, as in the
        paper) or timm; ``dino-vitb16``; a MONAI bundle's folder; a TorchScript file with labels
        in its metadata. The last two can run code: use only those you trust.
    device
        As PyTorch names it.

    Raises
    ------
    MedcontourError
        When there is none of that name, its library is not installed, or its weights are neither
        in the library's cache nor to be had.
    """
    if Path(name).exists():
        return _classifier(name, device)
    if name == DINO:
        return _dino(device)
    torchvision, timm = _library("torchvision.models"), _library("timm")
    if torchvision is not None and name in torchvision.list_models():
        return _torchvision(torchvision, name, device)
    if timm is not None and timm.is_model(name):
        return _timm(timm, name, device)
    if torchvision is None and timm is None:
        raise MedcontourError(
            f'"{name}" is no file or folder, and neither torchvision nor timm is installed here to '
            'look it up: run pip install "medcontour[benchmark]", or give a MONAI bundle or a '
            "TorchScript file."
        )
    raise MedcontourError(
        f'Neither torchvision nor timm has a model "{name}", and there is no such file or folder; '
        f"choose a name from torchvision.models.list_models() or timm.list_models(), or {DINO}."
    )


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except (ImportError, RuntimeError):  # RuntimeError: a torchvision of another torch
        return None


def _classifier(path: str, device: str) -> Model:
    classifier = load_classifier(path, device=device)
    if not isinstance(classifier, NetworkClassifier):
        raise MedcontourError(f"{path} holds no PyTorch network; give a bundle or TorchScript.")

    def prepare(pixels: FloatArray) -> Prepared:
        return classifier.prepare(pixels, (1.0, 1.0))

    return Model(
        classifier.name,
        classifier.network,
        prepare,
        classifier.outputs,
        classifier.labels,
        torch.device(device),
    )


def _torchvision(models: Any, name: str, device: str) -> Model:
    kinds = models.get_model_weights(name)
    weights = next(iter(kinds))
    network = _fetched(
        lambda: models.get_model(name, weights=weights),
        name,
        f"{weights.url} as {torch.hub.get_dir()}/checkpoints/{Path(weights.url).name}",
    )
    as_used = weights.transforms()
    prepare = PhotoInput(
        (as_used.crop_size[0],) * 2,
        as_used.resize_size[0],
        tuple(as_used.mean),
        tuple(as_used.std),
        as_used.interpolation.value,
    )
    labels = tuple(weights.meta.get("categories", ()))
    return model_of(network, prepare, name=name, labels=labels, device=device)


def _timm(timm: Any, name: str, device: str) -> Model:
    settings = timm.get_pretrained_cfg(name)
    source = settings.hf_hub_id if settings else None
    network = _fetched(
        lambda: timm.create_model(name, pretrained=True),
        name,
        f"the files of {source or 'the model'} from huggingface.co into its cache (HF_HOME)",
    )
    return model_of(
        network,
        _timm_input(timm, network),
        name=name,
        answers="softmax" if network.num_classes else "embedding",
        device=device,
    )


def _timm_input(timm: Any, network: Any) -> PhotoInput:
    used = timm.data.resolve_model_data_config(network)
    rows, columns = used["input_size"][1:]
    return PhotoInput(
        (rows, columns),
        int(min(rows, columns) / used["crop_pct"]),
        used["mean"],
        used["std"],
        "bilinear" if used["interpolation"] == "bilinear" else "bicubic",
    )


def _dino(device: str) -> Model:
    timm = _library("timm")
    if timm is None:
        raise MedcontourError(
            f"{DINO} is built by timm, which is not installed here: run pip install "
            '"medcontour[benchmark]".'
        )
    network = timm.create_model("vit_base_patch16_224", num_classes=0)
    file = Path(torch.hub.get_dir()) / "checkpoints" / DINO_FILE

    def load() -> nn.Module:
        state = torch.hub.load_state_dict_from_url(DINO_URL, map_location="cpu", progress=False)
        network.load_state_dict(state)
        return network  # type: ignore[no-any-return]

    _fetched(load, DINO, f"{DINO_URL} as {file}")
    return model_of(network, name=DINO, answers="embedding", device=device)


def _fetched(load: Callable[[], Any], name: str, remedy: str) -> nn.Module:
    try:
        return load()  # type: ignore[no-any-return]
    except Exception as error:  # urllib, requests, huggingface_hub: each has its own
        raise MedcontourError(
            f"The weights of {name} are not in the cache and could not be fetched "
            f"({type(error).__name__}); without a network, put {remedy}."
        ) from error
