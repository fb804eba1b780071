"""Evidence contour, the image's clearest boundary, and the outline that is given, against masks.

The folder is one that a presence network was trained on by image labels alone
(`presence_network.py`, or the sample's breast ultrasound bundle): ``labels.csv``, ``images/`` and
``masks/``, and beside the network ``docs/split.csv``. Every image of one part that shows the
finding and that the network calls is searched once.

    python experiments/judged_outlines.py --data busi --classifier sample_data/breast_us_classifier\
 --part validation --out results/
    python experiments/judged_outlines.py --data lgg_flair --classifier networks/lgg_flair\
 --part report --out results/

With ``--learned FILE``, what `medcontour learn` wrote, its outlines make one more row; with
``--prompted NAME``, those that a promptable network drew anew make one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from localisation import (
    WITHIN,
    Mask,
    corrected_once,
    dice,
    grad_cam,
    intervals,
    kept_stage,
    left_to_draw,
    pixels_inside,
    run_record,
    say,
    write_results,
)
from PIL import Image
from presence_network import shown_by_part

import medcontour as mc
from medcontour.classifier import Classifier, target_index
from medcontour.contour import PlaneShape
from medcontour.outline import outliner
from medcontour.pipeline.explainer import Explained, Explainer
from medcontour.pipeline.found import POSITIVE
from medcontour.pipeline.outlines import offer_outlines, with_classifier
from medcontour.pipeline.planes import InputBatch, grey_planes, plane_batches, plane_geometry
from medcontour.pipeline.promptables import redrawn
from medcontour.pipeline.settings import Settings

TUNED_ON = ("tune", "train")
"""Parts that `medcontour.pipeline.outlines.SizeConstants` was chosen on.

All images of the tuning parts of `busi`, `lgg_flair` and `wound_photo`; and 30 of the images that
the network of `lgg_flair` was trained on, by their labels alone.
"""

FLOOD = 3.0
NOTES = (
    "The default settings. Clearest boundary: the one that image and classifier speak least "
    "against, whatever its size; none counts as Dice 0. Outline: what `suggest` gives.",
    f"Flood: more than {FLOOD:g} times as large as the truth. Copies: outlines that are the "
    "evidence contour itself, since no boundary passed.",
    f"A simulated reader leaves a boundary that is within {WITHIN:g} pixels of the truth's and "
    "draws the rest anew. Left to draw: the share of the truth's boundary that is drawn (of "
    "nothing: 1). "
    "Dice after: of what stands then.",
    "Means with 95 % bootstrap intervals over images (the same draws for every row).",
)
WAYS = ("evidence contour", "clearest boundary", "outline")
LEARNED = "learned outline"
PROMPTED = "prompted outline"
GRAD_CAM = "Grad-CAM++"
CHOSEN_ON = "tune"
"""The part on which Grad-CAM++'s stage and threshold are chosen, by its masks."""


@dataclass(frozen=True)
class Looked:
    """One image: its name and label, and for each of `WAYS` what it encloses, or None."""

    file: str
    label: str
    status: str
    copied: bool
    truth: Mask
    masks: dict[str, Mask | None]
    seconds: dict[str, float]


def truth_of(data: Path, file: str) -> Mask:
    """(rows, columns) the mask that people drew."""
    [truth] = (data / "masks").glob(f"{Path(file).stem}.*")
    drawn: Mask = np.asarray(Image.open(truth).convert("L")) > 127
    return drawn


def grad_cam_masks(
    data: Path, rows: Sequence[dict[str, str]], classifier: Classifier
) -> Callable[[InputBatch, tuple[int, int]], Mask]:
    """Grad-CAM++ at the stage and threshold that are best on some images."""
    target = target_index(classifier)
    maps, truths = [], []
    for row in rows:
        scan = mc.read_scan(data / "images" / row["file"])
        batch = next(plane_batches(scan, classifier, [0], 1))
        maps.append(grad_cam(classifier.network, batch, target, (scan.rows, scan.columns)))
        truths.append(truth_of(data, row["file"]))
    stage, threshold, said = kept_stage(maps, {name: truths for name in maps[0]})
    print(said)
    return lambda batch, shape: (
        grad_cam(classifier.network, batch, target, shape)[stage] >= threshold
    )


