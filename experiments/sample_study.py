"""The sample study: how far findings, evidence contours and Grad-CAM++ are from the nodules.

Tables of the findings as objects in the patient, and of the slices they were found on, against the
truth that the phantom was made of. Notes under the tables say how each row is made.

    python experiments/sample_study.py --out results/
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import torch
from localisation import (
    SEED,
    Map,
    Mask,
    added_path_length,
    boundary,
    centre,
    curve_of,
    dice,
    grad_cam,
    kept_stage,
    peak,
    pixels_inside,
    run_record,
    say,
    write_results,
)
from volumes import finding_rows, in_words

import medcontour as mc
from medcontour.classifier import Classifier, target_index
from medcontour.pipeline.planes import plane_batches, plane_geometry
from medcontour.results import FindingSlice
from medcontour.scan import Scan

SAMPLE = Path(__file__).resolve().parents[1] / "sample_data"
FIGURES = ("Dice", "distance mm", "APL mm")
NOTES = (
    "Findings: what `mc.suggest` gives with its defaults and a label map would hold. Every nodule "
    "against the finding that fits it best, Dice 0 where none meets it; then the findings that are "
    "no nodule's. Volume: of the outlines; truth: of its voxels. Distance: between the middles in "
    "the patient. APL and boundary: summed over the slices.",
    "Slices: every slice with a nodule that a contour was looked for on, whatever its status; not "
    "those that a finding's outline goes on to. Evidence and outline are compared with the nodule "
    "nearest to the evidence, Grad-CAM++ with the one nearest to its peak: counts may differ.",
    "Distance: between the middles of the pixels inside. APL: added path length, the pixels of "
    "the truth's boundary that are not on the suggestion's (Vaassen et al. 2020), times the "
    "side of a square as large as a pixel; the truth's whole boundary is given beside it.",
    "No outline counts as Dice 0 and the whole boundary to be drawn, and has no distance.",
    "Grad-CAM++ (MONAI, one slice at a time) is thresholded at the level with the best mean Dice "
    "on these very slices, and of the last two stages the one better at that is kept.",
    "A nodule's evidence counts as there when the contour's middle lies in the nodule or no "
    "farther from it than the contour's own radius (of the circle of its area).",
)

Labels = npt.NDArray[np.int64]
Spacing = tuple[float, float]


@dataclass(frozen=True)
class Case:
    """What was found on a slice that holds a nodule, with the label of the nodule nearest to it."""

    part: FindingSlice
    evidence: Mask
    outline: Mask | None
    middle: tuple[float, float]
    labels: Labels
    label: int
    maps: dict[str, Map]

    @property
    def truth(self) -> Mask:
        """The nodule nearest to the evidence."""
        return self.labels == self.label


def read_truth(path: Path, scan: Scan) -> Labels:
    """(slices, rows, columns) label of each voxel, 0 for none."""
    image = nib.load(path)
    if scan.grid is None or not np.allclose(image.affine, scan.grid.affine_ras, atol=1e-3):
        raise SystemExit(f"{path} does not lie on the grid of the study.")
    return np.asarray(scan.grid.to_scan(np.asarray(image.dataobj)), dtype=np.int64)


def look_at(part: FindingSlice, labels: Labels, scan: Scan, classifier: Classifier) -> Case:
    """Gather what is compared on one slice; `labels` (rows, columns) holds a nodule."""
    plane = plane_geometry(scan)
    evidence = curve_of(part.evidence_contours[0])
    inside = pixels_inside(evidence, plane)
    middle = centre(inside, evidence, plane)
    outlines = [pixels_inside(curve_of(outline), plane) for outline in part.outlines]
    batch = next(plane_batches(scan, classifier, [part.slice], 1))
    target = target_index(classifier)
    return Case(
        part=part,
        evidence=inside,
        outline=outlines[0] if outlines else None,
        middle=middle,
        labels=labels,
        label=nearest(middle, labels, scan.pixel_spacing),
        maps=grad_cam(classifier.network, batch, target, (scan.rows, scan.columns)),
    )


def gap_mm(place: tuple[float, float], mask: Mask, spacing: Spacing) -> float:
    """Millimetres from (row, column) to the nearest pixel of the mask, 0 within that pixel."""
    away = np.maximum(np.abs(np.argwhere(mask) - place) - 0.5, 0) * spacing
    return float(np.linalg.norm(away, axis=1).min())


def nearest(place: tuple[float, float], labels: Labels, spacing: Spacing) -> int:
    """Label of the nodule of a slice that is nearest to (row, column)."""
    present = [int(label) for label in np.unique(labels[labels > 0])]
    return min(present, key=lambda label: gap_mm(place, labels == label, spacing))


def figures(suggested: Mask | None, truth: Mask, spacing: Spacing) -> dict[str, Any]:
    """`FIGURES` of one suggestion, None for what it does not have."""
    mask = np.zeros_like(truth) if suggested is None else suggested
    distance = None
    if mask.any():
        away = np.argwhere(mask).mean(0) - np.argwhere(truth).mean(0)
        distance = float(np.linalg.norm(away * spacing))
    values = (dice(mask, truth), distance, added_path_length(truth, mask, spacing))
    return dict(zip(FIGURES, values, strict=True))


def compare(
    cases: list[Case], touching: set[int], spacing: Spacing
) -> tuple[list[dict[str, Any]], str]:
    """Records of every method on every slice, and what the stages of Grad-CAM++ reached."""
    aims = {
        layer: [nearest(peak(case.maps[layer]), case.labels, spacing) for case in cases]
        for layer in cases[0].maps
    }
    truths = {
        layer: [case.labels == aim for case, aim in zip(cases, own, strict=True)]
        for layer, own in aims.items()
    }
    layer, level, tried = kept_stage([case.maps for case in cases], truths)
    records = []
    for case, aim in zip(cases, aims[layer], strict=True):
        for method, label, mask in (
            ("evidence contour", case.label, case.evidence),
            ("outline", case.label, case.outline),
            (f"Grad-CAM++ ({layer}, level {level:.2f})", aim, case.maps[layer] >= level),
        ):
            truth = case.labels == label
            records.append(
                {
                    "slice": case.part.slice,
                    "nodule": label,
                    "touches vessel": label in touching,
                    "status": case.part.status,
                    "method": method,
                    **figures(mask, truth, spacing),
                    "boundary mm": float(boundary(truth).sum() * np.sqrt(np.prod(spacing))),
                }
            )
    return records, tried


def summary(group: str, method: str, records: list[dict[str, Any]]) -> dict[str, Any]:
    """One row of a method."""
    row: dict[str, Any] = {"nodules": group, "": method, "n": len(records)}
    for figure in FIGURES:
        values = [record[figure] for record in records if record[figure] is not None]
        row[f"{figure}, mean"] = float(np.mean(values)) if values else None
        row[f"{figure}, median"] = float(np.median(values)) if values else None
    row["boundary mm, mean"] = float(np.mean([record["boundary mm"] for record in records]))
    row["none found"] = sum(record["distance mm"] is None for record in records)
    return row


def nodule_row(
    nodule: int, touches: bool, labels: Labels, positive: int, cases: list[Case], spacing: Spacing
) -> dict[str, Any]:
    """One row; `cases` are those nearest to this nodule."""
    there = [
        case
        for case in cases
        if gap_mm(case.middle, case.truth, spacing)
        <= np.sqrt(case.part.evidence_contours[0].area_mm2 / np.pi)
    ]
    good = [c for c in cases if c.outline is not None and dice(c.outline, c.truth) > 0.5]
    return {
        "nodule": nodule,
        "touches a vessel": "yes" if touches else "no",
        "slices": int((labels == nodule).any((1, 2)).sum()),
        "called positive": positive,
        "nearest to the evidence": len(cases),
        "evidence there": len(there),
        "outline with Dice > 0.5": len(good),
    }


def table_rows(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Slices: every method on all nodules, on the free ones, on those at a vessel."""
    groups = {
        "all": records,
        "free": [record for record in records if not record["touches vessel"]],
        "touching a vessel": [record for record in records if record["touches vessel"]],
    }
    return [
        summary(name, method, own)
        for name, group in groups.items()
        for method in dict.fromkeys(record["method"] for record in records)
        if (own := [record for record in group if record["method"] == method])
    ]


