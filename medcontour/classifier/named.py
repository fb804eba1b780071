"""Networks by name: torchvision, timm, DINO, torchxrayvision."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from medcontour.classifier.libraries import library, needed
from medcontour.classifier.photo_input import RESAMPLING, PhotoInput
from medcontour.classifier.protocol import Gives
from medcontour.classifier.xray import XRAYS, xray
from medcontour.errors import MedcontourError

__all__ = ["Named", "named", "of_timm"]

SAFE = "model.safetensors"
DINO = "dino-vitb16"
DINO_FILE = "dino_vitbase16_pretrain.pth"
DINO_URL = f"https://dl.fbaipublicfiles.com/dino/dino_vitbase16_pretrain/{DINO_FILE}"


@dataclass(frozen=True)
class Named:
    """A network as its library gives it.

    Attributes
    ----------
    network
        With its published weights, or without any where those of the user's own are to come.
    preparation
        The library's own.
    labels
        Those of the published weights; none where they are not known.
    outputs
        What it gives; None where that is to be found out.
    """

    network: nn.Module
    preparation: PhotoInput
    labels: tuple[str, ...] = ()
    outputs: Gives | None = field(default=None)


def named(name: str, classes: int | None = None) -> Named:
    """Build a network by name, with its published weights and its own preparation of images.

    Weights are read as weights alone: a file that would run code is refused.

    Parameters
    ----------
    name
        ``torchvision:resnet50`` (its first published weights, as in the paper), ``timm:...``,
        ``torchxrayvision:densenet121-res224-all``, ``dino-vitb16``, or a plain name that
        torchvision or else timm has.
    classes
        Build torchvision's or timm's network with so many classes and without weights, for those
        of the user's own.

    Raises
    ------
    MedcontourError
        When there is none of that name, its library is not installed, or its weights are neither
        in the library's cache nor to be had.
    """
    source, colon, own = name.partition(":")
    if colon and source == XRAYS:
        found = xray(own, _fetched)
        return Named(found.network, found.preparation, found.labels, found.outputs)
    if colon and source in ("torchvision", "timm"):
        what = f"The network {name}"
        models = needed("torchvision.models" if source == "torchvision" else "timm", what)
        build = _torchvision if source == "torchvision" else _timm
        known = _of_torchvision if source == "torchvision" else _of_timm
        if not known(models, own):
            raise MedcontourError(
                f'{source} has no classifier "{own}"; choose a name from '
                f"{source}{'.models' * (source == 'torchvision')}.list_models()."
            )
        return build(models, own, classes)
    if name == DINO:
        return _dino()
    torchvision, timm = library("torchvision.models"), library("timm")
    if torchvision is not None and _of_torchvision(torchvision, name):
        return _torchvision(torchvision, name, classes)
    if timm is not None and _of_timm(timm, name):
        return _timm(timm, name, classes)
    if torchvision is None and timm is None:
        raise MedcontourError(
            f'"{name}" is no file or folder, and neither torchvision nor timm is installed here to '
            'look it up: run pip install "medcontour[benchmark]", or give a MONAI bundle or a '
            "TorchScript file."
        )
    raise MedcontourError(
        f'Neither torchvision nor timm has a classifier "{name}", and there is no such file or '
        "folder; choose a name from torchvision.models.list_models() or timm.list_models(), "
        f"{DINO}, or write torchxrayvision: before one of its weights."
    )


def of_timm(network: nn.Module) -> Named | None:
    """Give preparation and labels of a network that timm made; None of any other."""
    settings = getattr(network, "pretrained_cfg", None)
    if not type(network).__module__.startswith("timm.") or settings is None:
        return None
    timm: Any = importlib.import_module("timm")
    used = timm.data.resolve_data_config(pretrained_cfg=dict(settings))
    preparation = _timm_input(used, type(network).__name__)
    return Named(network, preparation, _timm_labels(timm, network), _timm_outputs(network))


def _of_torchvision(models: Any, name: str) -> bool:
    # Of torchvision's models those of its own folder are classifiers of one image.
    return name in models.list_models(module=models)


def _of_timm(timm: Any, name: str) -> bool:
    return bool(timm.is_model(name))


def _torchvision(models: Any, name: str, classes: int | None) -> Named:
    weights = next(iter(models.get_model_weights(name)), None)
    if weights is None:
        raise MedcontourError(f"torchvision has no weights of {name}; choose another network.")
    as_used = weights.transforms()
    preparation = PhotoInput(
        (as_used.crop_size[0],) * 2,
        as_used.resize_size[0],
        tuple(as_used.mean),
        tuple(as_used.std),
        as_used.interpolation.value,
    )
    if classes is not None:
        return Named(models.get_model(name, weights=None, num_classes=classes), preparation)
    file = _checkpoint(weights.url)

    def load() -> nn.Module:
        # torchvision by itself would run code that a file holds; this refuses such a file first.
        weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
        return models.get_model(name, weights=weights, progress=False)  # type: ignore[no-any-return]

    network = _fetched(load, name, f"put {weights.url} as {file}", file)
    return Named(network, preparation, _apart(weights.meta.get("categories", ())), "softmax")


def _timm(timm: Any, name: str, classes: int | None) -> Named:
    settings = timm.get_pretrained_cfg(name)
    if settings is None or not (settings.has_weights or classes):
        raise MedcontourError(
            f'timm has no weights of "{name}"; choose one of timm.list_models(pretrained=True).'
        )
    used = timm.data.resolve_data_config(pretrained_cfg=settings.to_dict())
    preparation = _timm_input(used, name)
    if classes is not None:
        return Named(timm.create_model(name, num_classes=classes), preparation)
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
    return Named(network, preparation, _timm_labels(timm, network), _timm_outputs(network))


def _timm_labels(timm: Any, network: Any) -> tuple[str, ...]:
    subset = timm.data.infer_imagenet_subset(network) if network.num_classes else None
    return _apart(timm.data.ImageNetInfo(subset).label_descriptions()) if subset else ()


def _apart(labels: Sequence[str]) -> tuple[str, ...]:
    """Tell classes of one name apart by their numbers: ImageNet has two "crane", two "maillot"."""
    count = Counter(label.casefold() for label in labels)
    return tuple(
        label if count[label.casefold()] == 1 else f"{label} ({index})"
        for index, label in enumerate(labels)
    )


def _timm_outputs(network: Any) -> Gives | None:
    return None if network.num_classes else "embedding"


def _timm_input(used: dict[str, Any], name: str) -> PhotoInput:
    """Give timm's own preparation, where it is a resizing and a crop of the middle."""
    rows, columns = used["input_size"][1:]
    mode, interpolation = used["crop_mode"], used["interpolation"]
    plain = mode == "squash" or (mode == "center" and rows == columns)
    if not plain or interpolation not in RESAMPLING:
        raise MedcontourError(
            f"{name} takes images in a way that is not followed here (crop mode {mode}, "
            f"{interpolation}, {rows} x {columns} pixels); make the network in Python and give it "
            "to medcontour.load_classifier with preprocessing= and labels=."
        )
    before = (int(rows / used["crop_pct"]), int(columns / used["crop_pct"]))
    return PhotoInput(
        (rows, columns),
        before if mode == "squash" else before[0],
        tuple(used["mean"]),
        tuple(used["std"]),
        interpolation,
    )


def _dino() -> Named:
    timm = needed("timm", f"The network {DINO}")
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
    return Named(network, PhotoInput(interpolation="bicubic"), outputs="embedding")


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
