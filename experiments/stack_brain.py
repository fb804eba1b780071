"""A tumour in a whole head (T1 with contrast): findings on a real stack, against its label map.

DATA is the folder of shared data. ``brain_mri`` has slices that all hold a tumour. From each with
the tumour in one half of the head two pictures are made, each half beside its own mirror image:
one with a tumour, one without, so that no asymmetry gives them away. A small network learns from
these which holds a tumour, never where. ``medcontour suggest`` then runs with its default settings
on ``ct_mr_nifti/pyradiomics/brain1_image.nrrd``, another hospital's stack of whole heads.

    python experiments/stack_brain.py --data DATA --out results/

A network that is there (``OUT/network``) is not trained anew.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
from localisation import run_record, say, write_results
from PIL import Image
from presence_network import make, write_labels
from skimage.draw import polygon2mask
from stack_heads import figures, picture
from volumes import finding_rows, in_words

import medcontour as mc

BLOCK = 20
"""Slices that follow each other are of one patient: they go to one part."""
SYMMETRY = 0.8
"""Correlation of a head with its mirror image: sagittal slices have less."""
ONE_SIDE = 0.98
"""Share of the tumour that lies in one half."""
STEPS = 1500
NOTES = (
    "Dice in 3D against the label map that comes with the scan; finding volumes in mm3.",
    "The network's own figures are in network/docs/auc.json, by blocks of slices.",
)
Grey = npt.NDArray[np.uint8]


def halves(image: Grey, tumour: npt.NDArray[np.bool_]) -> tuple[Grey, Grey] | None:
    """The head made of the half with the tumour and of the other; None where it lies in both."""
    columns = np.flatnonzero((image > 40).mean(axis=0) > 0.05)
    if not len(columns):
        return None
    low, high = int(columns[0]), int(columns[-1]) + 1
    wide = (high - low) // 2
    left, right = image[:, low : low + wide], image[:, high - wide : high][:, ::-1]
    if np.corrcoef(left.ravel(), right.ravel())[0, 1] < SYMMETRY:
        return None
    share = tumour[:, low : low + wide].sum() / max(1, tumour.sum())
    if ONE_SIDE > share > 1 - ONE_SIDE:
        return None
    with_tumour, without = (left, right) if share >= ONE_SIDE else (right, left)
    whole = [np.concatenate([half, half[:, ::-1]], axis=1) for half in (with_tumour, without)]
    return whole[0], whole[1]


def cut(data: Path, out: Path) -> None:
    """Write the pictures as `presence_network` reads them."""
    (out / "images").mkdir(parents=True, exist_ok=True)
    rows = []
    with (data / "labels.csv").open(newline="", encoding="utf-8") as table:
        listed = list(csv.DictReader(table))
    for row in listed:
        with Image.open(data / "images" / row["file"]) as opened:
            image = np.asarray(opened.convert("L"), dtype=np.uint8)
        polygon = np.array(json.loads(row["polygon_xy"]), dtype=float)
        made = halves(image, polygon2mask(image.shape, polygon[:, ::-1]))
        if made is None:
            continue
        place = int(row["file"].split(".")[0])
        for label, whole in zip((1, 0), made, strict=True):
            name = f"{place:04}_{label}.png"
            Image.fromarray(whole).resize((256, 256)).save(out / "images" / name)
            rows.append({"file": name, "label": label, "group": f"block{place // BLOCK:03}"})
    write_labels(out, rows)
    print(f"{len(rows)} pictures from {len(listed)} slices", flush=True)


def main() -> None:
    """Make the table and the picture."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=STEPS, help="of the network's training")
    args = parser.parse_args()
    begun = time.perf_counter()
    slices, network = args.out / "slices", args.out / "network"
    if not (network / "docs" / "split.csv").is_file():
        cut(args.data / "brain_mri", slices)
        make(slices, network, "tumour", steps=args.steps)
    classifier = mc.load_classifier(network)
    folder = args.data / "ct_mr_nifti" / "pyradiomics"
    scan = mc.read_scan(folder / "brain1_image.nrrd")
    labels = mc.read_scan(folder / "brain1_label.nrrd").voxels.astype(np.uint8)
    suggestion = mc.suggest(scan, classifier, progress=say)
    suggestion.save(args.out / "suggestion", ["report"])
    findings = suggestion.for_export().findings
    rows = finding_rows(findings, labels, scan)
    found = np.any([labels < 0, *(finding.mask(scan) for finding in findings)], axis=0)
    picture(scan, found, labels > 0, args.out / "slices.png")
    whole = figures(findings, labels > 0, scan)
    write_results(
        args.out,
        "A tumour in a whole head",
        (*NOTES, in_words(rows, findings, labels, scan)),
        {"Findings": rows, "Whole": [{"called": len(suggestion.slices), **whole}]},
        run_record(classifier, begun),
        rows,
    )


if __name__ == "__main__":
    main()
