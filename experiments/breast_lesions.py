"""Breast ultrasound: how well evidence contours, outlines and Grad-CAM++ find the lesion.

Table of the lesion images of one part of BUSI that the classifier calls lesion, against masks
drawn by people. Notes under the table say how each row is made.

    python experiments/breast_lesions.py --data busi/ --out results/
"""

from __future__ import annotations

import argparse
import csv
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from localisation import (
    SEED,
    Map,
    Mask,
    centre,
    curve_of,
    dice,
    grad_cam,
    hits,
    intervals,
    kept_stage,
    peak,
    pixels_inside,
    relevance_mass,
    run_record,
    say,
    write_results,
)
from PIL import Image

import medcontour as mc
from medcontour.classifier import Classifier, target_index
from medcontour.contour import FourierContour, PlaneGeometry
from medcontour.explain import BACKGROUNDS, Perturbation, TargetObjective
from medcontour.explain.analysis.placement import placed_at_random
from medcontour.outline import outliner
from medcontour.pipeline.outlines import offer_outlines
from medcontour.pipeline.planes import InputBatch, plane_batches, plane_geometry
from medcontour.scan import Scan
from medcontour.shortcuts import body_mask

ROOT = Path(__file__).resolve().parents[1]
RANDOM_PLACES = 20
FIGURES = ("pointing game", "relevance mass", "Dice")
NOTES = (
    "Means over images with 95 % bootstrap intervals (the same draws for every row). An image "
    "without a contour counts as 0 in all three figures; 'none found' says how many.",
    "Pointing game: the middle of the contour's pixels, or the map's highest pixel, lies in the "
    "lesion. Relevance mass: share of the contour's pixels, or of the sum of the map (scaled to "
    "0..1), in it.",
    "Evidence contour and outline: `mc.suggest` with its defaults, whatever their status.",
    "Grad-CAM++ (MONAI, one image at a time) is thresholded at the level with the best mean Dice "
    "on these very images, and of the last two stages the one better at that is kept.",
    "The other outlines start from a circle as large as the evidence contour, at the map's peak "
    "or the image's center, with the same background and the polarity found at that circle.",
    f"Random: the evidence contour turned and moved to {RANDOM_PLACES} places in the image that "
    "overlap it by at most half, as in the placement test.",
)


@dataclass(frozen=True)
class Case:
    """One image that the classifier calls lesion, ready to be looked at again."""

    file: str
    scan: Scan
    truth: Mask
    batch: InputBatch
    background: str
    evidence: FourierContour
    outline: FourierContour | None
    status: str
    maps: dict[str, Map]

    @property
    def plane(self) -> PlaneGeometry:
        """The plane of the image."""
        return plane_geometry(self.scan)


def lesion_files(classifier: Path, split: str, images: int | None) -> list[str]:
    """Lesion images of one part; a random choice of `images` of them, if that is given."""
    with (classifier / "docs" / "split.csv").open(newline="") as table:
        files = [row["file"] for row in csv.DictReader(table) if row["split"] == split]
    files = sorted(file for file in files if not file.startswith("normal"))
    return sorted(np.random.default_rng(SEED).permutation(files)[:images].tolist())


def look_at(data: Path, file: str, classifier: Classifier) -> Case | None:
    """Run the main job on one image; None where the classifier does not call it lesion."""
    scan = mc.read_scan(data / "images" / file)
    suggestion = mc.suggest(scan, classifier, seed=SEED)
    if not suggestion.slices:
        return None
    finding = suggestion.slices[0]
    evidence = finding.evidence_contours[0]
    batch = next(plane_batches(scan, classifier, [0], 1))
    return Case(
        file=file,
        scan=scan,
        truth=np.asarray(Image.open(data / "masks" / file).convert("L")) > 127,
        batch=batch,
        background=evidence.quality["background"],
        evidence=curve_of(evidence),
        outline=curve_of(finding.outlines[0]) if finding.outlines else None,
        status=finding.status,
        maps=grad_cam(
            classifier.network, batch, target_index(classifier), (scan.rows, scan.columns)
        ),
    )


def outlines_from(
    case: Case, centers: torch.Tensor, classifier: Classifier
) -> list[FourierContour | None]:
    """Follow the image from circles as large as the evidence, at (N, 2) plane coordinates."""
    count = len(centers)
    radius = (case.evidence.area() / torch.pi).sqrt().expand(count)
    circles = FourierContour.circles(centers, radius)
    inputs = case.batch.inputs.expand(count, -1, -1, -1)
    background = BACKGROUNDS[case.background](inputs)
    perturbation = Perturbation(inputs, background, case.batch.points, case.plane)
    of_target = TargetObjective(classifier.score, inputs, background, target_index(classifier))
    images = grey(case.scan).expand(count, -1, -1)
    body = float(body_mask(grey(case.scan).numpy()).mean()) * case.plane.area
    offers, _ = offer_outlines(
        perturbation,
        of_target,
        images,
        case.plane,
        circles,
        torch.arange(count),
        [body] * count,
        outliner=outliner("region"),
    )
    return [offer.best.contour if offer.best else None for offer in offers]


