"""Networks by name: torchvision, timm, DINO, a MONAI bundle, TorchScript, or one's own."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn

from medcontour.benchmark.dataset import FloatArray
from medcontour.classifier import NetworkClassifier, load_classifier
from medcontour.classifier.protocol import Prepared
from medcontour.errors import MedcontourError
from medcontour.explain.frozen import frozen

__all__ = ["Answers", "Model", "PhotoInput", "load_model", "model_of", "truth_in"]

Answers = Literal["softmax", "sigmoid", "probabilities", "embedding"]

DINO = "dino-vitb16"
DINO_FILE = "dino_vitbase16_pretrain.pth"
DINO_URL = f"https://dl.fbaipublicfiles.com/dino/dino_vitbase16_pretrain/{DINO_FILE}"
NATS = 1000.0
"""Contours take a score that its background hardly changes, by under one nat, for one without an
answer; a cosine, whose changes are small by nature, is counted in thousandths."""

IMAGENET_MEAN, IMAGENET_SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RESAMPLING = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


@dataclass(frozen=True)
class PhotoInput:
    """How a photograph becomes a network's input: resized, cropped, normalised.

    Attributes
    ----------
    size
        (rows, columns) of the input.
    resize
        Length of the shorter side after resizing, before the middle is cropped; None: the whole
        image is warped to `size`.
    mean, spread
        Of the values from 0 to 1, by channel: ``(value - mean) / spread``.
    interpolation
        ``"bilinear"`` or ``"bicubic"``, both with antialiasing.

    Examples
    --------
    >>> prepared = PhotoInput()(np.zeros((300, 400, 3), dtype=np.float32))
    >>> tuple(prepared.tensor.shape)
    (3, 224, 224)
    """

    size: tuple[int, int] = (224, 224)
    resize: int | None = 256
    mean: tuple[float, ...] = IMAGENET_MEAN
    spread: tuple[float, ...] = IMAGENET_SPREAD
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"

    def __call__(self, pixels: FloatArray) -> Prepared:
        """Prepare (rows, columns) or (rows, columns, 3) values from 0 to 255.

        Raises
        ------
        MedcontourError
            For other values.
        """
        if pixels.min() < 0 or pixels.max() > 255:
            raise MedcontourError(
                "The image has values outside 0 to 255, which a network for photographs does not "
                "take; save it with 8 bits."
            )
        rows, columns = pixels.shape[:2]
        if self.resize is None:
            height, width = self.size
        else:  # as torchvision's Resize
            scale = self.resize / min(rows, columns)
            height = self.resize if rows <= columns else int(rows * scale)
            width = self.resize if columns <= rows else int(columns * scale)
        picture = Image.fromarray(pixels.astype(np.uint8)).convert("RGB")
        picture = picture.resize((width, height), RESAMPLING[self.interpolation])
        top, left = round((height - self.size[0]) / 2), round((width - self.size[1]) / 2)
        picture = picture.crop((left, top, left + self.size[1], top + self.size[0]))
        tensor = torch.from_numpy(np.asarray(picture, dtype=np.float32) / 255).permute(2, 0, 1)
        mean, spread = (torch.tensor(v).view(-1, 1, 1) for v in (self.mean, self.spread))
        down, across = rows / height, columns / width
        index = np.array(
            [
                [0.0, across, (left + 0.5) * across - 0.5],
                [down, 0.0, (top + 0.5) * down - 0.5],
                [0.0, 0.0, 1.0],
            ]
        )
        return Prepared((tensor - mean) / spread, index)


@dataclass(frozen=True)
class Model:
    """A network, what it takes and what its outputs mean.

    Attributes
    ----------
    name
        What the tables call it.
    network
        (B, C, H, W) to (B, classes) or (B, features).
    prepare
        From an image's pixels, (rows, columns) or (rows, columns, 3), to the network's input.
    answers
        ``"softmax"``: logits of classes that exclude each other; ``"sigmoid"``: logits of
        classes that do not; ``"probabilities"``; ``"embedding"``: no classes, so that what is
        explained is the cosine to the image's own embedding.
    labels
        Names of the classes, where they are known.
    device
        Where it runs.
    """

    name: str
    network: nn.Module = field(repr=False)
    prepare: Callable[[FloatArray], Prepared]
    answers: Answers = "softmax"
    labels: tuple[str, ...] = field(default=(), repr=False)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @cached_property
    def weights_sha256(self) -> str:
        """SHA-256 over names and values of the weights."""
        digest = hashlib.sha256()
        for key, value in sorted(self.network.state_dict().items()):
            if isinstance(value, Tensor):
                digest.update(f"{key} {value.dtype} {tuple(value.shape)}\n".encode())
                flat = value.detach().cpu().contiguous().reshape(-1)
                digest.update(flat.view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()

    @torch.no_grad()
    def answer(self, inputs: Tensor) -> Tensor:
        """(B, C, H, W) to (B, classes) probabilities, or (B, features)."""
        with frozen(self.network):
            outputs: Tensor = self.network(inputs)
        if outputs.ndim != 2:
            raise MedcontourError(
                f"{self.name} gives outputs of shape {tuple(outputs.shape)}, not (images, "
                "classes); wrap the network so that it does."
            )
        if self.answers == "softmax":
            return outputs.softmax(1)
        return outputs.sigmoid() if self.answers == "sigmoid" else outputs

    def score_of(self, images: Tensor, targets: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        """Give what the metrics ask: ``score(inputs (N, C, H, W), which (N,)) -> (N,)``.

        `which` says of which of the images an input is a variant. It is the target's probability,
        or the cosine to the image's own embedding.
        """
        if self.answers != "embedding":
            return lambda inputs, which: (
                self.answer(inputs).gather(1, targets[which].unsqueeze(1)).squeeze(1)
            )
        own = self.answer(images)
        return lambda inputs, which: torch.cosine_similarity(self.answer(inputs), own[which])

    def explained(self, images: Tensor, *, cosine: bool) -> nn.Module:
        """Give the network whose class is explained: of an embedding, one of likeness to itself.

        Parameters
        ----------
        images
            (B, C, H, W), whose own embeddings are meant.
        cosine
            Whether likeness is the cosine, whose gradient vanishes at the image itself, times
            1000; or the dot product with the image's own direction, 1 for the image.
        """
        if self.answers != "embedding":
            return self.network
        return _Likeness(self.network, self.answer(images), cosine)

    def index_of(self, name: int | str) -> int:
        """Number of a class.

        Raises
        ------
        MedcontourError
            When the network has none of that name.
        """
        if isinstance(name, int):
            return name
        folded = [label.casefold() for label in self.labels]
        if name.casefold() not in folded:
            known = ", ".join(self.labels[:10]) or "none"
            raise MedcontourError(
                f'{self.name} has no class "{name}" (it has {known}); give one with --target, or '
                "take the label column out of labels.csv to explain the network's own answer."
            )
        return folded.index(name.casefold())


class _Likeness(nn.Module):
    """(B, C, H, W) to (B, 2): likeness to one image's embedding, and 0 beside it.

    The second column is what a softmax needs to follow the first.
    """

    def __init__(self, network: nn.Module, own: Tensor, cosine: bool) -> None:
        super().__init__()
        self.network = network
        self.own: Tensor
        self.register_buffer("own", own.detach())
        self.cosine = cosine

    def forward(self, inputs: Tensor) -> Tensor:
        features = self.network(inputs)
        own = self.own.expand(len(features), -1)
        if self.cosine:
            likeness = NATS * torch.cosine_similarity(features, own)
        else:
            likeness = (features * own).sum(1) / own.square().sum(1)
        return torch.stack([likeness, torch.zeros_like(likeness)], 1)


def model_of(
    network: nn.Module,
    prepare: Callable[[FloatArray], Prepared] | None = None,
    *,
    name: str | None = None,
    answers: Answers = "softmax",
    labels: tuple[str, ...] = (),
    device: str | torch.device = "cpu",
) -> Model:
    """Take any PyTorch network; `prepare` is torchvision's for ImageNet unless told otherwise.

    Examples
    --------
    >>> network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 5))
    >>> model = model_of(network, PhotoInput((64, 64), resize=None), name="mean colour")
    >>> prepared = model.prepare(np.full((20, 30, 3), 128, dtype=np.float32))
    >>> tuple(model.answer(prepared.tensor[None]).shape)
    (1, 5)
    """
    where = torch.device(device)
    return Model(
        name or type(network).__name__,
        network.to(where).eval(),
        prepare or PhotoInput(),
        answers,
        labels,
        where,
    )


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


def truth_in(prepared: Prepared, truth: npt.NDArray[np.bool_]) -> Tensor:
    """Give a truth on the network's input, by the nearest pixel; False where padding is.

    Returns
    -------
    Tensor
        (height, width) bool.
    """
    height, width = prepared.tensor.shape[-2:]
    row, column = np.mgrid[:height, :width]
    places = np.stack([row, column, np.ones_like(row)], -1) @ prepared.index_from_input.T
    x, y = np.floor(places[..., 0] + 0.5).astype(int), np.floor(places[..., 1] + 0.5).astype(int)
    inside = (x >= 0) & (y >= 0) & (x < truth.shape[1]) & (y < truth.shape[0])
    found = truth[y.clip(0, truth.shape[0] - 1), x.clip(0, truth.shape[1] - 1)] & inside
    return torch.from_numpy(found)
