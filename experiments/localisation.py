"""How well a contour or a map says where something is: metrics, a baseline, tables.

Shared by the scripts beside it. Masks are (rows, columns) bool on a slice's own pixels; maps are
(rows, columns) float64 from 0 to 1 there.
"""

from __future__ import annotations

import copy
import csv
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from monai.visualize import GradCAMpp
from scipy import ndimage
from torch import Tensor, nn

import medcontour as mc
from medcontour.classifier import Classifier
from medcontour.contour import FourierContour, PlaneGeometry
from medcontour.pipeline.planes import InputBatch
from medcontour.results import PlacedContour

Mask = npt.NDArray[np.bool_]
Map = npt.NDArray[np.float64]

SEED = 0
RESAMPLES = 2000
LEVELS = np.arange(1, 20) / 20
WITHIN = 2.0
"""Pixels from the truth's boundary up to which a simulated reader leaves an outline as it is."""


def dice(one: Mask, other: Mask) -> float:
    """Overlap, ``2 |A and B| / (|A| + |B|)``; 0 where both are empty."""
    total = one.sum() + other.sum()
    return float(2 * (one & other).sum() / total) if total else 0.0


def boundary(mask: Mask) -> Mask:
    """Pixels of the mask with one of their four neighbours, or the image's edge, outside it."""
    return mask & ~ndimage.binary_erosion(mask)


def added_path_length(truth: Mask, suggested: Mask, pixel_spacing: tuple[float, float]) -> float:
    """Length of boundary that an editor has to draw anew, in the unit of the spacing.

    Pixels of the truth's boundary that are no pixels of the suggestion's (Vaassen et al. 2020,
    Phys Imaging Radiat Oncol 13:1-6), times the side of a square as large as a pixel.
    """
    missing = boundary(truth) & ~boundary(suggested)
    return float(missing.sum() * np.sqrt(np.prod(pixel_spacing)))


def left_to_draw(truth: Mask, suggested: Mask, within: float = WITHIN) -> float:
    """Share of the truth's boundary that a reader draws anew: further away than so many pixels."""
    edge = boundary(truth)
    away = ndimage.distance_transform_edt(~boundary(suggested))
    return float((away[edge] > within).mean()) if suggested.any() else 1.0


def corrected_once(truth: Mask, suggested: Mask, within: float = WITHIN) -> Mask:
    """What stands after one pass of a reader who accepts what is no further than that."""
    edge = boundary(truth)
    away, (rows, columns) = ndimage.distance_transform_edt(~edge, return_indices=True)
    suggested_away = ndimage.distance_transform_edt(~boundary(suggested))
    accepted = (suggested_away <= within)[rows, columns]  # of the nearest place of the boundary
    return np.where(accepted & (away <= within), suggested, truth)


def relevance_mass(relevance: npt.NDArray[Any], truth: Mask) -> float:
    """Share of a mask's pixels, or of a map's sum, that lies in the truth; 0 of nothing."""
    total = float(relevance.sum())
    return float(relevance[truth].sum()) / total if total else 0.0


def best_level(maps: Sequence[Map], truths: Sequence[Mask]) -> tuple[float, float]:
    """Of `LEVELS` the one at which thresholded maps have the best mean Dice, and that Dice."""
    scores = [
        np.mean([dice(m >= level, truth) for m, truth in zip(maps, truths, strict=True)])
        for level in LEVELS
    ]
    best = int(np.argmax(scores))
    return float(LEVELS[best]), float(scores[best])


def intervals(values: npt.ArrayLike) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the mean of (images,) values.

    Each call draws the same images again, so that rows of one table are paired.
    """
    sample = np.asarray(values, dtype=np.float64)
    drawn = np.random.default_rng(SEED).integers(len(sample), size=(RESAMPLES, len(sample)))
    low, high = np.percentile(sample[drawn].mean(1), (2.5, 97.5))
    return float(low), float(high)


def curve_of(placed: PlacedContour) -> FourierContour:
    """Give the analytic curve of a contour of a suggestion, as one float32 curve."""
    return FourierContour.from_dict(placed.parameters).to(torch.float32)


def pixels_inside(curve: FourierContour, plane: PlaneGeometry) -> Mask:
    """Pixels whose centre lies inside one curve."""
    inside: Mask = curve.contains(plane.pixel_centres())[0].cpu().numpy()
    return inside


def centre(mask: Mask, curve: FourierContour, plane: PlaneGeometry) -> tuple[float, float]:
    """(row, column) of the middle of the pixels inside a curve; its own center if none is."""
    if mask.any():
        row, column = np.argwhere(mask).mean(0)
    else:
        column, row = plane.to_index(curve.center[0]).tolist()
    return float(row), float(column)


def peak(relevance: Map) -> tuple[int, int]:
    """(row, column) of a map's highest pixel, the first of several."""
    row, column = np.unravel_index(relevance.argmax(), relevance.shape)
    return int(row), int(column)


def hits(place: tuple[float, float], truth: Mask) -> bool:
    """The pointing game: whether (row, column) falls on a pixel of the truth."""
    row, column = (min(max(round(x), 0), n - 1) for x, n in zip(place, truth.shape, strict=True))
    return bool(truth[row, column])


