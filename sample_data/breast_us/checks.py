"""Whether the network is right, and whether it looks at the lesion; in the order of the README."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from monai.visualize import GradCAMpp
from numpy.typing import NDArray
from scipy import ndimage, sparse, stats
from scipy.sparse.linalg import spsolve
from torch import Tensor, nn

from breast_us.augmentation import blur, draw_marks
from breast_us.images import Images
from breast_us.recipe import SEED, SIZE
from breast_us.training import log_odds


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
