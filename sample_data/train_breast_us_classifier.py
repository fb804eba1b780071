"""Train the bundle ``breast_us_classifier``: breast ultrasound, lesion or no lesion.

The network is a narrow MONAI ResNet trained from scratch, and it learns from image labels alone.
The lesion masks of the data set are read only afterwards, to ask whether the evidence lies in the
lesion and not in calipers, text, gain or the edge of the image.

    python train_breast_us_classifier.py --data busi             # train, check, write the bundle
    python train_breast_us_classifier.py --data busi --compare   # try every recipe on "tune"
    python train_breast_us_classifier.py --data busi --check     # only the checks and the README

The data folder holds ``labels.csv`` (columns ``file``, ``label``), ``images/`` and ``masks/``.
Arrays are in MONAI's order for plain images: axis 1 is the column x, axis 2 the row y.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from monai.bundle import ConfigParser
from monai.transforms import Compose
from monai.visualize import GradCAMpp
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage, optimize, sparse, stats
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import spsolve
from torch import Tensor, nn

HERE = Path(__file__).resolve().parent
BUNDLE = HERE / "breast_us_classifier"
LABELS = ("no lesion", "lesion")
SPLITS = {"train": 0.60, "tune": 0.15, "validation": 0.25}
SEED = 2020
SIZE = 160
"""Side of the square that the network sees, in pixels."""
BATCH = 16
"""Training images a step, half of them with a lesion."""
SAME_PATIENT = 0.6
"""High-pass thumbnail correlation from which two images count as near duplicates."""


@dataclass(frozen=True)
class Recipe:
    """What differs between the training runs that are compared on the tuning part.

    Attributes
    ----------
    marks : share of images that get drawn calipers and text.
    border_mix : share of images whose surroundings are taken from another image of either class.
    local : weight of the loss on the strongest place of the class map beside the mean over it.
        Places in images without a lesion must then all say "no lesion".
    steps : optimiser steps of ``BATCH`` images.
    rate : highest learning rate of the one-cycle schedule.
    after : name of the recipe whose weights it starts from; random weights without.
    """

    marks: float = 0.5
    border_mix: float = 0.0
    local: float = 0.0
    steps: int = 900
    rate: float = 3e-3
    after: str = ""


RECIPES = {
    "marks": Recipe(),
    "marks, borders, local at once": Recipe(border_mix=0.5, local=0.5),
    "marks, then borders and local": Recipe(
        border_mix=0.4, local=0.5, steps=600, rate=1.5e-3, after="marks"
    ),
    "marks, then borders and local for longer": Recipe(
        border_mix=0.5, local=0.5, steps=1500, rate=2e-3, after="marks"
    ),
}
CHOSEN = "marks, then borders and local"


# The bundle


def inference_config() -> dict[str, Any]:
    """``configs/inference.json``: the network and its preprocessing; it runs no code of its own."""
    return {
        "network_def": {
            "_target_": "ResNet",
            "block": "basic",
            "layers": [1, 1, 1, 1],
            "block_inplanes": [24, 48, 96, 192],
            "spatial_dims": 2,
            "n_input_channels": 1,
            "num_classes": len(LABELS),
            "conv1_t_size": 7,
            "conv1_t_stride": 2,
        },
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", "keys": "image"},
                {"_target_": "EnsureChannelFirstd", "keys": "image"},
                {
                    "_target_": "ScaleIntensityRangePercentilesd",
                    "keys": "image",
                    "lower": 1,
                    "upper": 99,
                    "b_min": 0.0,
                    "b_max": 1.0,
                    "clip": True,
                },
                {
                    "_target_": "Lambdad",
                    "keys": "image",
                    "func": {
                        "_target_": "torch.mean",
                        "_mode_": "callable",
                        "dim": 0,
                        "keepdim": True,
                    },
                },
                {
                    "_target_": "Resized",
                    "keys": "image",
                    "spatial_size": [SIZE, SIZE],
                    "mode": "bilinear",
                    "anti_aliasing": True,
                },
            ],
        },
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [{"_target_": "Activationsd", "keys": "pred", "softmax": True}],
        },
    }


def metadata(evaluation: dict[str, Any]) -> dict[str, Any]:
    """``configs/metadata.json`` in MONAI's bundle schema."""
    return {
        "schema": "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/"
        "0.8.1/meta_schema_20240725.json",
        "version": "0.1.0",
        "changelog": {"0.1.0": "first version"},
        "monai_version": "1.6.1",
        "pytorch_version": "2.13.0",
        "numpy_version": "2.4.6",
        "required_packages_version": {},
        "name": "Breast ultrasound: lesion or no lesion",
        "task": "Classification of breast ultrasound images into lesion and no lesion",
        "description": "A narrow 2D ResNet trained from scratch from image labels alone",
        "authors": "medcontour contributors",
        "copyright": "medcontour contributors",
        "data_source": "Breast Ultrasound Images (BUSI), a subset with the longest side at 320",
        "data_type": "png",
        "image_classes": "one grey channel, 1st to 99th percentile scaled to [0, 1]",
        "label_classes": "0 no lesion (normal), 1 lesion (benign or malignant)",
        "pred_classes": "two logits; softmax gives probabilities",
        "eval_metrics": {
            "accuracy": evaluation["validation"]["accuracy"]["value"],
            "auc": evaluation["validation"]["auc"]["value"],
        },
        "intended_use": "Research and software tests only; not for clinical use",
        "references": [
            "Al-Dhabyani W., Gomaa M., Khaled H., Fahmy A. Dataset of breast ultrasound images. "
            "Data in Brief 28 (2020) 104863. https://doi.org/10.1016/j.dib.2019.104863"
        ],
        "network_data_format": {
            "inputs": {
                "image": {
                    "type": "image",
                    "format": "intensity",
                    "modality": "US",
                    "num_channels": 1,
                    "spatial_shape": [SIZE, SIZE],
                    "dtype": "float32",
                    "value_range": [0, 1],
                    "is_patch_data": False,
                    "channel_def": {"0": "image"},
                }
            },
            "outputs": {
                "pred": {
                    "type": "probabilities",
                    "format": "classes",
                    "num_channels": len(LABELS),
                    "spatial_shape": [],
                    "dtype": "float32",
                    "value_range": [],
                    "is_patch_data": False,
                    "channel_def": {str(i): name for i, name in enumerate(LABELS)},
                }
            },
        },
    }


