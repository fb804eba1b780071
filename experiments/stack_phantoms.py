"""Outlines of a stack chosen slice by slice and together, on thorax phantoms of known truth.

Every phantom is searched once; from the same evidence and the same boundaries, outlines are chosen
on each slice by itself and then for each object as a whole. Notes under the table say how each
row is made.

    python experiments/stack_phantoms.py --out results/ [--first 550000] [--phantoms 12]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from localisation import Mask, intervals, pixels_inside, run_record, say, write_results
from volumes import best_fit, object_figures, slice_fit

import medcontour as mc
from medcontour.classifier import Classifier, target_index
from medcontour.contour import PlaneShape
from medcontour.pipeline.explainer import Explainer
from medcontour.pipeline.found import POSITIVE
from medcontour.pipeline.link import Extent, link
from medcontour.pipeline.placing import polygon_lps
from medcontour.pipeline.planes import plane_batches, plane_geometry
from medcontour.pipeline.settings import Settings
from medcontour.pipeline.stack import outline_stack
from medcontour.pipeline.stack_images import StackImages
from medcontour.pipeline.stack_parts import Traced
from medcontour.scan import Scan

SAMPLE = Path(__file__).resolve().parents[1] / "sample_data"
sys.path.insert(0, str(SAMPLE))

from phantom import Grid, thorax  # noqa: E402

TUNED_ON = range(540000, 540024)
"""Seeds that the constants of `Continuity`, `Agreement` and `Carrying` were chosen on.

