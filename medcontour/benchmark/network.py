"""What a classifier is to explanation methods and metrics: a network, and a score of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from medcontour.benchmark.data.dataset import Item, read_pixels
from medcontour.classifier import Classifier, NetworkClassifier, load_classifier
from medcontour.classifier.photo_input import PhotoInput
from medcontour.errors import MedcontourError
from medcontour.log_odds import Outputs

__all__ = [
    "Explained",
    "classifier_of",
    "explained",
    "index_of",
    "outputs_of",
    "score_of",
    "scores",
]

NATS = 1000.0
"""Contours take a score that its background hardly changes, by under one nat, for one without a
score; a cosine, whose changes are small by nature, is counted in thousandths."""


@dataclass(frozen=True)
class Explained:
    """A network as explanation methods take it.

    Attributes
    ----------
    network
        (B, C, H, W) to (B, classes).
    outputs
        What it gives.
    """

    network: nn.Module
    outputs: Outputs


def classifier_of(
    network: Classifier | nn.Module | str, preprocessing: Callable[..., Any] | None = None
) -> Classifier:
    """Take a classifier, or any network or name; a bare network takes pictures as for ImageNet.

    Examples
    --------
    >>> network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 5))
    >>> classifier_of(network).labels[:2]
    ('class 0', 'class 1')
    """
    if isinstance(network, nn.Module):
        return load_classifier(network, preprocessing=preprocessing or PhotoInput())
    return load_classifier(network)


@torch.no_grad()
def scores(classifier: Classifier, inputs: Tensor) -> Tensor:
    """(B, C, H, W) to (B, classes) probabilities, or (B, features) of an embedding."""
    if classifier.outputs == "embedding":
        return classifier.embed(inputs)
    return classifier.score(inputs).sigmoid()


def score_of(
    classifier: Classifier, images: Tensor, targets: Tensor
) -> Callable[[Tensor, Tensor], Tensor]:
    """Give what the metrics ask: ``score(inputs (N, C, H, W), which (N,)) -> (N,)``.

    `which` says of which of the images an input is a variant. It is the target's probability,
    or the cosine to the image's own embedding.
    """
    if classifier.outputs != "embedding":
        return lambda inputs, which: (
            scores(classifier, inputs).gather(1, targets[which].unsqueeze(1)).squeeze(1)
        )
    own = scores(classifier, images)
    return lambda inputs, which: torch.cosine_similarity(scores(classifier, inputs), own[which])


def explained(classifier: Classifier, images: Tensor, *, cosine: bool) -> Explained:
    """Give the network whose class is explained: of an embedding, one of likeness to itself.

    It is the network as it is, where that gives logits and nothing else; otherwise one around it
    that gives log-odds.

    Parameters
    ----------
    classifier
        Whose network it is.
    images
        (B, C, H, W), whose own embeddings are meant.
    cosine
        Whether likeness is the cosine, whose gradient vanishes at the image itself, times
        1000; or the dot product with the image's own direction, 1 for the image.
    """
    if classifier.outputs == "embedding":
        network = _Likeness(classifier, scores(classifier, images), cosine)
        return Explained(network, "softmax")
    with torch.no_grad():
        classifier.score(images[:1])  # what the network gives is found out by asking it
    outputs = classifier.outputs
    plain = isinstance(classifier, NetworkClassifier) and classifier.gives_columns
    if plain and (outputs == "softmax" or outputs == "sigmoid"):
        return Explained(classifier.network, outputs)
    return Explained(_LogOdds(classifier), "sigmoid")


def outputs_of(classifier: Classifier, items: Sequence[Item]) -> Outputs:
    """Say what the network of `explained` will give, by the first image that can be prepared.

    An embedding's likeness stands beside 0: logits of two classes.
    """
    if classifier.outputs == "embedding":
        return "softmax"
    for item in items:
        try:
            prepared = classifier.prepare(read_pixels(item.path), item.spacing or (1.0, 1.0))
        except (MedcontourError, OSError, ValueError):
            continue  # said when it is its turn
        return explained(classifier, prepared.tensor[None], cosine=False).outputs
    return "softmax"


def index_of(classifier: Classifier, name: int | str) -> int:
    """Number of a class.

    Raises
    ------
    MedcontourError
        When the network has none of that name.
    """
    if isinstance(name, int):
        return name
    folded = [label.casefold() for label in classifier.labels]
    if name.casefold() not in folded:
        known = ", ".join(classifier.labels[:10]) or "none"
        raise MedcontourError(
            f'{classifier.name} has no class "{name}" (it has {known}); give one with --target, or '
            "take the label column out of labels.csv to explain the class the network gives."
        )
    return folded.index(name.casefold())


class _LogOdds(nn.Module):
    """(B, C, H, W) to (B, classes): the log-odds of a classifier, over the network inside it."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.network = classifier.network
        self._score = classifier.score

    def forward(self, inputs: Tensor) -> Tensor:
        return self._score(inputs)


class _Likeness(nn.Module):
    """(B, C, H, W) to (B, 2): likeness to one image's embedding, and 0 beside it.

    The second column is what a softmax needs to follow the first.
    """

    def __init__(self, classifier: Classifier, own: Tensor, cosine: bool) -> None:
        super().__init__()
        self.network = classifier.network
        self.image_embedding = classifier.embed
        self.own: Tensor
        self.register_buffer("own", own.detach())
        self.cosine = cosine

    def forward(self, inputs: Tensor) -> Tensor:
        features = self.image_embedding(inputs)
        own = self.own.expand(len(features), -1)
        if self.cosine:
            likeness = NATS * torch.cosine_similarity(features, own)
        else:
            likeness = (features * own).sum(1) / own.square().sum(1)
        return torch.stack([likeness, torch.zeros_like(likeness)], 1)
