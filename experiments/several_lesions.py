"""Several contours at once (Eq. 11) on planted lesions: how many are found, how many are idle.

Each image holds one to four bright lesions of different sizes on textured ground, with faint blobs
that are none, on pixels that are not square. Each lesion adds to the answer of the network, whose
weights are written down here and not trained. A lesion is found when a contour of its own lies on
it: the contour's center in the lesion, or the lesion's in the contour. A contour is idle when it
is no lesion's own.

    python experiments/several_lesions.py --out DIR [--images 100]
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from localisation import intervals
from scipy import ndimage
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from medcontour.contour import FourierContour, PlaneGeometry
from medcontour.explain import (
    BACKGROUNDS,
    GaussianBackground,
    Perturbation,
    TargetObjective,
    optimise_several,
)

PLANE = PlaneGeometry(rows=96, columns=128, pixel_spacing=(1.25, 1.0))
RADII_MM = (4.5, 8.0)
CONTRASTS = (0.35, 0.6)
FAINT = 0.1
GAP_MM = 6.0
BATCH = 10
TUNED_ON = range(1000, 1040)
"""Seeds that constants of `optimise_several` were chosen on; figures come from others."""


@dataclass(frozen=True)
class Lesions:
    """One image's truth: (n, 2) middles and (n,) radii, in plane coordinates."""

    middles: Tensor
    radii: Tensor


def plant(seed: int, lesions: int) -> tuple[Tensor, Lesions]:
    """Make an image (1, rows, columns) with so many lesions, and their truth."""
    random = np.random.default_rng(seed)
    row, column = PLANE.pixel_spacing
    coarse = ndimage.gaussian_filter(random.normal(size=(96, 128)), (6 / row, 6 / column))
    fine = ndimage.gaussian_filter(random.normal(size=(96, 128)), (1 / row, 1 / column))
    image = 0.3 + 0.05 * coarse / coarse.std() + 0.03 * fine / fine.std()
    y, x = np.mgrid[:96, :128] * np.array([row, column])[:, None, None]
    blobs = lesions + 2
    while True:
        radii = random.uniform(*RADII_MM, blobs)
        middles = random.uniform(radii[:, None], (128, 120) - radii[:, None], (blobs, 2))
        gaps = np.linalg.norm(middles[:, None] - middles, axis=-1) - radii[:, None] - radii
        if (gaps[np.triu_indices(blobs, 1)] > GAP_MM).all():
            break
    heights = np.append(random.uniform(*CONTRASTS, lesions), [FAINT, FAINT])
    for middle, radius, height in zip(middles, radii, heights, strict=True):
        away = np.hypot(x - middle[0], y - middle[1])
        image += height / (1 + np.exp((away - radius) / 0.6))
    points = PLANE.from_index(torch.from_numpy(middles[:lesions] / (column, row))).float()
    truth = Lesions(points, torch.from_numpy(radii[:lesions]).float() / PLANE.unit_mm)
    return torch.from_numpy(image[None]).float(), truth


class Blobs(torch.nn.Module):
    """Adds up what stands out of its surroundings: a difference of Gaussians over a threshold."""

    def forward(self, images: Tensor) -> Tensor:
        """(B, 1) log-odds: -3 where nothing stands out, about 0 with one small lesion."""
        fine, coarse = (
            GaussianBackground(sigma, PLANE.pixel_spacing)(images) for sigma in (2.0, 10.0)
        )
        out = torch.nn.functional.softplus(40 * (fine - coarse - 0.13)) / 40
        return out.flatten(1).sum(1, keepdim=True) / 3.0 - 3.0


def matched(curves: FourierContour, truth: Lesions) -> tuple[int, int]:
    """How many lesions have a contour of their own, and how many contours are no lesion's own."""
    away = torch.cdist(curves.center, truth.middles)
    on = (away <= truth.radii) | curves.contains(truth.middles)
    pairs = linear_sum_assignment(on.numpy(), maximize=True)
    found = int(on.numpy()[pairs].sum())
    return found, len(curves) - found


def measure(seeds: range, lesions: int, contours: int) -> dict[str, object]:
    """Find contours on the images of these seeds, and count."""
    network, found, idle, pruned, evaluations = Blobs(), [], [], [], []
    for first in range(0, len(seeds), BATCH):
        planted = [plant(seed, lesions) for seed in seeds[first : first + BATCH]]
        images = torch.stack([image for image, _ in planted])
        perturbation = Perturbation.of_images(
            images, BACKGROUNDS["gaussian"](images), PLANE.pixel_spacing
        )
        objective = TargetObjective(network, images, perturbation.background, target=0)
        fit = optimise_several(perturbation, objective, contours)
        for index, (_, truth) in enumerate(planted):
            hits, misses = matched(fit.of_image(index), truth)
            found.append(hits / lesions)
            idle.append(misses)
            pruned.append(int(fit.pruned[index]))
            evaluations.append(float(fit.evaluations[index]))
    return {
        "lesions": lesions,
        "contours": contours,
        "images": len(seeds),
        "found": float(np.mean(found)),
        "found_interval": intervals(found),
        "idle": float(np.mean(idle)),
        "idle_interval": intervals(idle),
        "pruned": float(np.mean(pruned)),
        "evaluations": float(np.mean(evaluations)),
    }


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", type=Path, help="folder for several.json")
    parser.add_argument("--images", type=int, default=100, help="of each kind")
    parser.add_argument("--tune", action="store_true", help="the images that were tuned on")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    seeds = TUNED_ON if arguments.tune else range(arguments.images)
    rows = []
    print("| lesions | N | images | found | idle contours an image | pruned | evaluations |")
    print("|---|---|---|---|---|---|---|")
    for lesions, contours in ((4, 4), (3, 4), (2, 4), (1, 4), (4, 8), (2, 8), (1, 8)):
        row = measure(seeds, lesions, contours)
        rows.append(row)
        print(
            f"| {lesions} | {contours if contours < 8 else 'auto (8)'} | {row['images']} | "
            "{:.3f} ({:.3f} to {:.3f}) | ".format(row["found"], *row["found_interval"])
            + "{:.2f} ({:.2f} to {:.2f}) | ".format(row["idle"], *row["idle_interval"])
            + f"{row['pruned']:.2f} | {row['evaluations']:.1f} |",
            flush=True,
        )
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "several.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