def look_at(
    data: Path,
    row: dict[str, str],
    classifier: Classifier,
    others: dict[str, str],
    cam: Callable[[InputBatch, tuple[int, int]], Mask],
) -> Looked | None:
    """Search one image; None where the network does not call it.

    `others` are further rows: names, and what `suggest` is given as its outline.
    """
    scan = mc.read_scan(data / "images" / row["file"])
    explainer = Explainer(scan, classifier, target_index(classifier), Settings())
    batch = next(plane_batches(scan, classifier, [0], 1))
    with torch.no_grad():
        score = float(classifier.score(batch.inputs)[0, explainer.target].sigmoid())
    if score <= POSITIVE:
        return None
    plane = plane_geometry(scan)
    [explained] = explainer.explain(batch, {0: score}, lambda *_: None)
    part, clearest = explained.part, None
    for one in explained.traced:
        clearest = clearest_boundary(explainer, batch, one.evidence)
    drawn, seconds = {}, {}
    for name, choice in others.items():
        begun = time.process_time()
        drawn[name] = other_outline(explained, explainer, batch, choice)
        seconds[name] = time.process_time() - begun
    return Looked(
        file=row["file"],
        label=row["label"],
        status=part.status,
        copied=any("follows" in outline.quality for outline in part.outlines),
        truth=truth_of(data, row["file"]),
        masks={
            GRAD_CAM: cam(batch, (scan.rows, scan.columns)),
            "evidence contour": part.mask(scan, "evidence"),
            "clearest boundary": None if clearest is None else pixels_inside(clearest, plane),
            "outline": part.mask(scan, "outline") if part.outlines else None,
            **drawn,
        },
        seconds=seconds,
    )


def other_outline(
    explained: Explained, explainer: Explainer, batch: InputBatch, choice: str
) -> Mask:
    """What `suggest` gives with another outline, for the same evidence."""
    scan = explainer.scan
    other = replace(explainer, settings=Settings(outline=choice))
    perturbation, of_target, _, _ = other.problem(batch)
    images, measured = grey_planes(scan, [0])
    which, plane = torch.tensor([0]), plane_geometry(scan)
    follow, area = other.outliner(batch, [0]), other.body_area(0)
    anew = redrawn(choice, explainer.classifier, scan, [0])
    mask = np.zeros((scan.rows, scan.columns), dtype=np.bool_)
    for one in explained.traced:
        given = (perturbation, of_target, images, plane, one.evidence, which, [area], measured)
        [offer], _ = offer_outlines(*given, outliner=follow, redrawn=anew)
        best = one.evidence if offer.best is None else offer.best.contour
        mask |= pixels_inside(best, plane)
    return mask


def clearest_boundary(
    explainer: Explainer, batch: InputBatch, evidence: PlaneShape
) -> PlaneShape | None:
    """What image and classifier speak least against, whatever its size."""
    perturbation, of_target, _, _ = explainer.problem(batch)
    images, measured = grey_planes(explainer.scan, [0])
    which, plane = torch.tensor([0]), plane_geometry(explainer.scan)
    follow = outliner(explainer.settings.outline)
    given = (perturbation, of_target, images, plane, evidence, which, [float("inf")], measured)
    [offer], _ = offer_outlines(*given, outliner=follow)
    [energies] = with_classifier(perturbation, of_target, [offer.outlines], which)
    return offer.outlines[int(np.argmin(energies))].contour if energies else None


def records_of(looked: Looked) -> list[dict[str, Any]]:
    """One row for each of `WAYS`."""
    rows = []
    for way, mask in looked.masks.items():
        size = 0.0 if mask is None else float(mask.sum() / looked.truth.sum())
        rows.append(
            {
                "file": looked.file,
                "label": looked.label,
                "status": looked.status,
                "way": way,
                "found": mask is not None,
                "copied": looked.copied and way == "outline",
                "Dice": 0.0 if mask is None else dice(mask, looked.truth),
                "size": size,
                "left to draw": 1.0 if mask is None else left_to_draw(looked.truth, mask),
                "Dice after": 1.0
                if mask is None
                else dice(corrected_once(looked.truth, mask), looked.truth),
                "seconds": looked.seconds.get(way),
            }
        )
    return rows