def build() -> tuple[nn.Module, Compose]:
    """Build the network and the preprocessing as the bundle's own configuration says."""
    parser = ConfigParser(inference_config())
    network = parser.get_parsed_content("network_def")
    preprocessing = parser.get_parsed_content("preprocessing")
    assert isinstance(network, nn.Module)
    assert isinstance(preprocessing, Compose)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network, preprocessing


# The data


@dataclass
class Images:
    """Images as the network sees them.

    Attributes
    ----------
    files : names in ``images/``.
    pixels : (N, 1, x, y) float32 in [0, 1].
    lesion : (N,) bool, the image label.
    masks : (N, 1, x, y) bool, the lesion; used by the checks only.
    """

    files: list[str]
    pixels: Tensor
    lesion: Tensor
    masks: Tensor

    def part(self, keep: NDArray[np.bool_] | Tensor) -> Images:
        """Take the images where ``keep`` is true."""
        index = torch.as_tensor(keep)
        files = [f for f, k in zip(self.files, index.tolist(), strict=True) if k]
        return Images(files, self.pixels[index], self.lesion[index], self.masks[index])


def read_images(data: Path, preprocessing: Compose) -> Images:
    """Read ``labels.csv`` and its images through the bundle's preprocessing."""
    with (data / "labels.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    pixels, masks = [], []
    for row in rows:
        loaded = preprocessing({"image": str(data / "images" / row["file"])})["image"]
        pixels.append(loaded.as_tensor().float())
        mask = Image.open(data / "masks" / row["file"]).convert("L").resize((SIZE, SIZE), 0)
        masks.append(torch.from_numpy(np.array(mask).T > 127)[None])
    lesion = torch.tensor([row["label"] != "normal" for row in rows])
    return Images([row["file"] for row in rows], torch.stack(pixels), lesion, torch.stack(masks))


def near_duplicates(data: Path, files: list[str]) -> NDArray[np.int_]:
    """Group images that look like one patient's: (N,) group number of each file.

    Thumbnails of 32 x 32 without their slow shading are correlated with each other at shifts of
    up to 2 pixels, also mirrored. Pairs at ``SAME_PATIENT`` or more are joined, and chains too.
    """
    thumbs = []
    for file in files:
        image = (
            Image.open(data / "images" / file).convert("L").resize((32, 32), Image.Resampling.BOX)
        )
        thumb = np.asarray(image, float)
        thumbs.append(thumb - ndimage.gaussian_filter(thumb, 5))
    stack = np.stack(thumbs)

    def unit(array: NDArray[np.float64]) -> NDArray[np.float64]:
        flat = array.reshape(len(array), -1)
        flat = flat - flat.mean(1, keepdims=True)
        return np.asarray(flat / np.linalg.norm(flat, axis=1, keepdims=True))

    center = unit(stack[:, 2:30, 2:30])
    best = np.full((len(files), len(files)), -1.0)
    for other in (stack, stack[:, :, ::-1]):
        for y in range(5):
            for x in range(5):
                best = np.maximum(best, center @ unit(other[:, y : y + 28, x : x + 28]).T)
    alike = np.maximum(best, best.T) >= SAME_PATIENT
    _, group = connected_components(sparse.csr_array(alike))
    return np.asarray(group)


def make_split(data: Path, images: Images) -> tuple[list[str], dict[str, int]]:
    """Give every near-duplicate group to one part, the parts alike in labels.

    Returns
    -------
    The part of each file, and counts of the groups for the record.
    """
    group = near_duplicates(data, images.files)
    label = np.array([file.split("_")[0] for file in images.files])
    rng = np.random.default_rng(SEED)
    part = np.full(len(label), "", dtype=object)
    total = {name: int((label == name).sum()) for name in np.unique(label)}
    held = {(name, split): 0 for name in total for split in SPLITS}
    order = sorted(rng.permutation(np.unique(group)), key=lambda g: -int((group == g).sum()))
    for g in order:
        members = np.flatnonzero(group == g)
        name = label[members[0]]
        lacking = {s: share - held[name, s] / total[name] for s, share in SPLITS.items()}
        # Single images fill what the larger groups have left open, in proportion.
        split = max(lacking, key=lambda s: lacking[s] / SPLITS[s])
        part[members] = split
        for m in members:
            held[label[m], split] += 1
    sizes = np.bincount(group)
    counts = {
        "images": len(label),
        "groups_of_two_or_more": int((sizes > 1).sum()),
        "images_in_them": int(sizes[sizes > 1].sum()),
        "largest_group": int(sizes.max()),
    }
    return [str(p) for p in part], counts


# Augmentation; every function takes and gives (B, 1, x, y) in [0, 1]


def uniform(low: float, high: float, *shape: int) -> Tensor:
    """Uniform random numbers in ``[low, high]``."""
    return low + (high - low) * torch.rand(*shape)


def blur(images: Tensor, sigma: Tensor | float) -> Tensor:
    """Gaussian blur, one ``sigma`` in pixels an image, edges continued."""
    sigmas = torch.as_tensor(sigma, dtype=torch.float32).expand(len(images)).clamp_min(1e-3)
    reach = max(1, int(3 * float(sigmas.max()) + 0.5))
    offset = torch.arange(-reach, reach + 1)
    kernel = torch.exp(-0.5 * (offset / sigmas[:, None]) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True))[:, None]
    rows = images.transpose(0, 1)
    rows = F.pad(rows, (0, 0, reach, reach), mode="replicate")
    rows = F.conv2d(rows, kernel[..., None], groups=len(images))
    rows = F.pad(rows, (reach, reach, 0, 0), mode="replicate")
    return F.conv2d(rows, kernel[:, :, None], groups=len(images)).transpose(0, 1)


