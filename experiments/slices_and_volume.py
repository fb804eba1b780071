"""Slice by slice against the whole volume: two classifiers of one task explained on one phantom.

Thorax phantoms with one nodule each. The classifier of slices is explained slice by slice and its
contours joined into findings; the classifier of volumes by one closed surface and the outlines that
are followed from it. Notes under the table say how each row is made. The seeds are those of tuning
phantoms.

    python experiments/slices_and_volume.py --out results/ [--first 970000] [--phantoms 30]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from localisation import SEED, Mask, intervals, run_record, say, write_results
from volumes import best_fit, middle_lps, object_figures, voxel_volume_mm3

import medcontour as mc
from medcontour.classifier import Classifier
from medcontour.results import Suggestion
from medcontour.scan import Scan

SAMPLE = Path(__file__).resolve().parents[1] / "sample_data"
sys.path.insert(0, str(SAMPLE))

from make_sample import affine_lps, save_nifti  # noqa: E402
from phantom import Grid, thorax  # noqa: E402

GRID = Grid((40, 160, 208), (5.0, 1.875, 1.75), -112.0)
BUNDLES = {"slice by slice": "nodule_classifier", "volume": "nodule_volume_classifier"}
NOTES = (
    "Phantoms on the sample study's grid, one nodule each, by `mc.suggest` with its defaults; only "
    "what a label map would hold counts.",
    "Seen: the classifier calls the stack, or any slice that the nodule lies on, positive. The "
    "figures are of the phantoms seen, against the finding that fits the nodule best: Dice 0 where "
    "none meets it, which then has no distance, no volume and a middle outside.",
    "Middle inside: the middle of the voxels inside the finding lies in the nodule. Distance: "
    "between the middles, in the patient. APL: added path length, the pixels of the nodule's "
    "boundary that are not on the finding's, summed over slices, in mm; the whole boundary beside.",
    "Evaluations: of a preserved and a deleted input, placement tests among them; those of the "
    "volume are of the whole stack, those of slices of one slice each. Seconds: a shared machine.",
    "Means with 95 % bootstrap intervals over phantoms.",
)


def drawn(seed: int) -> tuple[Scan, Mask]:
    """A phantom as it is read from a file, and its nodule on the scan's voxels."""
    made = thorax(seed, GRID, 1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "phantom.nii.gz"
        ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine_lps(made.grid)
        save_nifti(path, made.ct.transpose(2, 1, 0), ras)
        scan = mc.read_scan(path)
    assert scan.grid is not None
    return scan, np.asarray(scan.grid.to_scan(made.labels.transpose(2, 1, 0))) > 0


def middle_inside(found: Mask, truth: Mask, scan: Scan) -> float:
    """Whether the middle of what was found lies in the object: 1 or 0."""
    if not found.any():
        return 0.0
    index = np.linalg.inv(scan.affine_lps) @ [*middle_lps(found, scan), 1.0]
    column, row, number = np.round(index[:3]).astype(int)
    return float(truth[number, row, column])


def is_seen(suggestion: Suggestion, truth: Mask) -> bool:
    """Whether the classifier calls a slice of the object, or the stack, positive."""
    on = np.flatnonzero(truth.any((1, 2)))
    return any(suggestion.slice_scores.get(int(k), 0.0) > 0.5 for k in on)


def records(seed: int, name: str, classifier: Classifier) -> list[dict[str, Any]]:
    """Explain one phantom by one classifier; a record for each kind of curve that it gives."""
    scan, truth = drawn(seed)
    if not truth.any():
        return []
    begun = time.perf_counter()
    suggestion = mc.suggest(scan, classifier, seed=SEED)
    seconds = time.perf_counter() - begun
    kept = suggestion.for_export().findings
    cost = [finding.cost for finding in suggestion.findings]
    rows = []
    for kind in ("evidence", "outline"):
        volumes = [finding.mask(scan, kind) for finding in kept]
        fit = best_fit(volumes, truth)
        found = np.zeros_like(truth) if fit is None else volumes[fit]
        rows.append(
            {
                "seed": seed,
                "way": f"{name}, {kind}",
                "seen": is_seen(suggestion, truth),
                "middle inside": middle_inside(found, truth, scan),
                **object_figures(found, truth, scan),
                "volume / truth": voxel_volume_mm3(found, scan) / voxel_volume_mm3(truth, scan)
                if found.any()
                else None,
                "findings beside": len(kept) - (fit is not None),
                "evaluations": float(sum(cost)),
                "seconds": seconds,
            }
        )
    return rows


def row_of(way: str, own: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One row of the table."""
    seen = [record for record in own if record["seen"]]
    row: dict[str, Any] = {"": way, "phantoms": len(own), "seen": len(seen)}
    for figure in ("Dice", "middle inside"):
        values = [float(record[figure]) for record in seen]
        row[figure] = (float(np.mean(values)), intervals(values)) if values else None
    for figure in (
        *("distance mm", "volume / truth", "APL mm", "boundary mm"),
        *("findings beside", "evaluations", "seconds"),
    ):
        values = [record[figure] for record in seen if record[figure] is not None]
        row[figure] = float(np.mean(values)) if values else None
    return row


def main() -> None:
    """Make the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--first", type=int, default=970_000, help="seed of the first phantom")
    parser.add_argument("--phantoms", type=int, default=30)
    args = parser.parse_args()
    torch.set_num_threads(1)
    begun = time.perf_counter()
    classifiers = {name: mc.load_classifier(SAMPLE / path) for name, path in BUNDLES.items()}
    made: list[dict[str, Any]] = []
    for number in range(args.phantoms):
        for name, classifier in classifiers.items():
            made += records(args.first + number, name, classifier)
        say("phantoms", number + 1, args.phantoms)
    ways = dict.fromkeys(record["way"] for record in made)
    write_results(
        args.out,
        "Slice by slice and the whole volume",
        NOTES,
        {"Nodules": [row_of(way, [r for r in made if r["way"] == way]) for way in ways]},
        {
            "seeds": [args.first, args.first + args.phantoms],
            "seed": SEED,
            **{name: run_record(classifier, begun) for name, classifier in classifiers.items()},
        },
        made,
    )


if __name__ == "__main__":
    main()
