"""Images of a data set, beside those that are compared, to train methods on that need it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from medcontour.benchmark.compare.cases import case_of
from medcontour.benchmark.compare.record import Results
from medcontour.benchmark.data.dataset import Dataset, Item, choose
from medcontour.benchmark.methods import Explainer, NeuralMask, TrainingImages
from medcontour.classifier import Classifier
from medcontour.errors import MedcontourError

__all__ = ["with_training"]

MOST, FEWEST = 64, 8  # images to train on


def with_training(
    methods: Mapping[str, list[Explainer]],
    model: Classifier,
    dataset: Dataset,
    images: int,
    seed: int,
    largest: float,
) -> dict[str, list[Explainer]]:
    """Give mask networks that have none yet the images that they will be trained on.

    They are the next 64 of the draw of `choose`, none of which is compared, and they are prepared
    when the first image is explained.

    Parameters
    ----------
    methods
        By name, one for each run.
    model
        The classifier that is explained.
    dataset, images, seed, largest
        As of `run`.
    """
    if not any(_untrained(one) for repeats in methods.values() for one in repeats):
        return dict(methods)
    drawn = choose(dataset, images + MOST, seed, largest)
    others = [item for item, _ in drawn[images:]]
    digest = hashlib.sha256("\n".join(item.name for item in others).encode()).hexdigest()[:12]

    def given() -> tuple[Tensor, Tensor]:
        return _prepared(model, others)

    training = TrainingImages(
        f"{len(others)} images of the set, {digest}", given, min(images, len(drawn))
    )
    return {
        name: [
            replace(one, training=training)
            if isinstance(one, NeuralMask) and one.training is None
            else one
            for one in repeats
        ]
        for name, repeats in methods.items()
    }


def _untrained(method: Explainer) -> bool:
    return isinstance(method, NeuralMask) and method.training is None


def _prepared(model: Classifier, items: list[Item]) -> tuple[Tensor, Tensor]:
    """Images (N, C, H, W) of the commonest shape, and their classes (N,)."""
    nothing = Results("", model.name, (), [], {}, {}, {}, [], {})
    cases = [case for item in items if (case := case_of(model, item, nothing)) is not None]
    shapes = Counter(case.inputs.shape for case in cases)
    shape = max(shapes, key=lambda one: shapes[one], default=None)
    alike = [case for case in cases if case.inputs.shape == shape]
    if len(alike) < FEWEST:
        raise MedcontourError(
            f"A mask network is trained on images of the set that are not compared, of which "
            f"{len(alike)} can be used; compare fewer, so that {FEWEST} or more are left."
        )
    return torch.cat([case.inputs for case in alike]), torch.cat([case.target for case in alike])