def wide_blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Blur by ``sigma`` of 4 px or more, at a quarter of the size."""
    small = blur(F.avg_pool2d(images, 4), sigma / 4)
    return F.interpolate(small, scale_factor=4.0, mode="bilinear", align_corners=False)


def draw_marks(rng: np.random.Generator, kinds: tuple[str, ...]) -> tuple[Tensor, Tensor]:
    """Draw what scanners burn in: (1, x, y) opacity and the grey value to draw with.

    ``kinds`` are taken from ``calipers``, ``text``, ``box``, ``ruler`` and ``arrow``.
    """
    fine = 2 * SIZE
    canvas = Image.new("L", (fine, fine))
    pen = ImageDraw.Draw(canvas)
    for kind in rng.choice(kinds, size=rng.integers(1, 3)):
        x, y = (int(v) for v in rng.integers(0, fine, 2))
        if kind == "calipers":
            length, angle = rng.uniform(30, 200), rng.uniform(0, np.pi)
            reach, width = int(rng.integers(4, 9)), int(rng.integers(1, 3))
            for pair in range(int(rng.integers(1, 3))):
                dx, dy = np.cos(angle + pair * np.pi / 2), np.sin(angle + pair * np.pi / 2)
                ends = [
                    (x + sign * dx * length / 2, y + sign * dy * length / 2) for sign in (-1, 1)
                ]
                for u, v in ends:
                    pen.line((u - reach, v, u + reach, v), fill=255, width=width)
                    pen.line((u, v - reach, u, v + reach), fill=255, width=width)
                for t in np.arange(0, 1, rng.uniform(6, 14) / length):
                    u, v = (e0 + t * (e1 - e0) for e0, e1 in zip(*ends, strict=True))
                    pen.ellipse((u - 1, v - 1, u + 1, v + 1), fill=255)
        elif kind == "text":
            letters = "".join(
                rng.choice(list("ABCDEILMRST0123456789 .+:"), int(rng.integers(3, 14)))
            )
            size = int(rng.integers(9, 20))
            pen.text((x * 0.8, y), letters, fill=255, font=ImageFont.load_default(size))
        elif kind == "box":
            w, h = (int(v) for v in rng.integers(30, 160, 2))
            pen.rectangle((x, y, x + w, y + h), outline=255, width=int(rng.integers(1, 3)))
        elif kind == "ruler":
            for tick in range(0, fine, int(rng.integers(12, 30))):
                pen.line((x, tick, x + 8, tick), fill=255, width=2)
        elif kind == "arrow":
            u, v = (int(k) for k in rng.integers(-40, 40, 2))
            pen.line((x, y, x + u, y + v), fill=255, width=3)
            pen.ellipse((x - 5, y - 5, x + 5, y + 5), fill=255)
    opacity = np.asarray(canvas.resize((SIZE, SIZE), Image.Resampling.BOX), np.float32).T / 255
    return torch.from_numpy(opacity.copy())[None], torch.tensor(rng.uniform(0.6, 1.0)).float()


def soft_ellipses(centers: Tensor, axes: Tensor, edge: Tensor) -> Tensor:
    """Ellipses with a soft edge: (B, 1, x, y), 1 inside.

    ``centers`` and ``axes`` are (B, 2) in units where the image spans [-1, 1]; ``edge`` is (B,).
    """
    line = torch.linspace(-1, 1, SIZE)
    x = (line[None, :, None] - centers[:, 0, None, None]) / axes[:, 0, None, None]
    y = (line[None, None, :] - centers[:, 1, None, None]) / axes[:, 1, None, None]
    radius = torch.sqrt(x * x + y * y + 1e-9)
    return torch.sigmoid((1 - radius) / edge[:, None, None])[:, None]


def warp(images: Tensor) -> Tensor:
    """Mirror left and right, zoom, stretch, turn and shift at random; edges are reflected."""
    n = len(images)
    turn = uniform(-0.15, 0.15, n)
    zoom = uniform(0.72, 1.12, n)
    stretch = torch.exp(uniform(-0.18, 0.18, n))
    mirror = 1.0 - 2.0 * (torch.rand(n) < 0.5).float()
    room = (1 - zoom).clamp_min(0) + 0.05
    theta = torch.zeros(n, 2, 3)  # grid_sample's first axis is our y, its second our x
    theta[:, 0, 0] = zoom / stretch * torch.cos(turn)
    theta[:, 0, 1] = -zoom * torch.sin(turn)
    theta[:, 1, 0] = mirror * zoom * torch.sin(turn)
    theta[:, 1, 1] = mirror * zoom * stretch * torch.cos(turn)
    theta[:, :, 2] = uniform(-1, 1, n, 2) * room[:, None]
    grid = F.affine_grid(theta, [n, 1, SIZE, SIZE], align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def change_gain(images: Tensor) -> Tensor:
    """Gamma, contrast, gain that drifts with depth and side, blur, speckle."""
    n = len(images)
    line = torch.linspace(-1, 1, SIZE)
    drift = uniform(-0.35, 0.35, n, 1, 1, 1) * line + uniform(-0.2, 0.2, n, 1, 1, 1) * line[:, None]
    gamma = torch.exp(uniform(-0.5, 0.5, n, 1, 1, 1))
    out = images.clamp(0, 1) ** gamma * torch.exp(drift) * uniform(0.75, 1.2, n, 1, 1, 1)
    out = blur(out, torch.where(torch.rand(n) < 0.4, uniform(0.3, 1.8, n), torch.zeros(n)))
    grain = blur(torch.randn(n, 1, SIZE, SIZE), uniform(0.4, 1.0, n))
    return (out * (1 + uniform(0, 0.3, n, 1, 1, 1) * grain)).clamp(0, 1)


def sector_edges(images: Tensor) -> Tensor:
    """Black corners as a curved probe leaves them, in one image of six."""
    n = len(images)
    line = torch.linspace(-1, 1, SIZE)
    slope = uniform(0.05, 0.4, n, 1, 1, 1) * (torch.rand(n, 1, 1, 1) < 0.5)
    left = uniform(0.75, 1.1, n, 1, 1, 1) + slope * line
    right = uniform(0.75, 1.1, n, 1, 1, 1) + slope * line
    x = line[:, None]
    inside = ((x > -left) & (x < right)).float()
    return torch.where(torch.rand(n, 1, 1, 1) < 1 / 6, images * inside, images)


def augment(
    images: Images, chosen: Tensor, recipe: Recipe, marks: list[tuple[Tensor, Tensor]]
) -> Tensor:
    """Change the ``chosen`` images in ways that keep their labels: one training batch."""
    n = len(chosen)
    out = warp(images.pixels[chosen])
    lesion = images.lesion[chosen]

    # Surroundings from any other image, of either class, sharp or blurred: the label stays with
    # the middle. Images without a lesion may be cut at any place, being so everywhere.
    if recipe.border_mix:
        normal = torch.nonzero(~images.lesion).flatten()
        other = torch.randint(len(images.files), (n,))
        for i in range(n):
            if not lesion[i] and torch.rand(()) < 0.5:
                other[i] = normal[torch.randint(len(normal), ())]
        around = warp(images.pixels[other])
        wide = torch.rand(n) < 0.4
        around = torch.where(
            wide[:, None, None, None], wide_blur(around, uniform(4.0, 14.0, n)), around
        )
        center = uniform(-0.15, 0.15, n, 2)
        axes = uniform(0.6, 1.05, n, 2)
        free = ~lesion & ~images.lesion[other]
        center = torch.where(free[:, None], uniform(-0.9, 0.9, n, 2), center)
        axes = torch.where(free[:, None], uniform(0.15, 0.8, n, 2), axes)
        middle = soft_ellipses(center, axes, uniform(0.01, 0.12, n))
        mixed = out * middle + around * (1 - middle)
        out = torch.where(torch.rand(n, 1, 1, 1) < recipe.border_mix, mixed, out)

    # One small patch smoothed away, so that a smooth patch means nothing.
    patch = soft_ellipses(uniform(-1, 1, n, 2), uniform(0.08, 0.25, n, 2), uniform(0.02, 0.15, n))
    smooth = wide_blur(out, uniform(5.0, 12.0, n))
    out = torch.where(torch.rand(n, 1, 1, 1) < 0.3, out * (1 - patch) + smooth * patch, out)

    out = sector_edges(change_gain(out))
    for i in range(n):
        if torch.rand(()) < recipe.marks:
            opacity, grey = marks[int(torch.randint(len(marks), ()))]
            out[i] = out[i] * (1 - opacity) + grey * opacity
    return out


# Training


def class_map(network: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (B, 2) and, from the last feature map, the logits of every place (B, 2, x', y').

    The mean over places of the second is the first, since the network ends in a mean and a
    linear layer.
    """
    kept: list[Tensor] = []
    layer, last = network.get_submodule("layer4"), network.get_submodule("fc")
    assert isinstance(last, nn.Linear)
    handle = layer.register_forward_hook(lambda _m, _i, out: kept.append(out))
    logits = network(images)
    handle.remove()
    return logits, F.conv2d(kept[0], last.weight[:, :, None, None], last.bias)


