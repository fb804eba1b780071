"""How much corrected cases help learned outlines, and how many masks learning without any equals.

From a file that `medcontour learn` wrote on the parts of a set that are not reported, some of
these images are corrected (their masks given) in several orders, and the file's networks trained
on. What the networks then draw is held against the masks of the reported part. Beside it: networks
trained on some true masks alone, with none of ours.

    python experiments/corrected_cases.py --data busi --classifier sample_data/breast_us_classifier\
 --learned busi.safetensors --part validation --out results/
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from localisation import intervals, run_record, say, write_results

import medcontour as mc
from medcontour.checked.scans import CheckedScan
from medcontour.classifier import Classifier, target_index
from medcontour.learning.continued import CONTINUED, continued
from medcontour.learning.images import LearningImage
from medcontour.learning.learning_set import LearningSet
from medcontour.learning.order import correction_order, seen_by
from medcontour.learning.rounds import RoundConstants, Training, drawn_by, in_rounds
from medcontour.learning.training import TRAINING
from medcontour.learning.training_set import dice_each
from medcontour.outline import LearnedNetworks
from medcontour.pipeline.outliners import learned_networks
from medcontour.pipeline.settings import Settings

COUNTS = (5, 10, 20, 40)
ORDERS = ("random", "next", "least certain")
NOTES = (
    "Images that the classifier calls and that have a mask. Dice of what the networks draw, on the "
    "classifier's input, with 95 % bootstrap intervals over images; the mean of the draws.",
    "next: as `medcontour next` says, the ten most typical first, then the least certain.",
    "masks alone: networks from the classifier, trained on so many true masks drawn at random.",
)


def rows_of(data: Path, classifier: Path, reported: str) -> tuple[list[Path], list[Path]]:
    """Image files that are learned from, and those that are reported."""
    with (classifier / "docs" / "split.csv").open(newline="", encoding="utf-8") as table:
        split = {row["file"]: row["split"] for row in csv.DictReader(table)}
    files = {file: data / "images" / file for file in sorted(split)}
    return (
        [path for file, path in files.items() if split[file] != reported],
        [path for file, path in files.items() if split[file] == reported],
    )


def read_set(files: Sequence[Path], data: Path, classifier: Classifier) -> LearningSet:
    """Images with their masks, as if all were corrected."""
    learning = LearningSet(classifier, target_index(classifier), Settings(), [])
    masks = data / "masks"
    found = {path.stem: next(iter(masks.glob(f"{path.stem}.*")), None) for path in files}
    scans = [CheckedScan(path, mask=found[path.stem]) for path in files]
    learning.read(scans, None)
    return learning


def with_masks(learning: LearningSet, which: Sequence[int]) -> LearningSet:
    """The same with the masks of some images alone."""
    some = set(which)
    images = [
        image if n in some else replace(image, mask=None) for n, image in enumerate(learning.images)
    ]
    return replace(learning, images=images)


def reported(learning: LearningSet) -> list[LearningImage]:
    """Called images that have a mask which is not empty."""
    return [
        image
        for image in learning.images
        if image.mask is not None and image.mask.max() > 0.5 and replace(image, mask=None).positive
    ]


def dice_of(networks: LearnedNetworks, images: Sequence[LearningImage]) -> npt.NDArray[np.float64]:
    """(N,) Dice of what networks draw on images."""
    maps = networks.maps(torch.stack([image.inputs for image in images])).cpu().numpy()
    masks = [image.mask for image in images if image.mask is not None]
    return dice_each(drawn_by(maps, 0.5), np.stack(masks))


def order_of(
    name: str, learning: LearningSet, networks: LearnedNetworks, most: int, seed: int
) -> list[int]:
    """Places of the called images, in the order in which they are corrected."""
    bare = with_masks(learning, ())
    places = [n for n, image in enumerate(bare.images) if image.positive]
    if name == "random":
        order = np.random.default_rng(seed).permutation(len(places))[:most].tolist()
        return [places[n] for n in order]
    features, stability = seen_by(networks, bare.training_set({}).images)
    none = np.zeros(len(places), bool)
    typical = {"typical": 0} if name == "least certain" else {}
    order = correction_order(features, stability, none, np.arange(len(places)), most, **typical)
    return [places[n] for n, *_ in order]


def rounds(
    args: argparse.Namespace, classifier: Classifier
) -> Iterator[tuple[str, int, int, npt.NDArray[np.float64]]]:
    """Way, number of corrected images or masks, seed, and the Dice of each reported image."""
    learned_from, held = rows_of(args.data, args.classifier, args.part)
    learning = read_set(learned_from, args.data, classifier)
    judged = reported(read_set(held, args.data, classifier))
    base = learned_networks(args.learned, classifier)
    yield "learned, none corrected", 0, 0, dice_of(base, judged)

    def training(seed: int, corrected: bool) -> Training:
        constants = CONTINUED.training if corrected else TRAINING
        return Training(classifier.network, seed, lambda *_: None, lambda _: None, 3, constants)

    for seed in range(args.draws):
        for name in ORDERS:
            order = order_of(name, learning, base, max(COUNTS), seed)
            for count in COUNTS:
                known = with_masks(learning, order[:count]).training_set({})
                networks = continued(known, base, training(seed, corrected=True))
                yield name, count, seed, dice_of(networks, judged)
    for count in (*COUNTS, len(learning.positive)):
        order = order_of("random", learning, base, count, 0)
        known = with_masks(learning, order).training_set({})
        made = in_rounds(known, training(0, corrected=False), RoundConstants(rounds=1))
        networks = LearnedNetworks(made.networks, made.threshold)
        yield "masks alone", len(order), 0, dice_of(networks, judged)


def main() -> None:
    """Make the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with labels.csv")
    parser.add_argument("--classifier", type=Path, required=True, help="a bundle with a split")
    parser.add_argument("--learned", type=Path, required=True)
    parser.add_argument("--part", required=True, help="of docs/split.csv, which is reported")
    parser.add_argument("--draws", type=int, default=3, help="seeds of each order")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    begun = time.perf_counter()
    classifier = mc.load_classifier(args.classifier)
    total = 1 + args.draws * len(ORDERS) * len(COUNTS) + len(COUNTS) + 1
    records: list[dict[str, Any]] = []
    for number, (way, count, seed, values) in enumerate(rounds(args, classifier), start=1):
        records += [
            {"way": way, "count": count, "seed": seed, "image": n, "Dice": float(value)}
            for n, value in enumerate(values)
        ]
        print(f"{way} {count} seed {seed}: {values.mean():.3f}", flush=True)
        say("training", number, total)
    rows = []
    for way, count in dict.fromkeys((record["way"], record["count"]) for record in records):
        own = [record for record in records if (record["way"], record["count"]) == (way, count)]
        images = sorted({record["image"] for record in own})
        values = [np.mean([r["Dice"] for r in own if r["image"] == image]) for image in images]
        draws = len({record["seed"] for record in own})
        mean = float(np.mean(values)), intervals(values)
        rows.append({"": way, "images": count, "draws": draws, "n": len(images), "Dice": mean})
    write_results(
        args.out,
        f"Corrected cases, {args.data.name}, part {args.part}",
        NOTES,
        {"Dice by corrected images": rows},
        {"part": args.part, **run_record(classifier, begun)},
        records,
    )


if __name__ == "__main__":
    main()
