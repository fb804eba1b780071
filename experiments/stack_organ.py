"""An organ on a real CT: findings on another person's DICOM stack, against its label map.

DATA is the folder of shared data. From the axial slices of one person's CT
(``ct_mr_nifti/totalseg``) windows are cut, with and without the organ, beside each other on the
same slices, so that neither height nor what else a slice shows gives the organ away; each lies on
a field of air of the other scan's width. A small network learns from these which holds the organ,
never where. ``medcontour suggest`` then runs with its default settings on
``dicom/siemens_ct_totalseg``, another scanner's CT, of which nothing was learned or chosen.

    python experiments/stack_organ.py --data DATA --out results/ [--organ spleen]

A network that is there (``OUT/network``) is not trained anew. The label maps are a network's
(TotalSegmentator), not a person's.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from localisation import run_record, say, write_results
from presence_network import make, write_labels
from stack_heads import figures, picture
from volumes import finding_rows, in_words

import medcontour as mc

FIELD = 167
"""Voxels of 3 mm along a side of a picture: 500 mm, as the other scan has."""
WINDOW = (-160.0, 240.0)
SIDES = (20, 30, 45, 101)
"""Voxels along a side of the windows that are cut, the last the whole height of a slice."""
WINDOWS = 12
"""Drawn from each slice for each size."""
LEAST = 60
"""Voxels of the organ that make a window one with it; with fewer, but any, it is left out."""
BLOCK = 6
"""Slices that follow each other go to one part."""
AIR = -1000
STEPS = 1500
NOTES = (
    "Dice in 3D against the label map that comes with the scan; finding volumes in mm3.",
    "The network's own figures are in network/docs/auc.json, by blocks of slices of one person.",
)
Values = npt.NDArray[np.int16]


def windows(values: Values, organ: npt.NDArray[np.bool_]) -> Iterator[tuple[int, Values]]:
    """(label, picture) of the windows of one slice; (x, y) values and where the organ is."""
    draw = np.random.default_rng(int(np.abs(values).sum()) % 2**32)
    for side in SIDES:
        for _ in range(WINDOWS):
            x, y = (int(draw.integers(0, extent - side + 1)) for extent in values.shape)
            inside = int(organ[x : x + side, y : y + side].sum())
            if 0 < inside < LEAST:
                continue
            field = np.full((FIELD, FIELD), AIR, dtype=np.int16)
            at, along = (int(draw.integers(0, FIELD - side + 1)) for _ in range(2))
            field[at : at + side, along : along + side] = values[x : x + side, y : y + side]
            yield int(inside > 0), field


def cut(data: Path, organ: str, out: Path) -> None:
    """Write the windows as `presence_network` reads them."""
    (out / "images").mkdir(parents=True, exist_ok=True)
    scan, labels = (
        nib.as_closest_canonical(nib.load(data / f"{name}.nii.gz"))
        for name in ("example_ct", "example_seg_fast_force_split")
    )
    values = np.asarray(scan.dataobj).astype(np.int16)
    there = np.asarray(labels.dataobj).astype(int) == number_of(data, organ)
    rows = []
    for k in range(values.shape[2]):
        for n, (label, field) in enumerate(windows(values[..., k], there[..., k])):
            name = f"{k:03}_{n:02}.nii.gz"
            nib.save(nib.Nifti1Image(field, np.diag([3.0, 3.0, 3.0, 1.0])), out / "images" / name)
            rows.append({"file": name, "label": label, "group": f"block{k // BLOCK:03}"})
    write_labels(out, rows)
    print(f"{len(rows)} windows, {sum(int(row['label']) for row in rows)} with it", flush=True)


def number_of(data: Path, organ: str) -> int:
    """The label's number in the label maps."""
    names = json.loads((data / "labels_total_ct.json").read_text(encoding="utf-8"))
    return next(int(number) for number, name in names.items() if name == organ)


def main() -> None:
    """Make the table and the picture."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--organ", default="spleen", help="a name of labels_total_ct.json")
    parser.add_argument("--steps", type=int, default=STEPS, help="of the network's training")
    args = parser.parse_args()
    begun = time.perf_counter()
    slices, network = args.out / "slices", args.out / "network"
    totalseg = args.data / "ct_mr_nifti" / "totalseg"
    if not (network / "docs" / "split.csv").is_file():
        cut(totalseg, args.organ, slices)
        make(slices, network, args.organ, steps=args.steps, window=WINDOW)
    classifier = mc.load_classifier(network)
    folder = args.data / "dicom" / "siemens_ct_totalseg"
    scan = mc.read_scan(folder / "example_ct_dicom")
    drawn = mc.read_scan(folder / "example_seg_dicom.nii.gz")
    labels = on_grid_of(scan, drawn) == number_of(totalseg, args.organ)
    suggestion = mc.suggest(scan, classifier, progress=say)
    suggestion.save(args.out / "suggestion", ["report"])
    findings = suggestion.for_export().findings
    rows = finding_rows(findings, labels.astype(np.uint8), scan)
    found = np.any([np.zeros_like(labels), *(finding.mask(scan) for finding in findings)], axis=0)
    picture(scan, found, labels, args.out / "slices.png")
    whole = figures(findings, labels, scan)
    write_results(
        args.out,
        f"{args.organ.capitalize()} on a CT",
        (*NOTES, in_words(rows, findings, labels.astype(np.uint8), scan)),
        {"Findings": rows, "Whole": [{"called": len(suggestion.slices), **whole}]},
        run_record(classifier, begun),
        rows,
    )


def on_grid_of(scan: mc.Scan, other: mc.Scan) -> npt.NDArray[np.int16]:
    """(slices, rows, columns) `other`'s values on the grid of `scan`, by the places of voxels."""
    index = np.stack(np.meshgrid(*map(np.arange, scan.voxels.shape), indexing="ij"), -1)
    k, rows, columns = np.moveaxis(index.reshape(-1, 3), -1, 0)
    places = scan.affine_lps @ np.stack([columns, rows, k, np.ones_like(k)])
    at = np.rint(np.linalg.inv(other.affine_lps) @ places)[:3].astype(int)
    values = other.voxels[at[2], at[1], at[0]]
    return values.reshape(scan.voxels.shape).astype(np.int16)


if __name__ == "__main__":
    main()
