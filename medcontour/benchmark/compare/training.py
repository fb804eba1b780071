"""Images of a data set, beside those that are compared, for methods that learn from some."""

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
from medcontour.benchmark.methods import (
    AmortisedContour,
    Explainer,
    Iba,
    NeuralMask,
    TrainingImages,
)
from medcontour.classifier import Classifier
from medcontour.errors import MedcontourError

__all__ = ["LEARNING", "with_training"]

MOST, FEWEST = 64, 8  # images to learn from
LEARNING = (AmortisedContour, NeuralMask, Iba)
"""Methods that learn from images first."""


def with_training(
    methods: Mapping[str, list[Explainer]],
    model: Classifier,
    dataset: Dataset,
    images: int,
    seed: int,
    largest: float,
    learn_from: Dataset | None = None,
) -> dict[str, list[Explainer]]:
    """Give methods that have to learn from images, and have none yet, those of the data set.

    They are the next 64 of the draw of `choose`, none of which is compared, or the first 64 of a
    draw from `learn_from`, and they are prepared when the first image is explained.

    Parameters
    ----------
    methods
        By name, one for each run.
    model
        The classifier that is explained.
    dataset, images, seed, largest, learn_from
        As of `run`.
    """
    if not any(_unlearned(one) for repeats in methods.values() for one in repeats):
        return dict(methods)
    drawn = choose(dataset, images + MOST, seed, largest)
    compared = drawn[:images]
    given_others = drawn[images:] if learn_from is None else choose(learn_from, MOST, seed, largest)
    others = [item for item, _ in given_others]
    digest = hashlib.sha256("\n".join(item.name for item in others).encode()).hexdigest()[:12]

    def given() -> tuple[Tensor, Tensor]:
        return _prepared(model, others)

    training = TrainingImages(f"{len(others)} images of the set, {digest}", given, len(compared))
    return {
        name: [
            replace(one, training=training)
            if isinstance(one, LEARNING) and _unlearned(one)
            else one
            for one in repeats
        ]
        for name, repeats in methods.items()
    }


def _unlearned(method: Explainer) -> bool:
    given = isinstance(method, Iba) and method.statistics is not None
    return isinstance(method, LEARNING) and method.training is None and not given


def _prepared(model: Classifier, items: list[Item]) -> tuple[Tensor, Tensor]:
    """Images (N, C, H, W) of the commonest shape, and their classes (N,)."""
    nothing = Results("", model.name, (), [], {}, {}, {}, [], {})
    cases = [case for item in items if (case := case_of(model, item, nothing)) is not None]
    shapes = Counter(case.inputs.shape for case in cases)
    shape = max(shapes, key=lambda one: shapes[one], default=None)
    alike = [case for case in cases if case.inputs.shape == shape]
    if len(alike) < FEWEST:
        raise MedcontourError(
            "The method learns from images of the set that are not compared, of which "
            f"{len(alike)} can be used; compare fewer, so that {FEWEST} or more are left."
        )
    return torch.cat([case.inputs for case in alike]), torch.cat([case.target for case in alike])
