"""Train a presence network: from image labels alone, to judge evidence and outlines by.

The folder holds ``labels.csv`` (columns ``file``, ``label``; ``group`` where images belong
together, such as a patient's) and ``images/``. A narrow MONAI ResNet learns from one part of the
groups, stops on no other, and is written as a bundle with the part of every image beside it
(``docs/split.csv``): *train*, *tune* (for choices) and *report* (for none).

    python experiments/presence_network.py --data lgg_flair --out networks/lgg_flair
    python experiments/presence_network.py --data wound_photo --out networks/wound_photo --colour
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from monai.bundle import ConfigParser
from monai.transforms import Compose
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sample_data"))

from breast_us.bundle import inference_config
from breast_us.training import weight_average

PARTS = {"train": 0.55, "tune": 0.15, "report": 0.30}
BATCH, STEPS, RATE, SEED = 16, 900, 3e-3, 2020
NOTHING = ("0", "normal")
"""Labels of images on which nothing is to be found."""


def configuration(colour: bool) -> dict[str, Any]:
    """``configs/inference.json``: the breast ultrasound bundle's, for grey or for colour."""
    config = inference_config()
    if colour:
        config["network_def"]["n_input_channels"] = 3
        steps = config["preprocessing"]["transforms"]
        steps[:] = [step for step in steps if step["_target_"] != "Lambdad"]  # mean of channels
    return config


def rows_of(data: Path) -> list[dict[str, str]]:
    """Give the rows of ``labels.csv``, each with its part by group."""
    with (data / "labels.csv").open(newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    groups = sorted({row.get("group", row["file"]) for row in rows})
    order = np.random.default_rng(SEED).permutation(groups).tolist()
    ends = np.round(np.cumsum(list(PARTS.values())) * len(order)).astype(int)
    part = {
        group: name
        for name, low, high in zip(PARTS, (0, *ends), ends, strict=False)
        for group in order[low:high]
    }
    return [{**row, "part": part[row.get("group", row["file"])]} for row in rows]


def write_labels(data: Path, rows: list[dict[str, Any]]) -> None:
    """Write a folder's ``labels.csv``: `rows` with ``file``, ``label`` and ``group``."""
    with (data / "labels.csv").open("w", newline="", encoding="utf-8") as table:
        writer = csv.DictWriter(table, ("file", "label", "group"))
        writer.writeheader()
        writer.writerows(rows)


def shown_by_part(data: Path, network: Path) -> dict[str, list[dict[str, str]]]:
    """Give the rows of images that show the finding, by their part in a network's split."""
    with (network / "docs" / "split.csv").open(newline="", encoding="utf-8") as table:
        split = {row["file"]: row["split"] for row in csv.DictReader(table)}
    with (data / "labels.csv").open(newline="", encoding="utf-8") as table:
        rows = [row for row in csv.DictReader(table) if present(row) and row["file"] in split]
    parts = dict.fromkeys(split.values())
    return {part: [row for row in rows if split[row["file"]] == part] for part in parts}


def present(row: dict[str, str]) -> bool:
    """Whether something is to be found on an image."""
    return row["label"] not in NOTHING


def read(data: Path, rows: list[dict[str, str]], preprocessing: Compose) -> tuple[Tensor, Tensor]:
    """(N, channels, x, y) images as the network takes them, and (N,) whether something is there."""
    made = [preprocessing({"image": str(data / "images" / row["file"])})["image"] for row in rows]
    pixels = torch.stack([image.as_tensor().float() for image in made])
    return pixels, torch.tensor([present(row) for row in rows])


def altered(images: Tensor) -> Tensor:
    """Mirror, turn, zoom, shift, gain, gamma and noise at random."""
    n = len(images)
    turn, zoom = (torch.rand(n) - 0.5) * 0.4, torch.exp((torch.rand(n) - 0.5) * 0.4)
    mirror = torch.where(torch.rand(n) < 0.5, -1.0, 1.0)
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 0, 1] = torch.cos(turn) * zoom, -torch.sin(turn) * zoom
    theta[:, 1, 0], theta[:, 1, 1] = (
        torch.sin(turn) * zoom * mirror,
        torch.cos(turn) * zoom * mirror,
    )
    theta[:, :, 2] = (torch.rand(n, 2) - 0.5) * 0.2
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    moved = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    gamma = torch.exp((torch.rand(n, 1, 1, 1) - 0.5) * 0.8)
    gain = 0.8 + 0.4 * torch.rand(n, 1, 1, 1)
    noise = torch.randn_like(moved) * torch.rand(n, 1, 1, 1) * 0.05
    return (moved.clamp(0, 1) ** gamma * gain + noise).clamp(0, 1)


