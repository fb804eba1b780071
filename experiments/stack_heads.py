"""Findings on real stacks: tumours in FLAIR half heads, against volumes drawn by readers.

DATA is ``lgg3d_halfhead``. A small network learns from slices with and without a tumour whether
there is one, never where, on the patients of one part; ``medcontour suggest`` runs with its default
settings on the half heads with a tumour of the others, and what it exports is held against the
masks. The scans' affine is nominal, so that nothing is said in millimetres.

    python experiments/stack_heads.py --data lgg3d_halfhead --out results/ [--pictures]

A network that is there (``OUT/network``) is not trained anew. Pictures and weights are of data
that may not be shown: they stay where they are written.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from localisation import Mask, boundary, dice, intervals, run_record, say, write_results
from PIL import Image
from presence_network import make, rows_of, write_labels
from volumes import best_fit, slice_fit

import medcontour as mc
from medcontour.results import Finding
from medcontour.results.masks import pixel_mask
from medcontour.scan import Scan

LEAST = 12
"""Voxels of a tumour that make a slice one with it; with fewer, but any, it is left out."""
FLOOD = 3.0
WIDE = 1100
"""Pixels of a picture's row, before it is doubled."""
STEPS = 900
NOTES = (
    "One row a half head with a tumour, of patients that took no part in training. Dice over the "
    "volume: of everything exported, and of the one finding that fits best (0 where none meets "
    "it). Ratio: exported voxels over the tumour's.",
    f"Flood: an exported outline over {FLOOD:g} times as large as the tumour on its slice. "
    "Beside: one that meets none.",
    "Means with 95 % bootstrap intervals over half heads.",
)


def stack(path: Path) -> npt.NDArray[np.uint8]:
    """(x, y, z) values."""
    return np.asarray(nib.load(path).dataobj, dtype=np.uint8)


def cut(data: Path, out: Path) -> None:
    """Write the stacks' slices as `presence_network` reads them, grouped by patient."""
    (out / "images").mkdir(parents=True, exist_ok=True)
    rows = []
    for row in rows_of(data):
        values = stack(data / "images" / row["file"])
        drawn = data / "masks" / row["file"]
        mask = stack(drawn) > 0 if drawn.exists() else np.zeros(values.shape, dtype=bool)
        for k in range(values.shape[2]):
            size = int(mask[..., k].sum())
            if size == 0 or size >= LEAST:
                name = f"{row['file'].split('.')[0]}_{k:02}.png"
                # Columns along x and rows along y, as a slice of the scan has them.
                Image.fromarray(values[..., k].T).save(out / "images" / name)
                rows.append({"file": name, "label": int(size > 0), "group": row["group"]})
    write_labels(out, rows)


def held_out(data: Path, slices: Path) -> list[str]:
    """Half heads with a tumour of patients that the network did not learn from."""
    part = {row["group"]: row["part"] for row in rows_of(slices)}
    return [
        row["file"]
        for row in rows_of(data)
        if row["label"] == "1" and part[row["group"]] != "train"
    ]


def figures(findings: tuple[Finding, ...], truth: Mask, scan: Scan) -> dict[str, Any]:
    """What was found in one half head, against its tumour; (slices, rows, columns) bool."""
    volumes = [finding.mask(scan) for finding in findings]
    every = np.any([np.zeros_like(truth), *volumes], axis=0)
    best = best_fit(volumes, truth)
    fits = [
        slice_fit(pixel_mask(outline.polygon_lps_mm, scan, outline.slice), truth[outline.slice])
        for finding in findings
        for outline in finding.outlines
    ]
    return {
        "findings": len(findings),
        "slices": len({part.slice for finding in findings for part in finding.slices}),
        "of": int(truth.any((1, 2)).sum()),
        "Dice of all": dice(every, truth),
        "Dice of the best": 0.0 if best is None else dice(volumes[best], truth),
        "ratio": float(every.sum() / truth.sum()),
        "outlines": len(fits),
        "floods": sum(fit is not None and fit[1] > FLOOD for fit in fits),
        "beside": fits.count(None),
    }


def picture(scan: Scan, found: Mask, truth: Mask, path: Path) -> None:
    """Every slice with an outline (orange) or a tumour (blue)."""
    panels = []
    for k in np.flatnonzero((found | truth).any((1, 2))).tolist():
        bright = np.percentile(scan.voxels[k], 99.5)
        values = np.clip(scan.voxels[k] / max(bright, 1.0), 0, 1) * 255
        grey = np.repeat(values[..., None].astype(np.uint8), 3, axis=2)
        for mask, colour in ((truth, (86, 180, 233)), (found, (230, 159, 0))):
            grey[boundary(mask[k])] = colour
        panels.append(np.pad(grey, ((1, 1), (1, 1), (0, 0))))
    if not panels:
        return
    per_row = max(1, WIDE // panels[0].shape[1])
    panels += [np.zeros_like(panels[0])] * (-len(panels) % min(per_row, len(panels)))
    lines = [
        np.concatenate(panels[n : n + per_row], axis=1) for n in range(0, len(panels), per_row)
    ]
    whole = Image.fromarray(np.concatenate(lines))
    whole.resize((2 * whole.width, 2 * whole.height), Image.Resampling.LANCZOS).save(path)


def main() -> None:
    """Make the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=STEPS, help="of the network's training")
    parser.add_argument("--pictures", action="store_true", help="write what was found, to look at")
    args = parser.parse_args()
    begun = time.perf_counter()
    slices, network = args.out / "slices", args.out / "network"
    if not (network / "docs" / "split.csv").is_file():
        cut(args.data, slices)
        make(slices, network, "tumour", steps=args.steps)
    classifier = mc.load_classifier(network)
    records = []
    names = held_out(args.data, slices)
    for done, name in enumerate(names):
        say("Half heads", done, len(names))
        scan = mc.read_scan(args.data / "images" / name)
        # The masks are on the image's grid: slices, rows, columns are z, y, x there.
        truth = mc.read_scan(args.data / "masks" / name).voxels > 0
        suggestion = mc.suggest(scan, classifier)
        findings = suggestion.for_export().findings
        called = len({part.slice for part in suggestion.slices})
        records.append({"case": done, "called": called, **figures(findings, truth, scan)})
        if args.pictures:
            found = np.any([np.zeros_like(truth), *(f.mask(scan) for f in findings)], axis=0)
            picture(scan, found, truth, args.out / f"case_{done:02}.png")
    say("Half heads", len(names), len(names))
    means = {
        figure: (float(np.mean(values)), intervals(values))
        for figure in ("Dice of all", "Dice of the best", "ratio")
        if (values := [record[figure] for record in records])
    }
    write_results(
        args.out,
        "Tumours in half heads",
        NOTES,
        {"Means": [{"n": len(records), **means}], "Half heads": records},
        {"steps": args.steps, **run_record(classifier, begun)},
        records,
    )


if __name__ == "__main__":
    main()
