"""Explanation methods on medical images: what a network trained from image labels looks at.

    python experiments/clinical.py DATA --kind breast --images 100 --out OUT
    python experiments/clinical.py DATA --kind brain --images 100 --out OUT

DATA holds ``busi`` (breast ultrasound with masks) or ``brain_mri`` (slices with polygons), and
``classifiers`` with ``brain_mri_mobilenet_v1_0.5_160_ft.safetensors``, whose layers ``flatnet.py``
beside it builds: that file's code is run. Breast lesions are explained with the repository's own
``sample_data/breast_us_classifier``.

``--part tuning`` takes the images that settings are chosen on; ``reported``, those of the tables:
of the breast images the classifier's validation part and, where that is not enough, images that it
was trained on; of the brain the last 15 % of each class, which the network was not trained on.
Those count that the network names rightly.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from natural_images import told

from medcontour import benchmark
from medcontour.benchmark.data.dataset import read_pixels
from medcontour.benchmark.network import index_of
from medcontour.classifier import Classifier, PhotoInput, load_classifier

ROOT = Path(__file__).resolve().parents[1]
TUMOURS = ("meningioma", "glioma", "pituitary")
HELD_OUT = 0.85
"""The brain network was trained on this share of each class, in index order: patients follow each
other there."""
POOL = 100
"""Images that a comparison draws from: the first that the network names rightly."""
SPACING = (0.49, 0.49)
"""Millimetres between the brain images' pixels."""


def breast(data: Path, part: str, pool: int = POOL) -> tuple[Classifier, benchmark.Dataset]:
    """Lesion or no lesion: the sample classifier, and images that it calls lesion."""
    bundle = ROOT / "sample_data" / "breast_us_classifier"
    model = load_classifier(bundle)
    with (bundle / "docs" / "split.csv").open(newline="") as table:
        rows = [row for row in csv.DictReader(table) if not row["file"].startswith("normal")]
    splits = ("tune",) if part == "tuning" else ("validation", "train")
    names = [
        name
        for split in splits
        for name in shuffled([Path(r["file"]).stem for r in rows if r["split"] == split])
    ]
    dataset = benchmark.read_folder(data / "busi", "lesion")
    return model, recognised(model, replace(dataset, names=tuple(names)), pool)


def brain(data: Path, part: str, pool: int = POOL) -> tuple[Classifier, benchmark.Dataset]:
    """Three kinds of tumour: a MobileNet, and slices that it names rightly."""
    sys.path.insert(0, str(data / "classifiers"))
    name = "brain_mri_mobilenet_v1_0.5_160_ft"
    network = importlib.import_module("flatnet").FlatNet.load(
        str(data / "classifiers" / f"{name}.safetensors")
    )
    prepare = PhotoInput((160, 160), resize=None, mean=(0.5, 0.5, 0.5), spread=(0.5, 0.5, 0.5))
    model = load_classifier(network, preprocessing=prepare, name=name, labels=TUMOURS)
    with (data / "brain_mri" / "labels.csv").open(newline="") as table:
        rows = sorted(csv.DictReader(table), key=lambda row: int(row["file"].split(".")[0]))
    names: list[str] = []
    for label in TUMOURS:
        own = [Path(row["file"]).stem for row in rows if row["label"] == label]
        last = round(HELD_OUT * len(own))
        names += own[last:] if part == "reported" else own[last // 2 : last]
    dataset = benchmark.read_folder(data / "brain_mri")
    return model, recognised(
        model,
        replace(
            dataset,
            names=tuple(shuffled(names)),
            item=lambda name: replace(dataset.item(name), spacing=SPACING),
        ),
        pool,
    )


def shuffled(names: list[str]) -> list[str]:
    """The names in an order drawn at random, always the same."""
    return [names[k] for k in np.random.default_rng(0).permutation(len(names))]


def recognised(
    model: Classifier, dataset: benchmark.Dataset, pool: int = POOL
) -> benchmark.Dataset:
    """The first images of which the network's first answer is the right one."""
    names = []
    for name in dataset.names:
        item = dataset.item(name)
        inputs = model.prepare(read_pixels(item.path), item.spacing or (1.0, 1.0)).tensor[None]
        if int(model.score(inputs)[0].argmax()) == index_of(model, item.classes[0]):
            names.append(name)
        if len(names) == pool:
            break
    return replace(dataset, names=tuple(names))


def add_options(parser: argparse.ArgumentParser) -> None:
    """What is compared, and on what."""
    parser.add_argument("--part", choices=["reported", "tuning"], default="reported")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--methods", default=",".join(benchmark.DEFAULT_METHODS))
    parser.add_argument("--area-weight", type=float, help="of the extremal contour")
    parser.add_argument("--background", help="of the extremal contour")
    parser.add_argument("--out", type=Path, required=True)


def compare(
    model: Classifier,
    dataset: benchmark.Dataset,
    chosen: argparse.Namespace,
    learn_from: benchmark.Dataset | None = None,
) -> None:
    """Run the comparison on all images of a data set, write it and print its table."""
    chosen.out.mkdir(parents=True, exist_ok=True)
    results = benchmark.run(
        model,
        dataset,
        chosen.out,
        chosen.methods.split(","),
        images=chosen.images,
        contour=benchmark.ExtremalContour(
            background=chosen.background, area_weight=chosen.area_weight
        ),
        outlines=True,
        learn_from=learn_from,
        progress=told,
    )
    benchmark.write_results(results, chosen.out)
    benchmark.write_figures(results, model, chosen.out)
    print(benchmark.method_table(results))


def main() -> None:
    """Find the images and the network, and compare."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--kind", choices=["breast", "brain"], required=True)
    add_options(parser)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    made = {"breast": breast, "brain": brain}[chosen.kind]
    # Methods that learn first do so from the images that settings are chosen on.
    learn_from = made(chosen.data, "tuning")[1] if chosen.part == "reported" else None
    compare(*made(chosen.data, chosen.part), chosen, learn_from)


if __name__ == "__main__":
    main()
