"""Organ or no organ: a small network trained on image labels, and what methods say it looks at.

    python experiments/organ_slices.py DATA --organ liver --out OUT

DATA is ``ct_mr_nifti/totalseg`` with ``example_ct.nii.gz``, ``example_mr_sm.nii.gz``, their label
maps and the names of the labels. Axial, coronal and sagittal slices of both become pictures, those
of `BLOCK` neighbours going to the same part: ``OUT/train`` and ``OUT/report``, each a folder as
``medcontour benchmark folder`` takes it. Crossing planes share the voxels of a line, so that the
parts are not of different people and not wholly apart. The network sees a slice and whether the
organ is in it, never where; methods are compared on report slices that it calls organ rightly.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
import torch
from clinical import add_options, compare, recognised, shuffled
from PIL import Image
from torch import Tensor, nn

from medcontour import benchmark
from medcontour.classifier import Classifier, PhotoInput, load_classifier

VOLUMES = {
    "ct": ("example_ct", "example_seg_fast_force_split", "labels_total_ct"),
    "mr": ("example_mr_sm", "example_seg_mr", "labels_total_mr"),
}
PLANES = {"sagittal": 0, "coronal": 1, "axial": 2}
BLOCK, GAP = 8, 1
"""Slices of one part that follow each other, and how many are left out at each of their ends."""
LEAST = 20
"""Pixels of the organ that make a slice one with it; with fewer, but any, it is left out."""
WINDOW = (-160.0, 240.0)
LABELS = ("no organ", "organ")
SIDE = 96
STEPS, BATCH = 700, 16

Grey = npt.NDArray[np.uint8]


def slices(data: Path, organ: str) -> Iterator[tuple[str, int, Grey, Grey, tuple[float, float]]]:
    """Name, place, picture, mask (both upright) and millimetres per row and column."""
    for kind, (image, labels, names) in VOLUMES.items():
        known = json.loads((data / f"{names}.json").read_text(encoding="utf-8"))
        wanted = [int(k) for k, name in known.items() if organ in (name, name.split("_")[0])]
        scan = nib.as_closest_canonical(nib.load(data / f"{image}.nii.gz"))
        found = nib.as_closest_canonical(nib.load(data / f"{labels}.nii.gz"))
        values = np.asarray(scan.dataobj, dtype=np.float32)
        inside = np.isin(np.asarray(found.dataobj).astype(int), wanted)
        low, high = WINDOW if kind == "ct" else (0.0, float(np.percentile(values, 99.5)))
        grey = ((values - low) / (high - low)).clip(0, 1) * 255
        spacing = [float(step) for step in scan.header.get_zooms()[:3]]
        for plane, axis in PLANES.items():
            across, up = (k for k in range(3) if k != axis)
            for place in range(values.shape[axis]):
                picture, mask = (
                    np.flipud(v.take(place, axis).T).astype(np.uint8) for v in (grey, inside)
                )
                name = f"{kind}_{plane}_{place:03d}"
                yield name, place, picture, mask, (spacing[up], spacing[across])


def part_of(place: int) -> str | None:
    """The part of a slice: blocks take turns; None for those next to another part's."""
    block, within = divmod(place, BLOCK)
    if not GAP <= within < BLOCK - GAP:
        return None
    return ("train", "report")[block % 2]


def make_parts(data: Path, organ: str, out: Path) -> None:
    """Write ``train`` and ``report``, each with images, masks and labels.csv."""
    rows: dict[str, list[tuple[str, str, float, float]]] = {"train": [], "report": []}
    for part in rows:
        for kind in ("images", "masks"):
            (out / part / kind).mkdir(parents=True, exist_ok=True)
    for name, place, picture, mask, (row, column) in slices(data, organ):
        part, size = part_of(place), int(mask.sum())
        if part is None or 0 < size < LEAST:
            continue
        Image.fromarray(picture).save(out / part / "images" / f"{name}.png")
        Image.fromarray(mask * 255).save(out / part / "masks" / f"{name}.png")
        rows[part].append((f"{name}.png", LABELS[size > 0], row, column))
    for part, some in rows.items():
        with (out / part / "labels.csv").open("w", newline="", encoding="utf-8") as table:
            writer = csv.writer(table)
            writer.writerow(("file", "label", "row_mm", "column_mm"))
            writer.writerows(some)


