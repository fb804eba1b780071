"""Tuning images of the kinds that `area_weight.py` compares on, each with its network."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count, islice
from pathlib import Path

import clinical
import numpy as np
import torch
from natural_images import mobilenet
from torch import Tensor

import medcontour as mc
from medcontour import benchmark
from medcontour.benchmark.compare.cases import usable_cases
from medcontour.benchmark.network import scores
from medcontour.benchmark.truth import truth_in
from medcontour.classifier import Classifier

SAMPLE = Path(__file__).resolve().parents[1] / "sample_data"
PHANTOM_SEED = 540_000
"""Of no phantom that a network was trained on or a table made of."""


@dataclass(frozen=True)
class Images:
    """Images of one kind.

    Attributes
    ----------
    kind
        What the tables call it.
    names
        Of the images.
    inputs
        (N, C, H, W), as the network takes them.
    truths
        (N, H, W) bool: the object.
    targets
        (N,) int64: the class that is explained.
    logits
        (B, C, H, W) to (B, classes), of classes that exclude each other.
    """

    kind: str
    names: tuple[str, ...]
    inputs: Tensor
    truths: Tensor
    targets: Tensor
    logits: Callable[[Tensor], Tensor] = field(repr=False)

    def log_odds(self, inputs: Tensor, which: Tensor) -> Tensor:
        """(M,) of each image's class: its logit less the logsumexp of the others."""
        logits, own = self.logits(inputs), self.targets[which].unsqueeze(1)
        others = logits.scatter(1, own, -torch.inf).logsumexp(1)
        return logits.gather(1, own).squeeze(1) - others

    def logit(self, inputs: Tensor, which: Tensor) -> Tensor:
        """(M,) of each image's class."""
        return self.logits(inputs).gather(1, self.targets[which].unsqueeze(1)).squeeze(1)

    @torch.no_grad()
    def called(self, inputs: Tensor, which: Tensor) -> Tensor:
        """(M,) whether the class has the highest logit (of two classes: probability over 0.5)."""
        return self.logits(inputs).argmax(1) == self.targets[which]


def of_dataset(
    kind: str, model: Classifier, dataset: benchmark.Dataset, images: int, **drawn: float
) -> Images:
    """Images of a data set as `benchmark.run` would take them."""
    cases = list(islice(usable_cases(model, dataset, images=len(dataset), **drawn), images))  # type: ignore[arg-type]
    return Images(
        kind,
        tuple(case.item.name for case in cases),
        torch.cat([case.inputs for case in cases]),
        torch.cat([case.truth for case in cases]),
        torch.cat([case.target for case in cases]),
        model.network,
    )


def imagenet(data: Path, images: int) -> Images:
    """Images whose object covers less than half, without the 100 of docs/photographs.md."""
    dataset = benchmark.read_imagenet(data / "imagenet_val")
    held = {item.name for item, _ in benchmark.choose(dataset, 100, 0, 0.5)}
    names = tuple(name for name in dataset.names if name not in held)
    model = mobilenet(data / "classifiers")
    return of_dataset("ImageNet", model, replace(dataset, names=names), images, largest=0.5)


def coco(data: Path, images: int) -> Images:
    """Images and the category in them that the network recognises."""
    dataset = benchmark.read_coco(data / "coco", data / "coco" / "coco_to_imagenet.json")
    return of_dataset("COCO", mobilenet(data / "classifiers"), dataset, images)


def breast(data: Path, images: int) -> Images:
    """The tuning part of `clinical.py`."""
    model, dataset = clinical.breast(data, "tuning", images)
    return of_dataset("breast ultrasound", model, dataset, images)


def brain(data: Path, images: int) -> Images:
    """The tuning part of `clinical.py`."""
    model, dataset = clinical.brain(data, "tuning", images)
    return of_dataset("brain MR", model, dataset, images)


def nodules(data: Path, images: int) -> Images:
    """Slices of new thorax phantoms with a nodule that the sample classifier calls nodule."""
    sys.path.insert(0, str(SAMPLE))
    phantom = importlib.import_module("phantom")
    model = mc.load_classifier(SAMPLE / "nodule_classifier")
    grid = phantom.Grid((20, 160, 208), (10.0, 1.875, 1.75), -112.0)
    target = len(model.labels) - 1

    def positive() -> Iterator[tuple[str, Tensor, Tensor]]:
        for number in count():
            study = phantom.thorax(PHANTOM_SEED + number, grid, 4)
            for k, (plane, labels) in enumerate(zip(study.ct, study.labels, strict=True)):
                if not labels.any():
                    continue
                prepared = model.prepare(plane.astype(np.float32), (1.875, 1.75))
                if int(scores(model, prepared.tensor[None])[0].argmax()) == target:
                    truth = truth_in(prepared, labels > 0)
                    yield f"phantom {number} slice {k}", prepared.tensor, truth

    names, inputs, truths = zip(*islice(positive(), images), strict=True)
    targets = torch.full((len(names),), target)
    return Images(
        "CT nodules", names, torch.stack(inputs), torch.stack(truths), targets, model.network
    )


KINDS: dict[str, Callable[[Path, int], Images]] = {
    "nodules": nodules,
    "breast": breast,
    "brain": brain,
    "imagenet": imagenet,
    "coco": coco,
}
