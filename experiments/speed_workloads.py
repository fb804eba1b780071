"""Workloads of the speed table: the repository's sample, and a folder of real data."""

from __future__ import annotations

import csv
import importlib
import sys
from collections.abc import Iterator
from functools import cache
from itertools import count, islice
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from presence_network import shown_by_part
from torch import Tensor, nn

from medcontour.benchmark import Workload
from medcontour.classifier import Classifier, load_classifier
from medcontour.errors import MedcontourError
from medcontour.explain import AUTOMATIC

SAMPLE = Path(__file__).resolve().parents[1] / "sample_data"
Part = Literal["tuning", "reported"]
"""Settings were chosen on ``"tuning"`` images; tables are made of ``"reported"`` ones."""

PHANTOM_SEEDS = {"tuning": 510_000, "reported": 520_000}
RUN_SEED = 530_000
PRESENCE = {"lgg_flair": "presence on FLAIR"}
HELD_OUT = 0.85
"""The brain network was trained on this share of each class, in index order."""


def find_workloads(
    data: Path | None, images: int, part: Part = "reported", networks: Path | None = None
) -> list[Workload]:
    """Give each workload whose files are there.

    Parameters
    ----------
    data
        A folder of real images and classifiers (``brain_mri``, ``busi``, ``imagenet_val``,
        ``classifiers``). ``classifiers/flatnet.py`` in it is run. What is not there is left out;
        None: the sample's phantoms alone.
    images
        At most so many images of each.
    part
        Which images.
    networks
        A folder of networks that ``presence_network.py`` trained, each named as its folder of
        images in `data`.
    """
    workloads = [_nodules(images, part)]
    if data is None:
        return workloads
    if (data / "busi").is_dir():
        workloads.append(_breast(data / "busi", images, part))
    if (data / "classifiers" / "flatnet.py").is_file():
        if (data / "brain_mri").is_dir():
            workloads.append(_brain(data, images, part))
        if (data / "imagenet_val").is_dir():
            workloads.append(_photographs(data, images, part))
    for name in PRESENCE:
        if networks is not None and (networks / name).is_dir():
            workloads.append(_presence(data / name, networks / name, images, part))
    return workloads


def _nodules(images: int, part: Part) -> Workload:
    """Slices of new thorax phantoms that the sample classifier calls positive."""
    classifier = load_classifier(SAMPLE / "nodule_classifier")
    phantom = _module(SAMPLE / "phantom.py")
    grid = phantom.Grid((20, 160, 208), (10.0, 1.875, 1.75), -112.0)
    slices = (
        classifier.prepare(plane.astype(np.float32), (1.875, 1.75)).tensor
        for number in count()
        for plane in phantom.thorax(PHANTOM_SEEDS[part] + number, grid, 4).ct
    )
    return _positive("nodules", classifier, slices, images, 10.0)


def slice_runs(runs: int) -> list[Workload]:
    """Runs of consecutive slices, 5 mm apart, that the sample classifier calls positive.

    Parameters
    ----------
    runs
        How many, each of two slices or more, from the sample study's kind of phantom.
    """
    classifier = load_classifier(SAMPLE / "nodule_classifier")
    phantom = _module(SAMPLE / "phantom.py")
    grid = phantom.Grid((40, 160, 208), (5.0, 1.9, 1.7), -115.0)
    found: list[Workload] = []
    number = 0
    while len(found) < runs:
        run: list[Tensor] = []
        for plane in [*phantom.thorax(RUN_SEED + number, grid, 4).ct, None]:
            if plane is not None:
                tensor = classifier.prepare(plane.astype(np.float32), (1.9, 1.7)).tensor
                if _calls(classifier, tensor):
                    run.append(tensor)
                    continue
            if len(run) > 1:
                found.append(_positive("nodules", classifier, iter(run), len(run), 10.0))
            run = []
        number += 1
    return found[:runs]


def _breast(data: Path, images: int, part: Part) -> Workload:
    """Breast lesions: the classifier's tuning part, or its validation part and then others."""
    bundle = SAMPLE / "breast_us_classifier"
    with (bundle / "docs" / "split.csv").open(newline="") as table:
        rows = [row for row in csv.DictReader(table) if not row["file"].startswith("normal")]
    splits = ("tune",) if part == "tuning" else ("validation", "train")
    files = [row["file"] for split in splits for row in rows if row["split"] == split]
    classifier = load_classifier(bundle)
    slices = (
        classifier.prepare(_pixels(data / "images" / file, "L"), (1.0, 1.0)).tensor
        for file in files
    )
    return _positive("breast lesions", classifier, slices, images, 3.0)