class Small(nn.Sequential):
    """Four convolutions, the mean over places, two logits."""

    def __init__(self) -> None:
        widths = (3, 16, 32, 64, 64)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
            layers += [nn.MaxPool2d(2)] if before < after else []
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 2))


INPUT = PhotoInput((SIDE, SIDE), resize=None, mean=(0.5, 0.5, 0.5), spread=(0.25, 0.25, 0.25))


def model_for(network: nn.Module, organ: str) -> Classifier:
    """The network with its input: the whole slice warped to `SIDE`."""
    return load_classifier(network, preprocessing=INPUT, name=f"{organ} or not", labels=LABELS)


def read_part(folder: Path, organ: str) -> tuple[list[str], Tensor, Tensor]:
    """Names, inputs (N, 3, H, W) and labels (N,) of one part; masks are not looked at."""
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    inputs = [
        INPUT(np.asarray(Image.open(folder / "images" / row["file"]), dtype=np.float32)).tensor
        for row in rows
    ]
    labels = torch.tensor([LABELS.index(row["label"]) for row in rows])
    return [Path(row["file"]).stem for row in rows], torch.stack(inputs), labels


def train(inputs: Tensor, labels: Tensor, seed: int = 0) -> nn.Module:
    """Train on both classes alike, with slices mirrored, shifted and of other gain."""
    torch.manual_seed(seed)
    network = Small()
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=STEPS)
    classes = [(labels == k).nonzero().flatten() for k in range(2)]
    for _ in range(STEPS):
        some = torch.cat([own[torch.randint(len(own), (BATCH // 2,))] for own in classes])
        batch = torch.stack([_varied(image) for image in inputs[some]])
        loss = nn.functional.cross_entropy(network(batch), labels[some], label_smoothing=0.05)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
    return network.eval()


def _varied(image: Tensor) -> Tensor:
    if torch.rand(()) < 0.5:
        image = image.flip(-1)
    shift = [int(s) for s in torch.randint(-SIDE // 6, SIDE // 6 + 1, (2,))]
    dark = image.min()
    moved = torch.roll(image, shift, (-2, -1))
    for axis, by in zip((-2, -1), shift, strict=True):  # what comes in from the other side
        if by:
            start = 0 if by > 0 else moved.shape[axis] + by
            moved.narrow(axis, start, abs(by)).fill_(dark)
    return dark + (moved - dark) * (0.8 + 0.4 * torch.rand(()))


def shows(dataset: benchmark.Dataset, name: str) -> bool:
    """Whether a slice has the organ."""
    item = dataset.item(name)
    with Image.open(item.path) as image:
        return bool(item.truth((image.height, image.width)).any())


def main() -> None:
    """Make the slices, train, and run the comparison."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--organ", default="liver")
    add_options(parser)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    make_parts(chosen.data, chosen.organ, chosen.out)
    weights = chosen.out / f"{chosen.organ}.pt"
    _, inputs, labels = read_part(chosen.out / "train", chosen.organ)
    if weights.is_file():
        network = Small().eval()
        network.load_state_dict(torch.load(weights, weights_only=True))
    else:
        network = train(inputs, labels)
        torch.save(network.state_dict(), weights)
    model = model_for(network, chosen.organ)
    for part in ("train", "report"):
        _, inputs, labels = read_part(chosen.out / part, chosen.organ)
        called = model.score(inputs).argmax(1)
        rates = [float((called[labels == k] == k).float().mean()) for k in range(2)]
        print(
            f"{part}: {int((labels == 1).sum())} slices with, {int((labels == 0).sum())} without; "
            f"sensitivity {rates[1]:.3f}, specificity {rates[0]:.3f}",
            flush=True,
        )
    part = "report" if chosen.part == "reported" else "train"
    dataset = benchmark.read_folder(chosen.out / part, "organ")
    with_organ = tuple(name for name in shuffled([*dataset.names]) if shows(dataset, name))
    compare(model, recognised(model, replace(dataset, names=with_organ)), chosen)


if __name__ == "__main__":
    main()