def grad_cam(
    network: nn.Module, batch: InputBatch, target: int, shape: tuple[int, int]
) -> dict[str, Map]:
    """MONAI's Grad-CAM++ at a network's last two stages, by their names, the last first.

    Parameters
    ----------
    network
        Gives logits. A copy of it is run, since MONAI leaves its hooks behind.
    batch
        One slice, as the network takes it.
    target
        The class.
    shape
        Rows and columns of the slice.

    Returns
    -------
    dict
        Maps on the slice's own pixels, each scaled so that its least is 0 and its highest 1.
    """
    network = copy.deepcopy(network).eval()
    inputs = batch.inputs.clone().requires_grad_(True)
    layers = stages(network, batch.inputs)[:-3:-1]
    cam = GradCAMpp(network, target_layers=layers)
    maps = {}
    for index, layer in enumerate(layers):
        coarse = cam.compute_map(inputs, class_idx=target, layer_idx=index).detach()[0, 0]
        size = (inputs.shape[-2], inputs.shape[-1])
        fine = on_plane(coarse.double().numpy(), size, batch.index_from_input, shape)
        fine = fine - fine.min()
        maps[layer] = fine / fine.max() if fine.max() > 0 else fine
    return maps


def kept_stage(
    maps: Sequence[Mapping[str, Map]], truths: Mapping[str, Sequence[Mask]]
) -> tuple[str, float, str]:
    """Of the stages the one whose maps, at their best level, have the best mean Dice.

    Parameters
    ----------
    maps
        By image, then by stage.
    truths
        By stage, then by image: what its maps are compared with.

    Returns
    -------
    tuple
        Its name, its level, and a sentence that says what each stage reached.
    """
    tried = {
        stage: best_level([own[stage] for own in maps], aims) for stage, aims in truths.items()
    }
    kept = max(tried, key=lambda stage: tried[stage][1])
    reached = "; ".join(f"{s}: {score:.3f} at {level:.2f}" for s, (level, score) in tried.items())
    return (
        kept,
        tried[kept][0],
        f"Best mean Dice of each Grad-CAM++ stage, at its level: {reached}.",
    )


def stages(network: nn.Module, example: Tensor) -> list[str]:
    """Name the module that gives the last feature map of each size, in the order they run."""
    last: dict[tuple[int, ...], str] = {}

    def keep(name: str, output: Any) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and output[0, 0].numel() > 1:
            last.pop(tuple(output.shape[2:]), None)
            last[tuple(output.shape[2:])] = name

    handles = [
        module.register_forward_hook(lambda _, __, output, name=name: keep(name, output))
        for name, module in network.named_modules()
        if name
    ]
    with torch.no_grad():
        network(example)
    for handle in handles:
        handle.remove()
    return list(last.values())


def on_plane(
    coarse: Map,
    input_size: tuple[int, int],
    index_from_input: npt.NDArray[np.float64],
    shape: tuple[int, int],
) -> Map:
    """Read a network's feature map, bilinearly, at the pixels of the slice it was made from.

    Parameters
    ----------
    coarse
        (h, w): its cells tile the network's input, as PyTorch's ``align_corners=False``.
    input_size
        Height and width of the network's input.
    index_from_input
        (3, 3): see `medcontour.classifier.Prepared`.
    shape
        Rows and columns of the slice. Pixels that the network does not see get 0.
    """
    row, column = np.indices(shape)
    inverse = np.linalg.inv(index_from_input)
    at = np.tensordot(inverse, np.stack([column, row, np.ones(shape)]), 1)[:2]
    cells = [
        (x + 0.5) * n / size - 0.5 for x, n, size in zip(at, coarse.shape, input_size, strict=True)
    ]
    fine = ndimage.map_coordinates(coarse, cells, order=1, mode="nearest")
    seen = np.all([(x >= -0.5) & (x <= n - 0.5) for x, n in zip(at, input_size, strict=True)], 0)
    return np.where(seen, fine, 0.0)


def write_results(
    out: Path,
    title: str,
    notes: Sequence[str],
    tables: Mapping[str, Sequence[Mapping[str, Any]]],
    settings: Mapping[str, Any],
    per_image: Sequence[Mapping[str, Any]],
) -> None:
    """Write ``table.md``, ``table.json`` and ``per_image.csv``.

    Parameters
    ----------
    out
        The folder, made if need be.
    title, notes
        Heading and footnotes.
    tables
        By heading: rows of one set of columns. A value is a text, an integer, a number, None, or
        a mean with its interval, (mean, (low, high)).
    settings
        What made them; for the JSON.
    per_image
        Rows of one set of columns.
    """
    out.mkdir(parents=True, exist_ok=True)
    lines = [f"# {title}", ""]
    for heading, rows in tables.items():
        lines += [
            f"## {heading}",
            "",
            "| " + " | ".join(rows[0]) + " |",
            "|---" * len(rows[0]) + "|",
        ]
        lines += ["| " + " | ".join(_cell(value) for value in row.values()) + " |" for row in rows]
        lines.append("")
    lines += [f"- {note}" for note in notes]
    (out / "table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    document = {"title": title, "settings": settings, "tables": tables, "notes": notes}
    (out / "table.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    with (out / "per_image.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, per_image[0].keys())
        writer.writeheader()
        writer.writerows(per_image)
    print("\n".join(lines))


def run_record(classifier: Classifier, begun: float) -> dict[str, Any]:
    """Which classifier and version made a table, and how long it took.

    `begun` is what `time.perf_counter` gave at the start.
    """
    return {
        "classifier": classifier.name,
        "weights_sha256": classifier.weights_sha256,
        "medcontour": mc.__version__,
        "seconds": round(time.perf_counter() - begun),
    }


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        mean, (low, high) = value
        return f"{mean:.2f} ({low:.2f} to {high:.2f})"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def say(what: str, done: int, total: int) -> None:
    """Show progress on standard error, in one line for each part of the work."""
    end = "\n" if done >= total else ""
    print(f"\r\033[K{what}: {done} of {total}", end=end, file=sys.stderr, flush=True)