def _brain(data: Path, images: int, part: Part) -> Workload:
    """Brain tumours that the network names rightly: the slices that it was not trained on."""
    with (data / "brain_mri" / "predictions_mobilenet_v1_0.5_160.csv").open(newline="") as table:
        rows = sorted(csv.DictReader(table), key=lambda row: int(row["file"].split(".")[0]))
    labels = ("meningioma", "glioma", "pituitary")
    files: list[tuple[str, int]] = []
    for index, label in enumerate(labels):
        own = [row for row in rows if row["label"] == label]
        held_out = round(HELD_OUT * len(own))
        some = own[held_out:] if part == "reported" else own[held_out // 2 : held_out]
        files += [(row["file"], index) for row in some if row["pred"] == label]
    order = np.random.default_rng(0).permutation(len(files))[:images]
    files = [files[k] for k in order]
    network = _flat(data, "brain_mri_mobilenet_v1_0.5_160_ft")
    tensors = [_mobilenet_input(data / "brain_mri" / "images" / file, 160) for file, _ in files]
    targets = [target for _, target in files]
    return _of_network("brain tumours", network, tensors, targets, "target", 3.0)


def _photographs(data: Path, images: int, part: Part) -> Workload:
    """Photographs; reported: whose object fills less than half, those named rightly first.

    The contour keeps the embedding, which asks for no class, so that the others serve too.
    """
    with (data / "imagenet_val" / "labels.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    small = part == "reported"
    rows = [row for row in rows if (float(row["box_area_frac"]) < 0.5) == small]
    rows.sort(key=lambda row: row["top1_mv1_025"] != row["class_index"])
    folder = data / "imagenet_val" / "images"
    tensors = [_mobilenet_input(folder / row["file"], 128) for row in rows[:images]]
    # The network's class 0 is none of ImageNet's.
    targets = [int(row["class_index"]) + 1 for row in rows[:images]]
    network = _flat(data, "mobilenet_v1_0.25_128")
    return _of_network("photographs", network, tensors, targets, "embedding", 1.0)


def _presence(data: Path, network: Path, images: int, part: Part) -> Workload:
    """Images that a presence network calls rightly: of no part that it was trained on."""
    classifier = load_classifier(network)
    rows = shown_by_part(data, network)["tune" if part == "tuning" else "report"]
    slices = (
        classifier.prepare(_pixels(data / "images" / row["file"], "L"), (1.0, 1.0)).tensor
        for row in rows
    )
    return _positive(PRESENCE[data.name], classifier, slices, min(images, len(rows)), 3.0)


def _positive(
    name: str, classifier: Classifier, slices: Iterator[Tensor], images: int, area_weight: float
) -> Workload:
    positive = (tensor for tensor in slices if _calls(classifier, tensor))
    kept = torch.stack(list(islice(positive, images)))
    targets = torch.full((len(kept),), len(classifier.labels) - 1)
    return Workload(
        name,
        kept,
        targets,
        classifier.score,
        classifier.embed,
        "target",
        area_weight,
        AUTOMATIC,
    )


@torch.no_grad()
def _calls(classifier: Classifier, tensor: Tensor) -> bool:
    """Whether the last class, which names the finding, is called."""
    return bool(classifier.score(tensor[None])[0, -1] > 0)


def _of_network(
    name: str,
    network: Any,
    tensors: list[Tensor],
    targets: list[int],
    follows: Literal["target", "embedding"],
    area_weight: float,
) -> Workload:
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    features = _without_last(network)

    def score(inputs: Tensor) -> Tensor:
        logits: Tensor = network(inputs)
        # log p / (1 - p) of every class: z - logsumexp of the others.
        odds: Tensor = logits - _logsumexp_of_others(logits)
        return odds

    return Workload(
        name,
        torch.stack(tensors),
        torch.tensor(targets),
        score,
        lambda inputs: features(inputs).flatten(1),
        follows,
        area_weight,
        AUTOMATIC if follows == "target" else ("blur",),
    )


def _logsumexp_of_others(logits: Tensor) -> Tensor:
    total = torch.logsumexp(logits, 1, keepdim=True)
    share = (logits - total).clamp(max=-1e-6)
    return total + torch.log(-torch.expm1(share))


@cache
def _module(path: Path) -> ModuleType:
    """Import a file by its name, with what lies beside it."""
    if not path.is_file():
        raise MedcontourError(f"{path} is not there; give the folder that it came with.")
    sys.path.insert(0, str(path.parent))
    return importlib.import_module(path.stem)


def _flat(data: Path, name: str) -> nn.Module:
    folder = data / "classifiers"
    network: nn.Module = _module(folder / "flatnet.py").FlatNet.load(
        str(folder / f"{name}.safetensors")
    )
    return network


def _without_last(network: Any) -> nn.Module:
    """The same network up to its pooled features."""
    features: nn.Module = type(network)(network.ops)
    features.load_state_dict(network.state_dict())
    last = max(k for k, op in enumerate(network.ops) if op["op"] == "gap")
    features.ops = network.ops[: last + 1]
    for parameter in features.parameters():
        parameter.requires_grad_(False)
    features.eval()
    return features


def _pixels(path: Path, mode: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    with Image.open(path) as image:
        return np.asarray(image.convert(mode), dtype=np.float32)


def _mobilenet_input(path: Path, size: int) -> Tensor:
    with Image.open(path) as image:
        small = image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.asarray(small, dtype=np.float32)).permute(2, 0, 1) / 127.5 - 1
