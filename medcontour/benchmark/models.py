"""Networks by name: torchvision, timm, DINO, a MONAI bundle or TorchScript."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from medcontour.benchmark.data.dataset import FloatArray
from medcontour.benchmark.model import Model, model_of
from medcontour.benchmark.photo_input import RESAMPLING, PhotoInput
from medcontour.classifier import NetworkClassifier, load_classifier
from medcontour.classifier.protocol import Prepared
from medcontour.errors import MedcontourError

__all__ = ["load_model"]

SAFE = "model.safetensors"
DINO = "dino-vitb16"
DINO_FILE = "dino_vitbase16_pretrain.pth"
DINO_URL = f"https://dl.fbaipublicfiles.com/dino/dino_vitbase16_pretrain/{DINO_FILE}"


def load_model(name: str, device: str = "cpu") -> Model:
    """Load a network by name, with its published weights and its own preparation of images.

    Weights of photographs' networks are read as weights alone: a file that would run code is
    refused.

    Parameters
    ----------
    name
        A classifier's name in torchvision (``resnet50``; its first published weights, as in the
        paper) or timm; ``dino-vitb16``; a MONAI bundle's folder; a TorchScript file with labels
        in its metadata. The last two can run code: use only those you trust.
    device
        As PyTorch names it.

    Raises
    ------
    MedcontourError
        When there is none of that name, its library is not installed, or its weights are neither
        in the library's cache nor to be had.

    Examples
    --------
    >>> load_model("resnet50").answers  # doctest: +SKIP
    'softmax'
    """
    if Path(name).exists():
        return _classifier(name, device)
    if name == DINO:
        return _dino(device)
    torchvision, timm = _library("torchvision.models"), _library("timm")
    # Of torchvision's models those of its own folder are classifiers of one image.
    if torchvision is not None and name in torchvision.list_models(module=torchvision):
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
        f'Neither torchvision nor timm has a classifier "{name}", and there is no such file or '
        "folder; choose a name from torchvision.models.list_models() or timm.list_models(), or "
        f"{DINO}."
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
    weights = next(iter(models.get_model_weights(name)), None)
    if weights is None:
        raise MedcontourError(f"torchvision has no weights of {name}; choose another network.")
    file = _checkpoint(weights.url)

    def load() -> nn.Module:
        # torchvision by itself would run code that a file holds; this refuses such a file first.
        weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
        return models.get_model(name, weights=weights, progress=False)  # type: ignore[no-any-return]

    network = _fetched(load, name, f"put {weights.url} as {file}", file)
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
    if settings is None or not settings.has_weights:
        raise MedcontourError(
            f'timm has no weights of "{name}"; choose one of timm.list_models(pretrained=True).'
        )
    prepare = _timm_input(timm.data.resolve_data_config(pretrained_cfg=settings.to_dict()), name)
    hub = importlib.import_module("huggingface_hub")  # comes with timm
    source, own = settings.hf_hub_id, {}
    if source:
        # What is in the cache is read there: the hub's own way asks the network first, for long.
        kept = hub.try_to_load_from_cache(source, SAFE)
        file = Path(kept) if isinstance(kept, str) else None
        own = {"file": kept, "custom_load": False} if file else {}
        folder = "models--" + source.replace("/", "--")
        remedy = (
            f'put the folder {folder}, which "hf download {source}" makes in its cache on a '
            f"machine with one, into {hub.constants.HF_HUB_CACHE}"
        )
    else:
        file = _checkpoint(settings.url)
        remedy = f"put {settings.url} as {file}"
    network = _fetched(
        lambda: timm.create_model(name, pretrained=True, pretrained_cfg_overlay=own),
        name,
        remedy,
        file,
    )
    subset = timm.data.infer_imagenet_subset(network) if network.num_classes else None
    labels = timm.data.ImageNetInfo(subset).label_descriptions() if subset else ()
    return model_of(
        network,
        prepare,
        name=name,
        answers="softmax" if network.num_classes else "embedding",
        labels=tuple(labels),
        device=device,
    )


def _timm_input(used: dict[str, Any], name: str) -> PhotoInput:
    """Give timm's own preparation, where it is a resizing and a crop of the middle."""
    rows, columns = used["input_size"][1:]
    mode, interpolation = used["crop_mode"], used["interpolation"]
    plain = mode == "squash" or (mode == "center" and rows == columns)
    if not plain or interpolation not in RESAMPLING:
        raise MedcontourError(
            f"{name} takes images in a way that is not followed here (crop mode {mode}, "
            f"{interpolation}, {rows} x {columns} pixels); make the network in Python and give it "
            "to medcontour.benchmark.model_of with what prepares its images."
        )
    before = (int(rows / used["crop_pct"]), int(columns / used["crop_pct"]))
    return PhotoInput(
        (rows, columns),
        before if mode == "squash" else before[0],
        tuple(used["mean"]),
        tuple(used["std"]),
        interpolation,
    )


def _dino(device: str) -> Model:
    timm = _library("timm")
    if timm is None:
        raise MedcontourError(
            f"{DINO} is built by timm, which is not installed here: run pip install "
            '"medcontour[benchmark]".'
        )
    file = _checkpoint(DINO_URL)

    def load() -> nn.Module:
        network = timm.create_model("vit_base_patch16_224", num_classes=0)
        state = torch.hub.load_state_dict_from_url(
            DINO_URL, map_location="cpu", progress=False, weights_only=True
        )
        network.load_state_dict(state)
        return network  # type: ignore[no-any-return]

    network = _fetched(load, DINO, f"put {DINO_URL} as {file}", file)
    # As DINO's own evaluation takes images.
    prepare = PhotoInput(interpolation="bicubic")
    return model_of(network, prepare, name=DINO, answers="embedding", device=device)


def _checkpoint(url: str) -> Path:
    """Where torch.hub keeps what it fetches."""
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name


def _fetched(load: Callable[[], nn.Module], name: str, remedy: str, file: Path | None) -> nn.Module:
    there = file is not None and file.is_file()
    try:
        with contextlib.redirect_stdout(sys.stderr):  # torch.hub says there that it fetches
            return load()
    except Exception as error:  # urllib, httpx, pickle, huggingface_hub: each has its own
        reason = type(error).__name__
        if there:
            raise MedcontourError(
                f"{file} does not hold the weights of {name} and nothing else ({reason}); delete "
                "it, so that it is fetched again."
            ) from error
        raise MedcontourError(
            f"The weights of {name} are not in the cache and could not be fetched ({reason}); "
            f"without a network, {remedy}."
        ) from error