On the first five of them alone, but for `Agreement.grown`: with 0.5, 1 and 1.5 the 88 nodules of
all of them have a mean Dice of 0.765, 0.799 and 0.798, and 9, 2 and 1 outlines run out.
"""

FLOOD = 3.0
NOTES = (
    "The default settings; contours that collapsed are left out. Before: each slice's own best "
    "boundary, slices linked into objects; after: boundaries chosen together, slices taken in.",
    "Object: every nodule that has a slice called positive, against the linked object that fits it "
    "best; none counts as Dice 0. Slice: every outline against the nodule of its slice that it "
    "fits best, no outline on a positive slice with a nodule counts as 0.",
    f"Flood: an outline more than {FLOOD:g} times as large as that nodule on that slice. "
    "Beside: one on a slice where it meets no nodule.",
    "Distance: between the middles, of the objects that were found. APL: added path length, the "
    "pixels of the truth's boundary that are not on the outlines', over all slices, in mm.",
    "Means with 95 % bootstrap intervals over nodules or slices.",
)
FIGURES = ("Dice", "size ratio", "distance mm", "APL mm", "boundary mm")
Labels = npt.NDArray[np.uint8]
Placed = tuple[int, PlaneShape]


@dataclass(frozen=True)
class Phantom:
    """One phantom, and the outlines on it as objects: each slice by itself, and together."""

    seed: int
    labels: Labels
    scan: Scan
    scores: dict[int, float]
    before: list[list[Placed]]
    after: list[list[Placed]]
    evaluations: list[float]


def as_scan(ct: npt.NDArray[np.int16], grid: Grid) -> Scan:
    """Make the scan that the volume would be read as."""
    height, row, column = grid.spacing
    affine = np.diag([column, row, height, 1.0])
    affine[:3, 3] = grid.origin
    origins = affine[:3, 3] + np.arange(len(ct))[:, None] * affine[:3, 2]
    values = ct.astype(np.float32)
    return Scan(values, affine, origins, "mm", "CT", "phantom", (-1000.0, 400.0))


def objects(scan: Scan, outlines: Sequence[Placed]) -> list[list[Placed]]:
    """Outlines linked into objects."""
    extents = [Extent(k, polygon_lps(curve, scan, k)) for k, curve in outlines]
    return [[outlines[n] for n in group] for group in link(extents, scan)]


def look_at(seed: int, nodules: int, classifier: Classifier) -> Phantom:
    """Search one phantom, and choose its outlines both ways."""
    made = thorax(seed, Grid(), nodules)
    scan = as_scan(made.ct, made.grid)
    explainer = Explainer(scan, classifier, target_index(classifier), Settings())
    scores: dict[int, float] = {}
    for batch in plane_batches(scan, classifier, range(scan.slices), 8):
        with torch.no_grad():
            odds = classifier.score(batch.inputs)[:, explainer.target]
        scores.update(zip(batch.slices, odds.sigmoid().tolist(), strict=True))
    positive = [k for k, score in scores.items() if score > POSITIVE]
    traced: list[Traced] = []
    for batch in plane_batches(scan, classifier, positive, 8):
        for explained in explainer.explain(batch, scores, lambda *_: None):
            traced += explained.traced
    best = [(one.slice, own.contour) for one in traced if (own := one.offer.best) is not None]
    found = outline_stack(traced, scan, scores, StackImages(explainer))
    together = [(c.slice, c.outline.contour) for c in found.contours if c.outline is not None]
    return Phantom(
        seed=seed,
        labels=made.labels,
        scan=scan,
        scores=scores,
        before=objects(scan, best),
        after=objects(scan, together),
        evaluations=[contour.evaluations for contour in found.contours[: len(traced)]],
    )


def mask_of(phantom: Phantom, outlines: Sequence[Placed]) -> Mask:
    """(slices, rows, columns): what some outlines enclose."""
    mask = np.zeros(phantom.labels.shape, dtype=bool)
    for k, curve in outlines:
        mask[k] |= pixels_inside(curve, plane_geometry(phantom.scan))
    return mask


def per_object(phantom: Phantom, found: list[list[Placed]], chosen: str) -> list[dict[str, Any]]:
    """Records of every nodule that the classifier calls on some slice."""
    masks = [mask_of(phantom, outlines) for outlines in found]
    records = []
    for nodule in np.unique(phantom.labels[phantom.labels > 0]).tolist():
        truth = phantom.labels == nodule
        if all(phantom.scores[int(k)] <= POSITIVE for k in np.flatnonzero(truth.any((1, 2)))):
            continue
        fit = best_fit(masks, truth)
        best = np.zeros_like(truth) if fit is None else masks[fit]
        figures = object_figures(best, truth, phantom.scan)
        figures["size ratio"] = float(best.sum() / truth.sum())
        records.append(record("object", chosen, phantom, nodule, figures))
    return records


def per_slice(phantom: Phantom, found: list[list[Placed]], chosen: str) -> list[dict[str, Any]]:
    """Records of every outline, and of every positive slice with a nodule that has none."""
    records = []
    outlines = [placed for own in found for placed in own]
    for k, curve in outlines:
        mask = pixels_inside(curve, plane_geometry(phantom.scan))
        value, ratio = slice_fit(mask, phantom.labels[k]) or (None, None)
        records.append(record("slice", chosen, phantom, k, {"Dice": value, "size ratio": ratio}))
    for k in sorted(set(phantom.scores) - {k for k, _ in outlines}):
        if phantom.scores[k] > POSITIVE and phantom.labels[k].any():
            records.append(record("slice", chosen, phantom, k, {"Dice": 0.0, "size ratio": 0.0}))
    return records


def record(
    of: str, chosen: str, phantom: Phantom, which: int, figures: dict[str, Any]
) -> dict[str, Any]:
    """One row of what the tables are made of; None where an outline meets no nodule."""
    row = {"of": of, "chosen": chosen, "seed": phantom.seed, "which": which}
    return {**row, **dict.fromkeys(FIGURES), **figures}


def summary(records: list[dict[str, Any]], of: str) -> list[dict[str, Any]]:
    """One row before, one after."""
    rows = []
    for chosen in ("before", "after"):
        own = [r for r in records if r["of"] == of and r["chosen"] == chosen]
        met = [r for r in own if r["Dice"] is not None]
        values = [r["Dice"] for r in met]
        row: dict[str, Any] = {
            "chosen": chosen,
            "n": len(met),
            "Dice": (float(np.mean(values)), intervals(values)),
            "Dice under 0.7": sum(value < 0.7 for value in values),
        }
        if of == "object":
            row["volume within 15 %"] = sum(abs(r["size ratio"] - 1) <= 0.15 for r in met)
            for figure in FIGURES[2:]:
                known = [r[figure] for r in met if r[figure] is not None]
                row[figure] = (float(np.mean(known)), intervals(known)) if known else None
        else:
            row["floods"] = sum(r["size ratio"] > FLOOD for r in met)
            row["beside"] = len(own) - len(met)
        rows.append(row)
    return rows


def changes(records: list[dict[str, Any]]) -> str:
    """What choosing together changed for better and worse."""
    own = [r for r in records if r["of"] == "object"]
    before, after = (
        np.array([r["Dice"] for r in own if r["chosen"] == chosen])
        for chosen in ("before", "after")
    )
    low, high = intervals(after - before)
    return (
        f"Of {len(before)} nodules {int((after > before + 0.02).sum())} are better by more than "
        f"0.02 Dice and {int((after < before - 0.02).sum())} worse; the mean change is "
        f"{(after - before).mean():.3f} ({low:.3f} to {high:.3f})."
    )


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--first", type=int, default=550000, help="seed of the first phantom")
    parser.add_argument("--phantoms", type=int, default=12)
    parser.add_argument("--nodules", type=int, default=4, help="in each phantom")
    parser.add_argument("--classifier", type=Path, default=SAMPLE / "nodule_classifier")
    return parser.parse_args()


def main() -> None:
    """Make the table."""
    args = options()
    torch.set_num_threads(1)
    begun = time.perf_counter()
    classifier = mc.load_classifier(args.classifier)
    records: list[dict[str, Any]] = []
    evaluations: list[float] = []
    for number in range(args.phantoms):
        phantom = look_at(args.first + number, args.nodules, classifier)
        for chosen, found in (("before", phantom.before), ("after", phantom.after)):
            records += per_object(phantom, found, chosen) + per_slice(phantom, found, chosen)
        evaluations += phantom.evaluations
        say("phantom", number + 1, args.phantoms)
    cost = f"Choosing together cost {np.mean(evaluations):.2f} evaluations a contour on average."
    write_results(
        args.out,
        "Outlines chosen together",
        (*NOTES, changes(records), cost),
        {"Objects": summary(records, "object"), "Slices": summary(records, "slice")},
        {
            "seeds": [args.first, args.first + args.phantoms - 1],
            **run_record(classifier, begun),
        },
        records,
    )


if __name__ == "__main__":
    main()