def train(network: nn.Module, pixels: Tensor, there: Tensor, steps: int) -> nn.Module:
    """Train from image labels; returns the moving average of the weights, in ``eval`` mode."""
    average = weight_average(network)
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=0.05)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    sides = [torch.nonzero(there == side).flatten() for side in (True, False)]
    begun = time.perf_counter()
    for step in range(steps):
        network.train()
        chosen = torch.cat([side[torch.randint(len(side), (BATCH // 2,))] for side in sides])
        logits = network(altered(pixels[chosen]).contiguous(memory_format=torch.channels_last))
        loss = F.cross_entropy(logits, there[chosen].long(), label_smoothing=0.05)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        rate.step()
        average.update_parameters(network)
        if step % 100 == 99:
            spent = time.perf_counter() - begun
            print(f"step {step + 1}: loss {loss.item():.3f}, {spent:.0f} s", flush=True)
    return average.module.eval()


@torch.inference_mode()
def auc(network: nn.Module, pixels: Tensor, there: Tensor) -> float:
    """Share of pairs, one with and one without, that the network puts in the right order."""
    logits = torch.cat([network(some) for some in pixels.split(32)])
    odds = logits[:, 1] - logits[:, 0]
    return float((odds[there][:, None] > odds[~there][None]).double().mean())


def main() -> None:
    """Train, and write the bundle."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with labels.csv, images/")
    parser.add_argument("--out", type=Path, required=True, help="the bundle's folder")
    parser.add_argument("--name", default="finding", help="what the class is called")
    parser.add_argument("--colour", action="store_true", help="red, green and blue")
    parser.add_argument("--steps", type=int, default=STEPS)
    args = parser.parse_args()
    make(args.data, args.out, args.name, args.colour, args.steps)


def make(data: Path, out: Path, name: str, colour: bool = False, steps: int = STEPS) -> None:
    """Train on a folder's images, and write the bundle."""
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    config = configuration(colour)
    parser_of = ConfigParser(config)
    network, preprocessing = (
        parser_of.get_parsed_content(key) for key in ("network_def", "preprocessing")
    )
    network.to(memory_format=torch.channels_last)
    rows = rows_of(data)
    parts = {
        part: read(data, [row for row in rows if row["part"] == part], preprocessing)
        for part in PARTS
    }
    network = train(network, *parts["train"], steps)
    figures = {part: auc(network, *held) for part, held in parts.items()}
    print(json.dumps({"AUC": figures}))
    for folder in ("configs", "models", "docs"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    weights = {key: value.contiguous() for key, value in network.state_dict().items()}
    torch.save(weights, out / "models" / "model.pt")
    outputs = {"pred": {"channel_def": {"0": f"no {name}", "1": name}}}
    metadata = {"name": name, "network_data_format": {"outputs": outputs}}
    for where, document in (("inference", config), ("metadata", metadata)):
        text = json.dumps(document, indent=1) + "\n"
        (out / "configs" / f"{where}.json").write_text(text, encoding="utf-8")
    (out / "docs" / "auc.json").write_text(json.dumps(figures) + "\n", encoding="utf-8")
    lines = "".join(f"{row['file']},{row['part']}\n" for row in rows)
    (out / "docs" / "split.csv").write_text("file,split\n" + lines, encoding="utf-8")


if __name__ == "__main__":
    main()
