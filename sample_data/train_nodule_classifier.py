"""Train the sample classifier from slice labels and write it into its bundle.

The network, its preprocessing and its label names come from the bundle's own configuration. The
phantoms here share no seed with the sample study. Every slice of a phantom with nodules has a twin
without: same anatomy, vessels and noise. The label of a slice (nodule or not) is all the training
sees; where a nodule lies is used for the report alone.

Usage: `python train_nodule_classifier.py [--phantoms N] [--steps N] [--out BUNDLE]`
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from make_sample import study
from monai.bundle import ConfigParser
from monai.transforms import Compose
from numpy.typing import NDArray
from phantom import Grid, Thorax, abdomen, thorax
from torch import Tensor, nn
from torch.nn import functional as F

BUNDLE = Path(__file__).resolve().parent / "nodule_classifier"
TRAINING_SEED = 100_000
HELD_OUT_SEED = 900_000
HELD_OUT_PHANTOMS = 24
TRAINING_ABDOMENS = 600
HELD_OUT_ABDOMENS = 200
TINY_MM2 = 20.0


@dataclass(frozen=True)
class Slices:
    """Preprocessed slices, (n, 1, size, size), and what is known of each.

    `image` and `twin` differ only by nodules; `nodule` is the true mask on the same pixels;
    `area` is the largest nodule cross section in mm2 (0: none).
    """

    image: Tensor
    twin: Tensor
    nodule: Tensor
    area: NDArray[np.float64]


def configuration(bundle: Path) -> ConfigParser:
    """Read both configuration files of a bundle."""
    parser = ConfigParser()
    parser.read_meta(str(bundle / "configs" / "metadata.json"))
    parser.read_config(str(bundle / "configs" / "inference.json"))
    return parser


def preparation(parser: ConfigParser) -> Callable[..., Tensor]:
    """Return the bundle's preprocessing after loading, for a (row, column) array.

    Arrays are transposed to (column, row) first, the order in which MONAI loads them. A mask goes
    through the spatial transforms alone, with nearest neighbours.
    """
    _, channel, scale, *spatial = parser.get_parsed_content("preprocessing").transforms
    image, mask = Compose([channel, scale, *spatial]), Compose([channel, *spatial])

    def prepare(array: NDArray[np.generic], is_mask: bool = False) -> Tensor:
        data = {"image": torch.as_tensor(array.T.astype(np.float32))}
        out: Tensor = (mask if is_mask else image)(data)["image"].as_tensor()
        return (out > 0.5).float() if is_mask else out

    return prepare


def cross_section(labels: NDArray[np.uint8], grid: Grid) -> float:
    """Area in mm2 of the largest nodule in one slice."""
    counts = np.bincount(labels.ravel(), minlength=2)[1:]
    return float(counts.max() * grid.spacing[1] * grid.spacing[2])


def training_phantom(number: int) -> Thorax:
    """Make one phantom for training, with its own matrix, spacing, slice positions and noise."""
    rng = np.random.default_rng([TRAINING_SEED, number])
    rows, columns = int(rng.integers(136, 177)), int(rng.integers(184, 241))
    dx, dy = rng.uniform(350, 385) / columns, rng.uniform(280, 320) / rows
    grid = Grid((24, rows, columns), (8.0, dy, dx), rng.uniform(-118, -106), rng.uniform(3, 6))
    return thorax(TRAINING_SEED + number, grid, 12, noise_hu=rng.uniform(12, 32), planes=2)


def held_out_phantom(number: int) -> Thorax:
    """Make one phantom like the sample study, with another seed."""
    grid = Grid((20, 160, 208), (10.0, 1.875, 1.75), -112.0)
    return thorax(HELD_OUT_SEED + number, grid, 4)


def abdomens(first: int, count: int, prepare: Callable[..., Tensor]) -> Tensor:
    """Preprocess slices from below the lungs, (n, 1, size, size): none has a nodule."""
    return torch.stack([prepare(abdomen(first + n)) for n in range(count)]).half()


def collect(phantoms: Iterable[Thorax], prepare: Callable[..., Tensor]) -> Slices:
    """Preprocess every slice of some phantoms."""
    image, twin, nodule, area = [], [], [], []
    for phantom in phantoms:
        for ct, clean, labels in zip(
            phantom.ct, phantom.without_nodules, phantom.labels, strict=True
        ):
            image.append(prepare(ct).half())
            twin.append(prepare(clean).half())
            nodule.append(prepare(labels > 0, is_mask=True).half())
            area.append(cross_section(labels, phantom.grid))
    return Slices(torch.stack(image), torch.stack(twin), torch.stack(nodule), np.array(area))


def training_set(slices: Slices) -> tuple[Tensor, Tensor]:
    """Return (with, without) pairs, (n, 2, size, size), and slices without, (m, 1, size, size).

    Slices whose largest cross section is below `TINY_MM2`, or that only a nodule's faint edge
    reaches, are left out.
    """
    pairs = torch.cat([slices.image, slices.twin], dim=1)[slices.area >= TINY_MM2]
    untouched = (slices.image == slices.twin).flatten(1).all(dim=1)
    return pairs, slices.image[untouched]


def augment(batch: Tensor, rng: torch.Generator) -> Tensor:
    """Vary a batch (n, k, size, size): k images of one entry move alike, their noise differs."""

    def u(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=rng)

    n, k = batch.shape[:2]
    angle, shear = u(-0.2, 0.2, n), u(-0.08, 0.08, n)
    sx, sy = u(0.85, 1.18, n), u(0.85, 1.18, n)
    sx = sx * torch.where(u(0, 1, n) < 0.5, -1.0, 1.0)
    # The tensor is (column, row): its last axis is the row, its second to last the column, so a
    # left-right flip negates y here.
    theta = torch.stack(
        [
            torch.stack([sy * angle.cos(), -sx * angle.sin() + shear, u(-0.1, 0.1, n)], dim=1),
            torch.stack([sy * angle.sin(), sx * angle.cos(), u(-0.1, 0.1, n)], dim=1),
        ],
        dim=1,
    )
    grid = F.affine_grid(theta, [n, k, *batch.shape[2:]], align_corners=False)
    out = F.grid_sample(batch.float(), grid, align_corners=False)
    if u(0, 1, 1) < 0.3:
        sigma = float(u(0.3, 0.9, 1))
        out = blur(out.flatten(0, 1)[:, None], sigma)[:, 0].reshape(out.shape)
    out = out * u(0.94, 1.06, n, 1, 1, 1) + u(-0.03, 0.03, n, 1, 1, 1)
    noise = torch.randn(out.shape, generator=rng) * u(0, 0.025, n, 1, 1, 1)
    return out + noise


def blur(images: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of (n, 1, h, w), standard deviation in pixels, edges repeated."""
    half = math.ceil(3 * sigma)
    line = torch.exp(-0.5 * (torch.arange(-half, half + 1) / sigma) ** 2)
    line = line / line.sum()
    images = F.pad(images, (half,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(images, line[None, None, :, None]), line[None, None, None, :])


def train(
    network: nn.Module, pairs: Tensor, empty: Tensor, below: Tensor, steps: int, batch: int = 16
) -> None:
    """Fit by cross entropy; each step sees `batch` twins and half as many slices without."""
    rng = torch.Generator().manual_seed(0)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, steps, pct_start=0.2)
    network.train()
    for step in range(steps):
        twins = pairs[torch.randint(len(pairs), (batch,), generator=rng)]
        others = torch.cat(
            [
                part[torch.randint(len(part), (batch // 4,), generator=rng)]
                for part in (empty, below)
            ]
        )
        x = torch.cat([augment(twins, rng).flatten(0, 1), augment(others, rng).flatten(0, 1)])
        y = torch.cat(
            [torch.tensor([1, 0]).repeat(batch), torch.zeros(len(others), dtype=torch.long)]
        )
        loss = F.cross_entropy(network(x[:, None]), y, label_smoothing=0.02)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            print(f"step {step}: loss {loss.item():.3f}", flush=True)


@torch.no_grad()
def log_odds(network: nn.Module, images: Tensor) -> NDArray[np.float64]:
    """Logit of nodule minus logit of no nodule for each of (n, 1, size, size)."""
    network.eval()
    logits = torch.cat(
        [network(part) for part in images.float().chunk(math.ceil(len(images) / 32))]
    )
    return np.asarray((logits[:, 1] - logits[:, 0]).numpy(), np.float64)


def area_under_curve(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> float:
    """Share of (positive, negative) pairs ranked rightly; a tie counts half."""
    difference = positive[:, None] - negative[None]
    return float((difference > 0).mean() + 0.5 * (difference == 0).mean())


def judge(network: nn.Module, slices: Slices) -> dict[str, float]:
    """Measure classification and whether the answer comes from the nodule."""
    score = log_odds(network, slices.image)
    figures: dict[str, float] = {"slices": len(score)}
    has = slices.area > 0
    for name, kept in (("", ~has | (slices.area >= TINY_MM2)), ("_all", np.ones_like(has))):
        yes, no = score[kept & has], score[kept & ~has]
        figures |= {
            f"positive{name}": len(yes),
            f"negative{name}": len(no),
            f"accuracy{name}": float(np.r_[yes > 0, no <= 0].mean()),
            f"sensitivity{name}": float((yes > 0).mean()),
            f"specificity{name}": float((no <= 0).mean()),
            f"auc{name}": area_under_curve(yes, no),
        }
    found = has & (slices.area >= TINY_MM2) & (score > 0)
    image, nodule = slices.image[found].float(), slices.nodule[found].float()
    # The nodule grown by 4 pixels, with a soft edge, is replaced or kept.
    mask = blur(F.max_pool2d(nodule, 9, 1, 4), 1.0)
    twin = log_odds(network, slices.twin[found])
    figures["found"] = int(found.sum())
    figures["log_odds"] = float(np.median(score[found]))
    figures["twin_drop"] = float(np.median(score[found] - twin))
    figures["twin_flips"] = float((twin <= 0).mean())
    elsewhere = torch.roll(mask, mask.shape[2] // 2, dims=2) * (1 - mask)
    for sigma in (6, 12):
        background = blur(image, sigma)
        deleted = log_odds(network, image + (background - image) * mask)
        moved = log_odds(network, image + (background - image) * elsewhere)
        preserved = log_odds(network, background + (image - background) * mask)
        figures |= {
            f"deleted_{sigma}": float((deleted <= 0).mean()),
            f"elsewhere_{sigma}": float((moved <= 0).mean()),
            f"preserved_{sigma}": float((preserved > 0).mean()),
            f"background_{sigma}": float((log_odds(network, background) > 0).mean()),
        }
    return figures


def sample_report(network: nn.Module, prepare: Callable[..., Tensor]) -> dict[str, Any]:
    """Classify the sample study."""
    phantom = study()
    slices = collect([phantom], prepare)
    score = log_odds(network, slices.image)
    seen = {
        label: int((score[(phantom.labels == label).any(axis=(1, 2))] > 0).sum())
        for label in range(1, len(phantom.nodules) + 1)
    }
    wrong = np.flatnonzero((score > 0) != (slices.area > 0)).tolist()
    return {"accuracy": 1 - len(wrong) / len(score), "slices_seen": seen, "wrong_slices": wrong}


def write_readme(bundle: Path, figures: dict[str, float], sample: dict[str, Any]) -> None:
    """Write the bundle's README from what was measured."""
    f = {name: f"{v:.3f}" if isinstance(v, float) else str(v) for name, v in figures.items()}
    size = (bundle / "models" / "model.pt").stat().st_size // 1024
    columns = ("positive", "negative", "accuracy", "sensitivity", "specificity", "auc")
    large = " | ".join(f[name] for name in columns)
    every = " | ".join(f[f"{name}_all"] for name in columns)
    seen = ", ".join(f"nodule {label}: {n}" for label, n in sample["slices_seen"].items())
    text = f"""# Nodule classifier for phantom CT slices

A narrow 2D MONAI `ResNet` that tells axial slices with a lung nodule from slices without. It was
trained on procedural phantoms (`sample_data/phantom.py`) from slice labels alone, by
`sample_data/train_nodule_classifier.py`, which also wrote this page. It is for demonstrations and
tests and knows nothing of patients.

- Input: a slice in Hounsfield units, index order (column, row) as MONAI loads it; the rest is
  `preprocessing` in `configs/inference.json`.
- Output: two logits, `no nodule` and `nodule`.
- Weights: `models/model.pt`, a plain state dict in float16 ({size} KiB). The configuration holds no
  `$` expression: reading it runs no code but the classes it names.

## Training

{f["training_pairs"]} pairs of one slice with and without its nodules, and {f["training_empty"]}
slices that have none, from {f["training_phantoms"]} phantoms with other seeds than the sample study
and the held-out ones, and {TRAINING_ABDOMENS} slices below the lungs; {f["steps"]} steps of cross
entropy. Slices whose largest nodule cross section is below {TINY_MM2:.0f} mm2 were left out.
Augmentation: left-right flips, small rotations, shears, shifts and scalings, intensity, blur,
noise.

## Held out: {HELD_OUT_PHANTOMS} phantoms, {f["slices"]} slices

| largest cross section | with | without | accuracy | sensitivity | specificity | AUC |
|---|---|---|---|---|---|---|
| {TINY_MM2:.0f} mm2 and more | {large} |
| any | {every} |

Of {HELD_OUT_ABDOMENS} other slices from below the lungs, some with arms beside the body, the share
called negative is {f["below"]}.

## Does it look at the nodule?

On the {f["found"]} held-out slices that it calls positive rightly (median log-odds
{f["log_odds"]}):

| change | outcome | sd 6 px | sd 12 px |
|---|---|---|---|
| the same slice without its nodules | share turned negative | {f["twin_flips"]} | |
| the same slice without its nodules | fall of the log-odds, median | {f["twin_drop"]} | |
| nodules, grown by 4 px, blurred | share turned negative | {f["deleted_6"]} | {f["deleted_12"]} |
| as much blurred elsewhere | share turned negative | {f["elsewhere_6"]} | {f["elsewhere_12"]} |
| all but the nodules blurred | share still positive | {f["preserved_6"]} | {f["preserved_12"]} |
| everything blurred | share still positive | {f["background_6"]} | {f["background_12"]} |

## The sample study

Accuracy over its slices: {sample["accuracy"]:.3f}. Slices called positive: {seen}.
Slices that it gets wrong (0 is the lowest): {sample["wrong_slices"]}.
"""
    (bundle / "docs").mkdir(exist_ok=True)
    (bundle / "docs" / "README.md").write_text(text)


def main() -> None:
    """Train, evaluate, write weights and README."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--phantoms", type=int, default=90)
    options.add_argument("--steps", type=int, default=800)
    options.add_argument("--out", type=Path, default=BUNDLE, help="bundle with its configs")
    chosen = options.parse_args()
    torch.set_num_threads(1)  # the order of sums, and so the weights, depend on it
    torch.manual_seed(0)
    torch.use_deterministic_algorithms(True)
    parser = configuration(chosen.out)
    prepare = preparation(parser)
    network: nn.Module = parser.get_parsed_content("network_def")

    began = time.monotonic()
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        training = collect(pool.map(training_phantom, range(chosen.phantoms)), prepare)
        held_out = collect(pool.map(held_out_phantom, range(HELD_OUT_PHANTOMS)), prepare)
    pairs, empty = training_set(training)
    print(f"{len(pairs)} pairs, {len(empty)} others, {time.monotonic() - began:.0f} s", flush=True)
    below = abdomens(TRAINING_SEED, TRAINING_ABDOMENS, prepare)
    train(network, pairs, empty, below, chosen.steps)
    print(f"trained, {time.monotonic() - began:.0f} s", flush=True)

    network.half().float()  # what is judged is what is stored
    (chosen.out / "models").mkdir(exist_ok=True)
    state = {
        name: value.half() if value.is_floating_point() else value
        for name, value in network.state_dict().items()
    }
    torch.save(state, chosen.out / "models" / "model.pt")
    abdomen_score = log_odds(network, abdomens(HELD_OUT_SEED, HELD_OUT_ABDOMENS, prepare))
    figures = judge(network, held_out) | {
        "below": float((abdomen_score <= 0).mean()),
        "training_pairs": len(pairs),
        "training_empty": len(empty),
        "training_phantoms": chosen.phantoms,
        "steps": chosen.steps,
    }
    sample = sample_report(network, prepare)
    print(json.dumps(figures, indent=1), json.dumps(sample))
    write_readme(chosen.out, figures, sample)


if __name__ == "__main__":
    main()
