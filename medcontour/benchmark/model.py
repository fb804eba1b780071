"""A network with what it takes and what its outputs mean."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor, nn

from medcontour.benchmark.answers import Answers, probabilities
from medcontour.benchmark.data.dataset import FloatArray
from medcontour.benchmark.photo_input import PhotoInput
from medcontour.classifier.protocol import Prepared
from medcontour.errors import MedcontourError
from medcontour.explain.frozen import frozen

__all__ = ["Model", "model_of"]

NATS = 1000.0
"""Contours take a score that its background hardly changes, by under one nat, for one without an
answer; a cosine, whose changes are small by nature, is counted in thousandths."""


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
        return probabilities(outputs, self.answers)

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
    >>> import numpy as np
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