def nodule_rows(
    labels: Labels, positive: list[Labels], cases: list[Case], touching: set[int], spacing: Spacing
) -> list[dict[str, Any]]:
    """A row a nodule of `labels`; `positive` are the labels of each slice called positive."""
    return [
        nodule_row(
            nodule,
            nodule in touching,
            labels,
            sum(nodule in own for own in positive),
            [case for case in cases if case.label == nodule],
            spacing,
        )
        for nodule in np.unique(labels).tolist()
        if nodule
    ]


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--study", type=Path, default=SAMPLE / "ct_study")
    parser.add_argument(
        "--truth",
        type=Path,
        default=SAMPLE / "truth" / "nodules.nii.gz",
        help="label map on the study's grid; nodules.json beside it says which touch a vessel",
    )
    parser.add_argument("--classifier", type=Path, default=SAMPLE / "nodule_classifier")
    parser.add_argument("--slices", help="A:B, look at these slices only")
    return parser.parse_args()


def main() -> None:
    """Make the tables."""
    args = options()
    torch.set_num_threads(1)
    begun = time.perf_counter()
    scan = mc.read_scan(args.study)
    classifier = mc.load_classifier(args.classifier)
    labels = read_truth(args.truth, scan)
    described = json.loads(args.truth.with_name("nodules.json").read_text(encoding="utf-8"))
    touching = {n["label"] for n in described["nodules"] if n["touches_vessel"]}
    slices = slice(*(int(end) for end in args.slices.split(":"))) if args.slices else slice(None)
    labels[np.setdiff1d(np.arange(scan.slices), np.arange(scan.slices)[slices])] = 0
    suggestion = mc.suggest(scan, classifier, slices=args.slices, seed=SEED, progress=say)
    findings = suggestion.for_export().findings
    objects = finding_rows(findings, labels, scan)
    searched = [part for part in suggestion.slices if part.evidence_contours]
    cases = [
        look_at(part, labels[part.slice], scan, classifier)
        for part in searched
        if labels[part.slice].any()
    ]
    if not cases:
        raise SystemExit("Nothing was found on a slice that holds a nodule: no table.")
    records, tried = compare(cases, touching, scan.pixel_spacing)
    positive = [labels[k] for k in {part.slice for part in searched}]
    states = [case.part.status for case in cases]
    counted = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    found = (
        f"{len(labels[slices])} slices looked at, a contour looked for on {len(searched)}, "
        f"{len(searched) - len(cases)} of them with no nodule. Status of the others: {counted}."
    )
    write_results(
        args.out,
        "The sample study",
        (*NOTES, in_words(objects, findings, labels, scan), found, tried),
        {
            "Findings": objects,
            "Slices with a nodule": table_rows(records),
            "Nodules (counts of slices)": nodule_rows(
                labels, positive, cases, touching, scan.pixel_spacing
            ),
        },
        {
            "slices": args.slices,
            "seed": SEED,
            **run_record(classifier, begun),
        },
        records,
    )


if __name__ == "__main__":
    main()
