"""How often evidence is a thin piece, and what it would take to have none: one row a variant.

The folder and the network are those of `judged_outlines.py`. Every image of one part that shows
the finding and that the network calls is searched with each variant of the preset ``fast``.

    python experiments/slivers.py --data busi --classifier sample_data/breast_us_classifier\
 --part tune --out results/
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from judged_outlines import truth_of
from localisation import Mask, dice, intervals, pixels_inside, run_record, say, write_results
from presence_network import shown_by_part
from scipy import ndimage
from skimage.measure import regionprops

import medcontour as mc
from medcontour.classifier import Classifier, target_index
from medcontour.contour import FourierContour
from medcontour.explain.perturbation import SHARP
from medcontour.explain.search.optimise import optimise
from medcontour.explain.search.preset import PRESETS, Preset
from medcontour.pipeline.explainer import Explainer
from medcontour.pipeline.found import POSITIVE
from medcontour.pipeline.planes import plane_batches, plane_geometry
from medcontour.pipeline.settings import Settings

WIDTH = 3
"""Pixels of the network's input: what is narrower is thin."""
THIN = 0.5
"""Share of a contour that is thin, from which it is a sliver."""
LONG = 4.0
"""Ratio of a contour's axes, from which it is a sliver."""
FAST = PRESETS["fast"]
VARIANTS: dict[str, Preset] = {
    "fast": FAST,
    "thorough": PRESETS["thorough"],
    "smoother": replace(FAST, spectral_weight=4 * FAST.spectral_weight),
}
NOTES = (
    f"Thin: the mean share of a contour that no square of {WIDTH} pixels of the network's input "
    f"inside it covers. Sliver: a share of {THIN:g} or more, or axes (of the ellipse with its "
    f"second moments) whose ratio is {LONG:g} or more.",
    "Objective: of Eq. 5 under the hard mask; lower is better. Level: within 0.02 of the first "
    "row's, or under it. Pointing: the middle of the contour lies in the truth. Mass: the share of "
    "the contour that does.",
    "Means with 95 % bootstrap intervals over images (the same draws for every row).",
)


def shape_figures(curve: FourierContour, points: torch.Tensor) -> dict[str, float]:
    """What its pixels on the network's input say of one curve's shape."""
    inside: Mask = curve.mask(points, SHARP)[0].numpy() > 0.5
    if not inside.any():
        return {"thin": 1.0, "aspect": float("inf")}
    opened = ndimage.binary_opening(inside, np.ones((WIDTH, WIDTH)))
    [region] = regionprops(inside.astype(np.uint8))
    shorter = max(region.axis_minor_length, 1e-6)
    return {
        "thin": float(1 - opened.sum() / inside.sum()),
        "aspect": region.axis_major_length / shorter,
    }


def look_at(data: Path, row: dict[str, str], classifier: Classifier) -> list[dict[str, Any]]:
    """Search one image with every variant; nothing where the network does not call it."""
    scan = mc.read_scan(data / "images" / row["file"])
    explainer = Explainer(scan, classifier, target_index(classifier), Settings())
    batch = next(plane_batches(scan, classifier, [0], 1))
    with torch.no_grad():
        score = float(classifier.score(batch.inputs)[0, explainer.target].sigmoid())
    if score <= POSITIVE:
        return []
    truth, plane = truth_of(data, row["file"]), plane_geometry(scan)
    perturbation, of_target, *_ = explainer.problem(batch)
    records = []
    for name, preset in VARIANTS.items():
        fit = optimise(perturbation, of_target, preset)
        loss = fit.deleted - fit.preserved + FAST.area_weight * fit.area_fraction
        mask = pixels_inside(fit.contours, plane)
        middle = ndimage.center_of_mass(mask) if mask.any() else (0, 0)
        records.append(
            {
                "file": row["file"],
                "label": row["label"],
                "variant": name,
                "objective": float(loss),
                "evaluations": float(fit.evaluations),
                **shape_figures(fit.contours, batch.points),
                "pointing": bool(truth[tuple(np.round(middle).astype(int))]),
                "mass": float(truth[mask].mean()) if mask.any() else 0.0,
                "Dice": dice(mask, truth),
                "size": float(mask.sum() / truth.sum()),
            }
        )
    return records


def summary(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a variant."""
    first = {r["file"]: r["objective"] for r in records if r["variant"] == next(iter(VARIANTS))}
    rows = []
    for name in VARIANTS:
        own = [r for r in records if r["variant"] == name]
        slivers = [r["thin"] >= THIN or r["aspect"] >= LONG for r in own]
        change = [r["objective"] - first[r["file"]] for r in own]
        row: dict[str, Any] = {"variant": name, "n": len(own), "slivers": sum(slivers)}
        row["level"] = float(np.mean([c <= 0.02 for c in change]))
        row["objective"] = (
            float(np.mean([r["objective"] for r in own])),
            intervals([r["objective"] for r in own]),
        )
        row["change"] = (float(np.mean(change)), intervals(change))
        for figure in ("thin", "pointing", "mass", "Dice", "evaluations"):
            values = [float(r[figure]) for r in own]
            row[figure] = (float(np.mean(values)), intervals(values))
        rows.append(row)
    return rows


def main() -> None:
    """Make the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--classifier", type=Path, required=True)
    parser.add_argument("--part", required=True)
    parser.add_argument("--most", type=int, help="so many images at most")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    begun = time.perf_counter()
    classifier = mc.load_classifier(args.classifier)
    rows = shown_by_part(args.data, args.classifier)[args.part]
    rows = [rows[k] for k in np.random.default_rng(0).permutation(len(rows))][: args.most]
    records: list[dict[str, Any]] = []
    for done, row in enumerate(rows, start=1):
        records += look_at(args.data, row, classifier)
        say("Images", done, len(rows))
    write_results(
        args.out,
        "Slivers",
        NOTES,
        {"All": summary(records)},
        {"data": args.data.name, "part": args.part, **run_record(classifier, begun)},
        records,
    )


if __name__ == "__main__":
    main()