def train(images: Images, recipe: Recipe) -> nn.Module:
    """Train one network; returns the moving average of its weights, in ``eval`` mode."""
    weights = train(images, RECIPES[recipe.after]).state_dict() if recipe.after else None
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    marks = [draw_marks(rng, ("calipers", "text", "box")) for _ in range(300)]
    network, _ = build()
    if weights is not None:
        network.load_state_dict(weights)
    average = torch.optim.swa_utils.AveragedModel(
        network,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99),  # type: ignore[no-untyped-call]
        use_buffers=True,
    )
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=0.05)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.rate, total_steps=recipe.steps)
    with_lesion = torch.nonzero(images.lesion).flatten()
    without = torch.nonzero(~images.lesion).flatten()
    start = time.time()
    for step in range(recipe.steps):
        network.train()
        chosen = torch.cat(
            [part[torch.randint(len(part), (BATCH // 2,))] for part in (with_lesion, without)]
        )
        label = images.lesion[chosen].long()
        batch = augment(images, chosen, recipe, marks)
        logits, places = class_map(network, batch.contiguous(memory_format=torch.channels_last))
        loss = F.cross_entropy(logits, label, label_smoothing=0.05)
        if recipe.local:
            odds = (places[:, 1] - places[:, 0]).flatten(1)
            strongest = torch.logsumexp(odds, 1) - np.log(odds.shape[1]) * 0.5
            smoothed = label * 0.95 + 0.025
            loss = loss + recipe.local * F.binary_cross_entropy_with_logits(strongest, smoothed)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        rate.step()
        average.update_parameters(network)
        if step % 100 == 99:
            spent = time.time() - start
            print(f"step {step + 1}: loss {loss.item():.3f}, {spent:.0f} s", flush=True)
    return average.module.eval().half().float()


# The checks, in the order of the README


def log_odds(network: nn.Module, pixels: Tensor) -> NDArray[np.float64]:
    """Log-odds of "lesion" of (N, 1, x, y) images, above 0 where the network says "lesion"."""
    pixels = pixels.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        out = torch.cat([network(pixels[i : i + 32]) for i in range(0, len(pixels), 32)])
    return (out[:, 1] - out[:, 0]).double().numpy()


def calibrate(network: nn.Module, images: Images) -> None:
    """Shift the log-odds to fit ``images`` best (logistic loss, both classes weighted alike).

    Training draws both classes equally often and changes images heavily, which leaves the
    log-odds off by a constant; this sets it, in the bias of the last layer.
    """
    odds, lesion = log_odds(network, images.pixels), images.lesion.numpy()

    def loss(shift: float) -> float:
        yes, no = np.logaddexp(0, -odds[lesion] - shift), np.logaddexp(0, odds[~lesion] + shift)
        return float(yes.mean() + no.mean())

    shift = float(optimize.minimize_scalar(loss).x)
    bias = network.get_submodule("fc").bias
    assert isinstance(bias, Tensor)
    with torch.no_grad():
        bias.copy_((bias + torch.tensor([-shift / 2, shift / 2])).half())


def share(hits: NDArray[np.bool_]) -> dict[str, Any]:
    """Give a proportion its 95 % Wilson interval."""
    n, k = len(hits), int(np.sum(hits))
    interval = stats.binomtest(k, n).proportion_ci(method="wilson")
    return {"value": k / n, "of": n, "low": float(interval.low), "high": float(interval.high)}


def accuracy_figures(network: nn.Module, images: Images) -> dict[str, Any]:
    """Confusion matrix at log-odds 0, accuracy, sensitivity, specificity and AUC."""
    odds, lesion = log_odds(network, images.pixels), images.lesion.numpy()
    called = odds > 0
    rng = np.random.default_rng(SEED)

    def area(yes: NDArray[np.float64], no: NDArray[np.float64]) -> float:
        gap = yes[:, None] - no[None]
        return float(np.mean((gap > 0) + 0.5 * (gap == 0)))

    yes, no = odds[lesion], odds[~lesion]
    drawn = [area(rng.choice(yes, len(yes)), rng.choice(no, len(no))) for _ in range(2000)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {
        "confusion": {
            "lesion called lesion": int((called & lesion).sum()),
            "lesion called no lesion": int((~called & lesion).sum()),
            "no lesion called lesion": int((called & ~lesion).sum()),
            "no lesion called no lesion": int((~called & ~lesion).sum()),
        },
        "accuracy": share(called == lesion),
        "sensitivity": share(called[lesion]),
        "specificity": share(~called[~lesion]),
        "auc": {"value": area(yes, no), "low": float(low), "high": float(high)},
    }


def filled(image: Tensor, mask: NDArray[np.bool_]) -> Tensor:
    """Fill ``mask`` (x, y) of the (1, x, y) image from its surroundings.

    The fill solves Laplace's equation with the rim as boundary, and gets the speckle (standard
    deviation of what a blur takes away) of a ring of 6 px around the mask.
    """
    values = image[0].double().numpy().copy()
    index = np.full(mask.shape, -1)
    index[mask] = np.arange(mask.sum())
    count = int(mask.sum())
    xs, ys = np.nonzero(mask)
    row, column, weight = [np.arange(count)], [np.arange(count)], [np.zeros(count)]
    right = np.zeros(count)
    for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        u, v = xs + dx, ys + dy
        there = (u >= 0) & (u < SIZE) & (v >= 0) & (v < SIZE)
        weight[0][there] += 1
        at = np.flatnonzero(there)
        inner = at[mask[u[at], v[at]]]
        outer = at[~mask[u[at], v[at]]]
        row.append(inner)
        column.append(index[u[inner], v[inner]])
        weight.append(np.full(len(inner), -1.0))
        right[outer] += values[u[outer], v[outer]]
    matrix = sparse.coo_array(
        (np.concatenate(weight), (np.concatenate(row), np.concatenate(column))), (count, count)
    )
    fine = values - ndimage.gaussian_filter(values, 2)
    ring = ndimage.binary_dilation(mask, iterations=6) & ~mask
    grain = ndimage.gaussian_filter(np.random.default_rng(SEED).normal(size=mask.shape), 0.7)
    grain *= fine[ring].std() / grain.std()
    values[mask] = spsolve(matrix.tocsr(), right) + grain[mask]
    return torch.from_numpy(values.clip(0, 1)).float()[None]


def moved(
    mask: NDArray[np.bool_], avoid: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.bool_] | None:
    """``mask`` at a random place inside the image off ``avoid``, or None where none is found."""
    xs, ys = np.nonzero(mask)
    for _ in range(300):
        u = xs + rng.integers(-xs.min(), SIZE - xs.max())
        v = ys + rng.integers(-ys.min(), SIZE - ys.max())
        if not avoid[u, v].any():
            out = np.zeros_like(mask)
            out[u, v] = True
            return out
    return None


def deletion(network: nn.Module, images: Images) -> dict[str, Any]:
    """Fill the lesion from its surroundings, against the same shape filled elsewhere.

    Lesion images that the network calls "lesion" only. The mask is dilated by 4 px.
    """
    rng = np.random.default_rng(SEED)
    before = log_odds(network, images.pixels)
    drops, flips, other_drops, other_flips = [], [], [], []
    for i in np.flatnonzero(images.lesion.numpy() & (before > 0)):
        mask = ndimage.binary_dilation(images.masks[i, 0].numpy(), iterations=4)
        after = log_odds(network, filled(images.pixels[i], mask)[None])[0]
        drops.append(before[i] - after)
        flips.append(after <= 0)
        elsewhere = moved(mask, mask, rng)
        if elsewhere is not None:
            after = log_odds(network, filled(images.pixels[i], elsewhere)[None])[0]
            other_drops.append(before[i] - after)
            other_flips.append(after <= 0)
    return {
        "lesion filled: answer gone": share(np.array(flips)),
        "lesion filled: mean drop": float(np.mean(drops)),
        "elsewhere filled: answer gone": share(np.array(other_flips)),
        "elsewhere filled: mean drop": float(np.mean(other_drops)),
    }


def preservation(network: nn.Module, images: Images) -> dict[str, Any]:
    """Keep the lesion alone (dilated by 4 px) on the blurred image (sd 12 px)."""
    rng = np.random.default_rng(SEED)
    before = log_odds(network, images.pixels)
    kept, other, nothing = [], [], []
    for i in np.flatnonzero(images.lesion.numpy() & (before > 0)):
        image = images.pixels[i : i + 1]
        background = blur(image, 12.0)
        mask = ndimage.binary_dilation(images.masks[i, 0].numpy(), iterations=4)
        nothing.append(log_odds(network, background)[0] > 0)
        kept.append(
            log_odds(network, torch.where(torch.from_numpy(mask), image, background))[0] > 0
        )
        elsewhere = moved(mask, mask, rng)
        if elsewhere is not None:
            at = torch.from_numpy(elsewhere)
            other.append(log_odds(network, torch.where(at, image, background))[0] > 0)
    return {
        "lesion alone: answer kept": share(np.array(kept)),
        "as much from elsewhere: answer kept": share(np.array(other)),
        "blurred image: answer kept": share(np.array(nothing)),
    }


def pointing(network: nn.Module, images: Images) -> dict[str, Any]:
    """Whether the evidence peaks in the lesion, by three methods, for lesions called "lesion".

    Grad-CAM++ of the last two stages; occlusion by a blurred square of a sixth of the image; and
    the disc (radius 0.15 of the image) that best keeps the answer alone and takes it away when
    blurred. Places lie on a grid of 12 px.
    """
    before = log_odds(network, images.pixels)
    called = np.flatnonzero(images.lesion.numpy() & (before > 0))
    cams = {
        f"Grad-CAM++, {layer}": GradCAMpp(network, layer, postprocessing=lambda maps: maps)
        for layer in ("layer3", "layer4")
    }
    line = torch.arange(SIZE) + 0.5
    places = [(x, y) for x in range(8, SIZE, 12) for y in range(8, SIZE, 12)]
    squares = torch.stack(
        [
            ((line - x).abs() < SIZE / 12)[:, None] & ((line - y).abs() < SIZE / 12)
            for x, y in places
        ]
    )[:, None]
    discs = torch.stack(
        [torch.hypot((line - x)[:, None], line - y) < 0.15 * SIZE for x, y in places]
    )[:, None]
    hits: dict[str, list[bool]] = {name: [] for name in (*cams, "occlusion", "disc")}
    chance = []
    for i in called:
        image, mask = images.pixels[i : i + 1], images.masks[i, 0]
        background = blur(image, 12.0)
        chance.append(float(mask.float().mean()))
        for name, cam in cams.items():
            peak = int(cam(image, class_idx=1).detach().argmax())
            hits[name].append(bool(mask.flatten()[peak]))
        hidden = log_odds(network, torch.where(squares, background, image))
        hits["occlusion"].append(bool(mask[places[int(hidden.argmin())]]))
        kept = log_odds(network, torch.where(discs, image, background))
        gone = log_odds(network, torch.where(discs, background, image))
        hits["disc"].append(bool(mask[places[int((kept - gone).argmax())]]))
    figures: dict[str, Any] = {name: share(np.array(hit)) for name, hit in hits.items()}
    return figures | {"chance": float(np.mean(chance))}


def mark_figures(network: nn.Module, images: Images) -> dict[str, Any]:
    """Draw marks on the images, and wipe out the marks that they came with.

    ``ruler`` and ``arrow`` were never drawn in training.
    """
    figures: dict[str, Any] = {}
    before = log_odds(network, images.pixels)
    for kinds in (("calipers", "text", "box"), ("ruler", "arrow")):
        rng = np.random.default_rng(SEED + 1)
        shifts = []
        for _ in range(10):
            drawn = images.pixels.clone()
            for i in range(len(drawn)):
                opacity, grey = draw_marks(rng, kinds)
                drawn[i] = drawn[i] * (1 - opacity) + grey * opacity
            shifts.append(log_odds(network, drawn) - before)
        moves = np.array(shifts)
        crossed = (moves + before > 0) != (before > 0)
        for name, part in (
            ("no lesion", ~images.lesion.numpy()),
            ("lesion", images.lesion.numpy()),
        ):
            figures[f"{' and '.join(kinds)} on {name}"] = {
                "mean shift": float(moves[:, part].mean()),
                "mean size of shift": float(np.abs(moves[:, part]).mean()),
                "decisions changed": share(crossed[:, part].ravel()),
            }
    bright = images.pixels.numpy()[:, 0]
    wiped, which = images.pixels.clone(), []
    for i, image in enumerate(bright):
        thin = (ndimage.white_tophat(image, size=5) > 0.45) & (image > 0.9)
        if thin.any():
            wiped[i] = filled(images.pixels[i], ndimage.binary_dilation(thin, iterations=2))
            which.append(i)
    after = log_odds(network, wiped)[which]
    figures["own bright thin marks wiped out"] = {
        "mean shift": float((after - before[which]).mean()),
        "mean size of shift": float(np.abs(after - before[which]).mean()),
        "decisions changed": share((after > 0) != (before[which] > 0)),
    }
    return figures


def evaluate(network: nn.Module, images: Images) -> dict[str, Any]:
    """Every figure for one part of the data."""
    return accuracy_figures(network, images) | {
        "deletion": deletion(network, images),
        "preservation": preservation(network, images),
        "pointing": pointing(network, images),
        "marks": mark_figures(network, images),
    }


# Writing the bundle


def percent(figure: dict[str, Any]) -> str:
    """Write a proportion as ``0.93 (0.86 to 0.97; n = 96)``."""
    n = f"; n = {figure['of']}" if "of" in figure else ""
    return f"{figure['value']:.2f} ({figure['low']:.2f} to {figure['high']:.2f}{n})"


def readme(evaluation: dict[str, Any]) -> str:
    """``docs/README.md``, every figure taken from ``docs/evaluation.json``."""
    found, split = evaluation["validation"], evaluation["split"]
    confusion, near = found["confusion"], split["near_duplicates"]
    delete, keep, point, marks = (
        found[k] for k in ("deletion", "preservation", "pointing", "marks")
    )
    steps = " and then ".join(f"{r['steps']} steps" for r in evaluation["recipes"])
    counts = ", ".join(
        f"{name} {part['lesion']} + {part['no lesion']}" for name, part in split["parts"].items()
    )
    lines = f"""# Breast ultrasound: lesion or no lesion

A MONAI bundle with a narrow 2D ResNet ({evaluation["weights"]["parameters"]:,} weights at 16 bits)
that tells breast ultrasound images with a lesion from images without. It was trained from scratch
from image labels alone. It exists so that medcontour can be tried and tested on a real presence
question. For research and software tests; **not for clinical use**.

`configs/inference.json` runs no code of its own: it names classes of MONAI and torch only.
Input: one image, grey or RGB, of any size; preprocessing averages the channels, scales the 1st to
99th percentile to [0, 1] and resizes to {SIZE} x {SIZE}. As everywhere in MONAI, arrays loaded
from a PNG have axis order (column, row). Output: two logits, {LABELS[0]!r} and {LABELS[1]!r}.

## Data

Breast Ultrasound Images (BUSI): Al-Dhabyani W., Gomaa M., Khaled H., Fahmy A., *Dataset of breast
ultrasound images*, Data in Brief 28 (2020) 104863. A subset of {near["images"]} images, longest
side 320 px, grey. Benign and malignant count as lesion, normal as no lesion. No image is part of
this bundle.

The data set has several images of one patient, and copies. High-pass thumbnails (32 x 32) were
correlated with each other, shifted and mirrored too; at {SAME_PATIENT} or more two images count
as near duplicates, and chains of them stay in one part: {near["images_in_them"]} images form
{near["groups_of_two_or_more"]} such groups, the largest of {near["largest_group"]}. The parts
(`split.csv`; images with + without a lesion): {counts}.

## Training

`python train_breast_us_classifier.py --data DATA`: {steps}
of {BATCH} images, half with a lesion; {evaluation["training_minutes"]:.0f} minutes on one core.
AdamW, one-cycle rate, label smoothing 0.05, moving average of the weights. One number, the shift
of the log-odds, is then set on the tuning part. To keep the network to the lesion:

- **Marks say nothing.** Calipers, dotted lines, text and boxes are drawn on images of both
  classes alike.
- **The surroundings say nothing.** The outer part of an image is replaced by that of any other
  image, sharp or blurred; images without a lesion are cut and joined anywhere.
- **Gain, size and edges say nothing.** Gamma, gain that drifts with depth, speckle, blur, zoom,
  stretch, turns, mirrored images, black corners, small smoothed patches.
- **No lesion means nowhere.** A second loss takes the strongest place of the class map: it must
  stay low in every image without a lesion.

"""
    if "tried" in evaluation:
        lines += """### What was tried

Chosen on the tuning part by AUC, and by the evidence figures explained below; the masks of the
tuning part were used for this choice, and no mask in training. The tuning part is small, and the
shift of the log-odds was set on it, so these figures order the recipes and no more.

| recipe | AUC | sensitivity | specificity | lesion filled: gone | lesion alone: kept \
| Grad-CAM++ (layer3) in lesion | occlusion in lesion | disc in lesion |
|---|---|---|---|---|---|---|---|---|
"""
        for name, tried in evaluation["tried"].items():
            row = [tried["auc"], tried["sensitivity"], tried["specificity"]]
            row += [tried["deletion"]["lesion filled: answer gone"]]
            row += [tried["preservation"]["lesion alone: answer kept"]]
            row += [tried["pointing"][k] for k in ("Grad-CAM++, layer3", "occlusion", "disc")]
            title = f"**{name}** (chosen)" if name == evaluation["chosen"] else name
            lines += f"| {title} | " + " | ".join(f"{r['value']:.2f}" for r in row) + " |\n"
        lines += "\n"
    lines += f"""## Accuracy on the validation part

Measured for the chosen recipe only; nothing was chosen on it. Intervals are 95 %: Wilson's for
proportions, bootstrap for the AUC. They take images as independent, which images of one patient
are not.

| | called lesion | called no lesion |
|---|---|---|
| **lesion** | {confusion["lesion called lesion"]} | {confusion["lesion called no lesion"]} |
| **no lesion** | {confusion["no lesion called lesion"]} \
| {confusion["no lesion called no lesion"]} |

| figure | validation |
|---|---|
| accuracy | {percent(found["accuracy"])} |
| sensitivity | {percent(found["sensitivity"])} |
| specificity | {percent(found["specificity"])} |
| AUC | {percent(found["auc"])} |

## Does it look at the lesion?

All on the validation part. Lesions are those that the network calls "lesion"; masks are dilated
by 4 px of {SIZE}; chance is the mean share of the image that a lesion covers. "Elsewhere" is the
same shape moved to a random place beside the lesion.

**Take away and keep.** The lesion is filled from its surroundings (Laplace's equation and the
speckle of a ring around it), or kept alone on the blurred image (sd 12 px).

| | share | mean drop of the log-odds |
|---|---|---|
"""
    for place in ("lesion", "elsewhere"):
        lines += (
            f"| {place} filled: answer gone | {percent(delete[f'{place} filled: answer gone'])} "
            f"| {delete[f'{place} filled: mean drop']:.2f} |\n"
        )
    lines += "".join(f"| {name} | {percent(figure)} | |\n" for name, figure in keep.items())
    lines += f"""
**Where the evidence peaks.** Grad-CAM++ of the last two stages; occlusion by a blurred square of a
sixth of the image; and the disc (radius 0.15 of the image) that best keeps the answer alone and
takes it away when blurred. Share of peaks inside the lesion itself; chance {point["chance"]:.2f}.

| method | peak in the lesion |
|---|---|
"""
    lines += "".join(
        f"| {name} | {percent(figure)} |\n" for name, figure in point.items() if name != "chance"
    )
    lines += """
**Burnt-in marks.** Ten random drawings on every image; rulers and arrows were never drawn in
training. Last row: thin, nearly white marks that the images came with, wiped out. (The files are
grey, so marks that were once coloured cannot be told by their colour.)

| change | mean shift of the log-odds | mean size of the shift | decisions changed |
|---|---|---|---|
"""
    for name, change in marks.items():
        lines += (
            f"| {name} | {change['mean shift']:+.2f} | {change['mean size of shift']:.2f} "
            f"| {percent(change['decisions changed'])} |\n"
        )
    parts = split["parts"]["validation"]
    lines += f"""
## Limits

- One hospital, one data set, {parts["no lesion"]} validation images without a lesion: the
  specificity is known only to within its interval. Near duplicates were found by likeness, not
  by patient numbers, which the data set does not give.
- The threshold (log-odds 0) weighs both classes alike on the tuning part; it was not tuned for
  use, and the validation part has more lesions than any screening would.
- Filling the lesion leaves the answer in \
{1 - delete["lesion filled: answer gone"]["value"]:.0%} of the images. Part of the evidence then
  lies outside the mask, perhaps in the shadow or bright band below the lesion; where it lies was
  not measured.
- The last feature map has 5 x 5 places, each of which sees nearly the whole image: Grad-CAM++ of
  `layer4` does not tell where the lesion is. Searches in the image itself (occlusion, disc,
  contours) do so better.
"""
    return lines


def write_bundle(out: Path, network: nn.Module, evaluation: dict[str, Any], split: str) -> None:
    """Write the bundle beside ``out`` and put it in place when it is whole."""
    made = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}"))
    made.chmod(0o755)
    for folder in ("configs", "models", "docs"):
        (made / folder).mkdir()
    weights = {k: v.half() if v.is_floating_point() else v for k, v in network.state_dict().items()}
    torch.save({k: v.contiguous() for k, v in weights.items()}, made / "models" / "model.pt")
    texts = {
        "configs/inference.json": json.dumps(inference_config(), indent=2) + "\n",
        "configs/metadata.json": json.dumps(metadata(evaluation), indent=2) + "\n",
        "docs/evaluation.json": json.dumps(evaluation, indent=2) + "\n",
        "docs/README.md": readme(evaluation),
        "docs/split.csv": split,
    }
    for name, text in texts.items():
        (made / name).write_text(text)
    old = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}"))
    if out.exists():
        out.rename(old / out.name)
    made.rename(out)
    shutil.rmtree(old)


def main() -> None:
    """Train and check, or only check, or compare recipes."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with labels.csv")
    parser.add_argument("--out", type=Path, default=BUNDLE, help="the bundle folder")
    parser.add_argument("--check", action="store_true", help="keep the weights, redo the checks")
    parser.add_argument("--compare", action="store_true", help="try every recipe on 'tune' first")
    options = parser.parse_args()
    torch.set_num_threads(1)

    recipe = RECIPES[CHOSEN]
    network, preprocessing = build()
    images = read_images(options.data, preprocessing)
    part, near = make_split(options.data, images)
    parts = {name: images.part(np.array(part) == name) for name in SPLITS}

    record = options.out / "docs" / "evaluation.json"
    former = json.loads(record.read_text()) if record.exists() else {}
    tried, minutes = former.get("tried", {}), former.get("training_minutes", 0.0)
    if options.compare:
        tried = {}
        for name, other in RECIPES.items():
            print(f"recipe {name}", flush=True)
            network = train(parts["train"], other)
            calibrate(network, parts["tune"])
            tried[name] = evaluate(network, parts["tune"])
    if options.check:
        weights = torch.load(options.out / "models" / "model.pt", weights_only=True)
        network.load_state_dict(weights)
        network.eval()
    else:
        start = time.time()
        network = train(parts["train"], recipe)
        calibrate(network, parts["tune"])
        minutes = (time.time() - start) / 60

    evaluation = {
        "chosen": CHOSEN,
        "recipes": [asdict(r) for r in (RECIPES.get(recipe.after), recipe) if r],
        "training_minutes": minutes,
        "weights": {"parameters": sum(p.numel() for p in network.parameters())},
        "split": {
            "seed": SEED,
            "near_duplicates": near,
            "parts": {
                name: {
                    "lesion": int(held.lesion.sum()),
                    "no lesion": int((~held.lesion).sum()),
                }
                for name, held in parts.items()
            },
        },
        "validation": evaluate(network, parts["validation"]),
        "tried": tried,
    }
    rows = "".join(f"{file},{name}\n" for file, name in zip(images.files, part, strict=True))
    write_bundle(options.out, network, evaluation, "file,split\n" + rows)
    print(json.dumps(evaluation["validation"], indent=2))


if __name__ == "__main__":
    main()
