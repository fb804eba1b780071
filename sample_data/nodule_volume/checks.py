"""What the bundle tells apart, and where it looks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from make_sample import study
from phantom import Thorax
from scipy.ndimage import binary_dilation
from train_nodule_classifier import area_under_curve

import medcontour as mc
from medcontour.classifier import VolumeClassifier, takes_volumes
from medcontour.contour import VolumeGeometry
from nodule_volume.volumes import affine_ras, held_out_phantom, on_file_axes

Array = npt.NDArray[np.float64]
SPACING = (4.0, 4.0, 5.0)
LOOKED_AT = 8
RESAMPLES = 2000


def loaded(bundle: Path) -> VolumeClassifier:
    """Load the bundle as anybody does."""
    classifier = mc.load_classifier(bundle)
    assert takes_volumes(classifier)
    return classifier


def log_odds(classifier: VolumeClassifier, phantom: Thorax, volume: npt.NDArray[np.int16]) -> float:
    """Log-odds of a nodule in a volume on a phantom's grid."""
    prepared = classifier.prepare_volume(on_file_axes(volume), affine_ras(phantom.grid))
    with torch.no_grad():
        return float(classifier.score(prepared.tensor[None])[0, 1])


def place(
    classifier: VolumeClassifier, phantom: Thorax, volume: npt.NDArray[np.int16]
) -> dict[str, Any]:
    """Explain a volume by one closed surface: whether its centre lies in a nodule.

    Returns
    -------
    dict
        ``label`` of the nodule that holds the centre, 0 for none; ``mm`` from it to the middle of
        the nearest one; ``keeps`` and ``leaves``, the similarities of the preserved and the
        deleted volume; ``evaluations``.
    """
    prepared = classifier.prepare_volume(on_file_axes(volume), affine_ras(phantom.grid))
    explain = mc.ExtremalContours(classifier.score, outputs="sigmoid", pixel_spacing=SPACING)
    fit = explain.fit(prepared.tensor[None], target=1)
    grid = VolumeGeometry(*prepared.tensor.shape[1:], SPACING)
    index = grid.to_index(fit.contours.center.double())[0].numpy()[::-1]
    found = (prepared.index_from_input @ [*index, 1.0])[:3]  # (i, j, k) of the file
    labels = phantom.labels.transpose(2, 1, 0)
    here = tuple(np.clip(np.round(found).astype(int), 0, np.array(labels.shape) - 1))
    step = np.array(phantom.grid.spacing[::-1])
    middles = [np.argwhere(labels == own).mean(0) for own in np.unique(labels[labels > 0])]
    return {
        "label": int(labels[here]),
        "mm": min(float(np.linalg.norm((found - middle) * step)) for middle in middles),
        "keeps": float(fit.preserved),
        "leaves": float(fit.deleted),
        "evaluations": float(fit.evaluations),
    }


def held_out(bundle: Path, count: int) -> dict[str, Any]:
    """Measure the bundle on phantoms of no choice: telling apart, and where it looks."""
    classifier = loaded(bundle)
    scores, places, sizes = [], [], []
    for number in range(count):
        phantom = held_out_phantom(number)
        if not phantom.nodules:
            continue
        scores.append(
            [log_odds(classifier, phantom, v) for v in (phantom.ct, phantom.without_nodules)]
        )
        sizes.append(2 * float(np.prod(phantom.nodules[0].semi_axes)) ** (1 / 3))
        print(f"held out {number}: {scores[-1][0]:.2f}, {scores[-1][1]:.2f}", flush=True)
        if scores[-1][0] > 0 and len(places) < LOOKED_AT:
            places.append(place(classifier, phantom, phantom.ct))
            print(f"  {places[-1]}", flush=True)
    pairs = np.array(scores)
    large = np.array(sizes) >= 12
    return {
        "phantoms": len(pairs),
        "auc": bootstrapped(pairs),
        "sensitivity": share(pairs[:, 0] > 0),
        "sensitivity_12mm": share(pairs[large, 0] > 0),
        "specificity": share(pairs[:, 1] <= 0),
        "fall": float(np.median((pairs[:, 0] - pairs[:, 1])[pairs[:, 0] > 0])),
        "inside": share([p["label"] > 0 for p in places]),
        "apart_mm": float(np.median([p["mm"] for p in places])),
        "keeps": float(np.mean([p["keeps"] for p in places])),
        "leaves": float(np.mean([p["leaves"] for p in places])),
        "evaluations": float(np.mean([p["evaluations"] for p in places])),
    }


def one_by_one(phantom: Thorax) -> Iterator[npt.NDArray[np.int16]]:
    """Give the volume with each nodule alone, the others' surroundings as they are without."""
    for label in range(1, len(phantom.nodules) + 1):
        near = binary_dilation(phantom.labels == label, iterations=4)
        yield np.where(near, phantom.ct, phantom.without_nodules)


def sample(bundle: Path) -> dict[str, Any]:
    """Score the sample study and each of its nodules alone; explain what is called positive."""
    classifier, phantom = loaded(bundle), study()
    nodules = []
    for label, alone in enumerate(one_by_one(phantom), start=1):
        row = {"nodule": label, "log_odds": log_odds(classifier, phantom, alone)}
        seen = row["log_odds"] > 0
        nodules.append(row | (place(classifier, phantom, alone) if seen else {}))
        print(nodules[-1], flush=True)
    return {
        "log_odds": log_odds(classifier, phantom, phantom.ct),
        "without": log_odds(classifier, phantom, phantom.without_nodules),
        "study": place(classifier, phantom, phantom.ct),
        "nodules": nodules,
    }


def share(values: Iterable[bool] | npt.NDArray[np.bool_]) -> dict[str, float]:
    """Share of what holds, its number, and Wilson's 95 % interval."""
    held = np.asarray(list(values), float)
    n, p, z = len(held), float(held.mean()) if len(held) else 0.0, 1.96
    middle, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return {
        "value": p,
        "low": float((middle - half) / scale),
        "high": float((middle + half) / scale),
        "n": n,
    }


def bootstrapped(pairs: Array) -> dict[str, float]:
    """AUC of (n, 2) scores with nodules and without, and its 95 % interval over phantoms."""
    rng = np.random.default_rng(0)
    drawn = [pairs[rng.integers(len(pairs), size=len(pairs))] for _ in range(RESAMPLES)]
    low, high = np.quantile([area_under_curve(d[:, 0], d[:, 1]) for d in drawn], [0.025, 0.975])
    value = area_under_curve(pairs[:, 0], pairs[:, 1])
    return {"value": value, "low": float(low), "high": float(high), "n": len(pairs)}