def grey(scan: Scan) -> torch.Tensor:
    """(rows, columns) of an image; the mean of its colours."""
    image = torch.from_numpy(scan.voxels[0])
    return image if image.ndim == 2 else image.mean(-1)


def judge(case: Case, curve: FourierContour | None) -> tuple[float, float, float]:
    """`FIGURES` of one curve."""
    if curve is None:
        return 0.0, 0.0, 0.0
    mask = pixels_inside(curve, case.plane)
    place = centre(mask, curve, case.plane)
    return (
        float(hits(place, case.truth)),
        relevance_mass(mask, case.truth),
        dice(mask, case.truth),
    )


def judge_random(case: Case, seed: int) -> tuple[float, float, float]:
    """Mean `FIGURES` of the evidence contour at random places."""
    body = case.plane.pixel_centres()[torch.from_numpy(body_mask(grey(case.scan).numpy()))]
    generator = torch.Generator().manual_seed(seed)
    curves = placed_at_random(case.evidence, body, RANDOM_PLACES, generator)
    figures = [judge(case, curves[[index]]) for index in range(RANDOM_PLACES)]
    pointing, mass, overlap = np.mean(figures, 0).tolist()
    return pointing, mass, overlap


def compare(
    case: Case, classifier: Classifier, layer: str, level: float, seed: int
) -> list[dict[str, Any]]:
    """Records of every method on one image."""
    relevance = case.maps[layer]
    row, column = peak(relevance)
    at_peak = case.plane.from_index(torch.tensor([[column, row]], dtype=torch.float32))
    starts = torch.cat([at_peak, torch.zeros(1, 2)])
    from_peak, from_center = outlines_from(case, starts, classifier)
    curves = {
        "evidence contour": case.evidence,
        "outline from the evidence": case.outline,
        "outline from the Grad-CAM++ peak": from_peak,
        "outline from the image center": from_center,
    }
    figures = {name: judge(case, curve) for name, curve in curves.items()}
    figures[f"Grad-CAM++ ({layer}, level {level:.2f})"] = (
        float(hits((row, column), case.truth)),
        relevance_mass(relevance, case.truth),
        dice(relevance >= level, case.truth),
    )
    figures["random contour of the evidence's area"] = judge_random(case, seed)
    return [
        {
            "file": case.file,
            "status": case.status,
            "lesion share": float(case.truth.mean()),
            "method": name,
            "found": name not in curves or curves[name] is not None,
            **dict(zip(FIGURES, values, strict=True)),
        }
        for name, values in figures.items()
    ]


def summary(method: str, records: list[dict[str, Any]]) -> dict[str, Any]:
    """One row of the table."""
    row: dict[str, Any] = {"": method}
    for figure in FIGURES:
        values = [record[figure] for record in records]
        row[figure] = (float(np.mean(values)), intervals(values))
    none = sum(not record["found"] for record in records)
    return {**row, "n": len(records), "none found": none}


def main() -> None:
    """Make the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with images/ and masks/")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--split", choices=("validation", "tune"), default="validation")
    parser.add_argument("--images", type=int, help="look at so many only, chosen at random")
    parser.add_argument(
        "--classifier", type=Path, default=ROOT / "sample_data" / "breast_us_classifier"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    begun = time.perf_counter()

    classifier = mc.load_classifier(args.classifier)
    files = lesion_files(args.classifier, args.split, args.images)
    cases = []
    for index, file in enumerate(files):
        case = look_at(args.data, file, classifier)
        cases += [case] if case else []
        say(f"suggest {file}", index + 1, len(files))
    if not cases:
        raise SystemExit("The classifier calls none of these images lesion: there is no table.")

    maps = [case.maps for case in cases]
    truths = [case.truth for case in cases]
    layer, level, tried = kept_stage(maps, {name: truths for name in maps[0]})
    records = []
    for index, case in enumerate(cases):
        records += compare(case, classifier, layer, level, SEED + index)
        say(f"outlines {case.file}", index + 1, len(cases))
    rows = [
        summary(name, [record for record in records if record["method"] == name])
        for name in dict.fromkeys(record["method"] for record in records)
    ]
    states = [case.status for case in cases]
    counted = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    share = float(np.mean([truth.mean() for truth in truths]))
    write_results(
        args.out,
        f"Breast lesions, {args.split} images",
        (
            *NOTES,
            f"{len(cases)} of {len(files)} lesion images are called lesion. Evidence: {counted}.",
            f"A lesion covers {share:.3f} of its image (mean).",
            tried,
        ),
        {f"{len(cases)} images": rows},
        {
            "split": args.split,
            "images": len(files),
            "seed": SEED,
            **run_record(classifier, begun),
        },
        records,
    )


if __name__ == "__main__":
    main()