def summary(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for each of `WAYS`."""
    rows = []
    for way in dict.fromkeys(record["way"] for record in records):
        own = [record for record in records if record["way"] == way]
        values = [record["Dice"] for record in own]
        rows.append(
            {
                "": way,
                "n": len(own),
                "Dice": mean_of(own, "Dice"),
                "Dice over 0.5": float(np.mean([value > 0.5 for value in values])),
                "left to draw": mean_of(own, "left to draw"),
                "Dice after": mean_of(own, "Dice after"),
                "floods": float(np.mean([record["size"] > FLOOD for record in own])),
                "none": sum(not record["found"] for record in own),
                "copies": sum(record["copied"] for record in own),
            }
        )
    return rows


def mean_of(records: list[dict[str, Any]], name: str) -> tuple[float, tuple[float, float]]:
    """Mean and its interval."""
    values = [record[name] for record in records]
    return float(np.mean(values)), intervals(values)


def gained(records: list[dict[str, Any]]) -> str:
    """What the outline gains over the other two, paired by image."""
    ways = list(dict.fromkeys(record["way"] for record in records))
    values = {way: np.array([r["Dice"] for r in records if r["way"] == way]) for way in ways}
    said = []
    for last in ways[3:]:
        parts = []
        for way in ways[: ways.index(last)]:
            difference = values[last] - values[way]
            low, high = intervals(difference)
            parts.append(f"over the {way} {difference.mean():+.3f} ({low:+.3f} to {high:+.3f})")
        said.append(f"Dice of the {last}, paired by image: {', '.join(parts)}.")
    return " ".join(said)


def took(records: list[dict[str, Any]]) -> list[str]:
    """How long the further rows took, with all that finding an outline takes beside evidence."""
    said = []
    for way in dict.fromkeys(record["way"] for record in records):
        own = [r["seconds"] for r in records if r["way"] == way and r["seconds"] is not None]
        if own:
            said.append(f"A {way} took {1000 * np.median(own):.0f} ms of one core (median).")
    return said


def main() -> None:
    """Make the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with labels.csv")
    parser.add_argument("--classifier", type=Path, required=True, help="a bundle with a split")
    parser.add_argument("--part", required=True, help="of docs/split.csv")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--learned", type=Path, help="a file that `medcontour learn` wrote")
    parser.add_argument("--prompted", help="a promptable network: litemedsam, sam2:FOLDER")
    parser.add_argument("--images", type=int, help="look at so many only, chosen at random")
    args = parser.parse_args()
    torch.set_num_threads(1)
    begun = time.perf_counter()
    classifier = mc.load_classifier(args.classifier)
    shown = shown_by_part(args.data, args.classifier)
    rows, chosen_on = shown[args.part], shown[CHOSEN_ON]
    cam = grad_cam_masks(args.data, chosen_on, classifier)
    order = np.random.default_rng(0).permutation(len(rows))[: args.images]
    rows = [rows[n] for n in sorted(order.tolist())]
    others = {LEARNED: f"learned:{args.learned}"} if args.learned else {}
    others |= {PROMPTED: f"prompted:{args.prompted}"} if args.prompted else {}
    records: list[dict[str, Any]] = []
    called = 0
    for number, row in enumerate(rows, start=1):
        looked = look_at(args.data, row, classifier, others, cam)
        if looked is not None:
            called += 1
            records += records_of(looked)
        say("image", number, len(rows))
    if not records:
        raise SystemExit("The network calls none of these images: there is no table.")
    tables = {f"{called} images": summary(records)}
    for label in sorted({record["label"] for record in records}):
        own = [record for record in records if record["label"] == label]
        if len(own) < len(records):
            tables[f"Of these {label}"] = summary(own)
    write_results(
        args.out,
        f"Outlines against their evidence, {args.data.name}, part {args.part}",
        (*NOTES, f"{called} of {len(rows)} images are called.", gained(records), *took(records)),
        tables,
        {
            "part": args.part,
            **run_record(classifier, begun),
        },
        records,
    )


if __name__ == "__main__":
    main()
