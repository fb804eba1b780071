"""Elongated lesions: how well evidence contours hold them, with and without the frame.

Planted lesions four times as long as wide, in every direction, on pixels that are not square, and
a network whose answer is known: it adds up what is brighter than its surroundings, wherever that
is. What keeps and removes its answer is therefore the lesion, all of it, and nothing else. Notes
under the table say how each row is made.

    python experiments/elongated.py --out results/
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from localisation import SEED, dice, intervals, say, write_results
from torch import Tensor, nn

import medcontour as mc
from medcontour.contour import FourierContour, PlaneGeometry, fit_mask
from medcontour.explain import BACKGROUNDS, PRESETS, Perturbation, Preset, TargetObjective, optimise

PLANE = PlaneGeometry(80, 112, (1.4, 1.0))
RATIO = 4.0
BATCH = 8
GROUND, LESION, LEVEL = 0.2, 0.9, 0.55
NOTES = (
    "Means over lesions with 95 % bootstrap intervals (the same draws for every row). IoU and "
    "Dice of the pixels inside the final contour with those of the lesion.",
    "Every row has the same images, network, background (mean) and objective (the score of the "
    "class).",
    "paper: 1000 steps, bounded radius, no frame, from the middle. fast: log radius and frame, "
    "from the evidence. fast without frame: the same with the frame held at none.",
    "Best fit: the curve of that kind fitted to the lesion itself, which no explanation can be "
    "expected to beat by much.",
    "Gain: IoU of the same lesion under fast less that under the row's preset.",
)


class BrightAmount(nn.Module):
    """Log-odds that grow with the amount of what is brighter than a level, wherever it lies."""

    def __init__(self, full: float) -> None:
        super().__init__()
        self.full = full

    def amount(self, images: Tensor) -> Tensor:
        """(B,): softly counted pixels over the level, as a share of the image."""
        return torch.sigmoid(20 * (images[:, 0] - LEVEL)).mean((-1, -2))

    def forward(self, images: Tensor) -> Tensor:
        """(B, 1, H, W) to (B, 1): -6 without any, 6 with a usual lesion."""
        return (12 * self.amount(images) / self.full - 6).unsqueeze(1)


def plant(count: int, seed: int) -> tuple[FourierContour, Tensor, Tensor]:
    """Ellipses, their (B, H, W) masks, and (B, 1, H, W) images that show them.

    Half the short axis is at least 0.1, so that Eq. 12's bounds can hold it.
    """
    generator = torch.Generator().manual_seed(seed)

    def drawn(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    width = drawn(0.1, 0.13)
    angle = drawn(0.0, torch.pi)
    center = torch.stack([drawn(-0.35, 0.35), drawn(-0.2, 0.2)], 1)
    lesions = FourierContour.circles(center, width * RATIO**0.5)
    stretch = torch.stack([(2 * angle).cos(), (2 * angle).sin()], 1)
    lesions = replace(lesions, frame=stretch * torch.tensor(RATIO).log() / 2)
    masks = lesions.contains(PLANE.pixel_centres())
    noise = 0.03 * torch.randn(masks.shape, generator=generator)
    return lesions, masks, (GROUND + (LESION - GROUND) * masks + noise).unsqueeze(1)


def contenders() -> dict[str, Preset]:
    """Presets by the name of their row."""
    fast = PRESETS["fast"]
    return {
        "paper": PRESETS["paper"],
        "fast without frame": replace(fast, frame=False),
        "fast": fast,
    }


def explain(images: Tensor, preset: Preset, full: float) -> tuple[FourierContour, list[float]]:
    """Evidence contours of the images, and the evaluations of each."""
    network = BrightAmount(full).eval()
    background = BACKGROUNDS["mean"](images)
    perturbation = Perturbation.of_images(images, background, PLANE.pixel_spacing)
    objective = TargetObjective(network, images, background, target=0)
    fit = optimise(perturbation, objective, preset)
    return fit.contours, fit.evaluations.tolist()


def record(method: str, lesion: int, curve: FourierContour, truth: Tensor) -> dict[str, object]:
    """Overlap of one curve's pixels with those of its lesion."""
    found = curve.contains(PLANE.pixel_centres())[0].numpy()
    aim = truth.numpy()
    return {
        "method": method,
        "lesion": lesion,
        "IoU": float((found & aim).sum() / (found | aim).sum()),
        "Dice": dice(found, aim),
    }


def summary(
    name: str, records: list[dict[str, object]], fast: list[float], cost: Mapping[str, list[float]]
) -> dict[str, object]:
    """One row of the table."""
    overlap = np.array([r["IoU"] for r in records], dtype=float)
    gain = np.array(fast) - overlap
    return {
        "": name,
        "n": len(records),
        "IoU": (float(overlap.mean()), intervals(overlap)),
        "Dice": float(np.mean([r["Dice"] for r in records])),  # type: ignore[arg-type]
        "gain": (float(gain.mean()), intervals(gain)) if name in cost and name != "fast" else None,
        "evaluations": float(np.mean(cost[name])) if name in cost else None,
    }


def main() -> None:
    """Make the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--lesions", type=int, default=24)
    parser.add_argument("--paper-steps", type=int, default=PRESETS["paper"].steps)
    args = parser.parse_args()
    torch.set_num_threads(1)
    begun = time.perf_counter()

    _, masks, images = plant(args.lesions, SEED)
    full = float(masks.float().mean())
    presets = contenders()
    presets["paper"] = replace(presets["paper"], steps=args.paper_steps)
    records, cost = [], dict[str, list[float]]()
    for method, preset in presets.items():
        for first in range(0, args.lesions, BATCH):
            some = slice(first, first + BATCH)
            curves, spent = explain(images[some], preset, full)
            cost.setdefault(method, []).extend(spent)
            for index in range(len(curves)):
                lesion = first + index
                records.append(record(method, lesion, curves[[index]], masks[lesion]))
            say(method, min(first + BATCH, args.lesions), args.lesions)
    for method, frame in (("best fit without frame", False), ("best fit with frame", True)):
        for lesion, mask in enumerate(masks):
            curve = fit_mask(mask, PLANE, frame=frame).to(torch.float32)
            records.append(record(method, lesion, curve, mask))
            say(method, lesion + 1, args.lesions)

    by_method = {
        name: [r for r in records if r["method"] == name]
        for name in dict.fromkeys(str(r["method"]) for r in records)
    }
    fast = [float(r["IoU"]) for r in by_method["fast"]]  # type: ignore[arg-type]
    write_results(
        args.out,
        f"Lesions {RATIO:g} times as long as wide",
        NOTES,
        {
            f"{args.lesions} planted lesions": [
                summary(name, own, fast, cost) for name, own in by_method.items()
            ]
        },
        {
            "lesions": args.lesions,
            "ratio": RATIO,
            "plane": [PLANE.rows, PLANE.columns, list(PLANE.pixel_spacing)],
            "paper_steps": args.paper_steps,
            "medcontour": mc.__version__,
            "seed": SEED,
            "seconds": round(time.perf_counter() - begun),
        },
        records,
    )


if __name__ == "__main__":
    main()
