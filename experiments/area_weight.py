"""What area costs, on tuning images of several kinds: the default of every face rests on this.

    python experiments/area_weight.py DATA --out OUT

Contours of the fast preset under each area weight (lambda_a of Eq. 5) and two policies for the
background: ``auto``, of four the mildest that takes the class away, image by image, and
``gaussian``. What is kept and taken away is the log-odds of the class; under one weight its logit
as well. A stopped run goes on where it was.

DATA holds ``imagenet_val``, ``coco``, ``busi``, ``brain_mri`` and ``classifiers``, whose
``flatnet.py`` is run; the CT slices are drawn by this repository's ``sample_data/phantom.py``. No
image is of a published table, except those of ``coco``, of which there are no others: there
another question is asked, for the one category that the network recognises.
"""

from __future__ import annotations

import argparse
import csv
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from area_weight_images import KINDS, Images
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from medcontour.benchmark.metrics import (
    best_iou,
    deletion_auc,
    insertion_auc,
    pointing_game,
    relevance_mass,
)
from medcontour.benchmark.metrics.intervals import mean_interval
from medcontour.explain import (
    BACKGROUNDS,
    PRESETS,
    SHARP,
    Fit,
    Perturbation,
    ScoreObjective,
    mildest,
    optimise,
)
from medcontour.record_lines import append_lines, read_lines

WEIGHTS = (1.0, 2.0, 5.0, 10.0, 20.0)
POLICIES = ("auto", "gaussian")
ALSO_LOGIT = (10.0, "auto")
"""The weight and policy under which the logit is followed as well."""
TOGETHER = 8
STEPS = 20
"""Of the insertion and deletion curves; the tables take 50."""
LEAST_EFFECT, LEAST_PIXELS, LARGEST_SHARE = 0.1, 4, 0.7
"""What `medcontour suggest` calls collapsed."""
COLUMNS = {
    "relevance_mass": "relevance mass ↑",
    "pointing_game": "pointing game ↑",
    "best_iou": "best IoU ↑",
    "insertion_auc": "insertion AUC ↑",
    "deletion_auc": "deletion AUC ↓",
    "area": "area",
    "preserved": "class kept ↑",
    "deleted": "class left ↓",
    "collapsed": "collapsed ↓",
}
NOTES = (
    "Means over images with 95 % bootstrap intervals; the fast preset; maps are the soft masks at "
    "tau = 100.",
    f"Insertion (from the paper's blur) and deletion (to zero) of the class's probability in "
    f"{STEPS} steps. Area: share of the network's input inside the contour. Class kept, class "
    "left: share of the images of which the class still has the highest probability when only the "
    "contour is kept on its background, and when the contour is replaced by it.",
    "Collapsed: as `medcontour suggest` says it (under 4 pixels, over 0.7 of the image, or kept "
    "minus taken away under 0.1 of the scale from background to original, unless the contour "
    "alone keeps a class that the background does not).",
)


@dataclass(frozen=True)
class Setting:
    """One row of the tables."""

    weight: float
    policy: str
    objective: str = "log-odds"


def settings() -> list[Setting]:
    """Those that tell most first."""
    first = [Setting(10.0, "auto"), Setting(5.0, "auto"), Setting(10.0, "gaussian")]
    weights = sorted(WEIGHTS, key=lambda weight: abs(weight - 2.0))
    rest = [Setting(weight, policy) for policy in POLICIES for weight in weights]
    every = [*first, *(setting for setting in rest if setting not in first)]
    return [*every, Setting(*ALSO_LOGIT, objective="logit")]


def backgrounds(images: Images, policy: str) -> tuple[Tensor, list[str]]:
    """(N, C, H, W), and the name of each."""
    if policy != "auto":
        return BACKGROUNDS[policy](images.inputs), [policy] * len(images.names)
    everyone = torch.arange(len(images.names))
    with torch.no_grad():
        return mildest(images.inputs, lambda inputs: images.log_odds(inputs, everyone))


def found(images: Images, setting: Setting, ground: Tensor, rows: Tensor) -> Fit:
    """The contours of some images."""
    preset = replace(PRESETS["fast"], area_weight=setting.weight)
    score = images.log_odds if setting.objective == "log-odds" else images.logit
    objective = ScoreObjective(
        lambda inputs, which: score(inputs, rows[which]),
        images.inputs[rows],
        ground[rows],
        least_span=1.0,
    )
    return optimise(Perturbation.of_images(images.inputs[rows], ground[rows]), objective, preset)


def judged(images: Images, ground: Tensor, row: int, fit: Fit, place: int) -> dict[str, float]:
    """The columns of one image's contour, `place` in the fit."""
    which = torch.tensor([row])
    perturbation = Perturbation.of_images(images.inputs[which], ground[which])
    curve = fit.contours.detach()[place : place + 1]
    maps = curve.mask(perturbation.points, SHARP)
    zero = torch.zeros(1, dtype=torch.long)
    kept = images.called(perturbation.preserved(maps, zero), which)
    left = images.called(perturbation.deleted(maps, zero), which)
    alone = images.called(ground[which], which)

    @torch.no_grad()
    def probability(inputs: Tensor, _: Tensor) -> Tensor:
        return images.log_odds(inputs, which.expand(len(inputs))).sigmoid()

    share = float(fit.area_fraction[place])
    effect = float(fit.preserved[place] - fit.deleted[place])
    explains = effect >= LEAST_EFFECT or bool(kept > alone)
    small = share * maps[0].numel() < LEAST_PIXELS
    one, truth = images.inputs[which], images.truths[which]
    blur = BACKGROUNDS["blur"]
    return {
        "relevance_mass": float(relevance_mass(maps, truth)),
        "pointing_game": float(pointing_game(maps, truth)),
        "best_iou": float(best_iou(maps, truth)),
        "insertion_auc": float(insertion_auc(probability, one, maps, steps=STEPS, baseline=blur)),
        "deletion_auc": float(deletion_auc(probability, one, maps, steps=STEPS)),
        "area": share,
        "preserved": float(kept),
        "deleted": float(left),
        "collapsed": float(small or share > LARGEST_SHARE or not explains),
        "object": float(truth.float().mean()),
        "evaluations": float(fit.evaluations[place]),
        "similarity_kept": float(fit.preserved[place]),
        "similarity_left": float(fit.deleted[place]),
    }


def records(images: Images, setting: Setting, file: Path) -> None:
    """Add what is missing to the file.

    Where ``auto`` chooses the same background as another policy, the contour is the same one.
    """
    key = {"kind": images.kind, **asdict(setting)}
    done = [r for r in read_lines(file) if r["kind"] == images.kind] if file.is_file() else []
    have = {r["image"] for r in done if all(r[name] == value for name, value in key.items())}
    ground, names = backgrounds(images, setting.policy)
    alike = {
        (r["image"], r["background"]): {name: r[name] for name in ("contour", "values")}
        for r in done
        if all(r[name] == value for name, value in key.items() if name != "policy")
    }
    missing = [k for k, name in enumerate(images.names) if name not in have]
    known = [k for k in missing if (images.names[k], names[k]) in alike]
    for k in known:
        own = (images.names[k], names[k])
        append_lines(file, [key | {"image": own[0], "background": own[1]} | alike[own]])
    rest = [k for k in missing if k not in known]
    for first in range(0, len(rest), TOGETHER):
        rows = torch.tensor(rest[first : first + TOGETHER])
        fit = found(images, setting, ground, rows)
        lines = []
        for place, row in enumerate(rows.tolist()):
            entry = {
                "image": images.names[row],
                "background": names[row],
                "contour": fit.contours[place : place + 1].to_dict(),
                "values": judged(images, ground, row, fit, place),
            }
            lines.append(key | entry)
        append_lines(file, lines)


def table(kind: str, lines: list[dict]) -> list[dict]:
    """Rows of one kind: means with their intervals."""
    own = [line for line in lines if line["kind"] == kind]
    rows = []
    for setting in sorted(
        settings(), key=lambda s: (s.objective != "log-odds", s.policy, s.weight)
    ):
        some = [r for r in own if all(r[k] == v for k, v in asdict(setting).items())]
        if some:
            figures = {name: mean_interval([r["values"][name] for r in some]) for name in COLUMNS}
            rows.append({**asdict(setting), "n": len(some), "figures": figures})
    return rows


def write(lines: list[dict], out: Path) -> None:
    """Write ``table.md``, ``table.json``, ``per_image.csv`` and ``area_weight.png``."""
    kinds = list(dict.fromkeys(line["kind"] for line in lines))
    tables = {kind: table(kind, lines) for kind in kinds}
    text = []
    for kind, rows in tables.items():
        object_share = np.mean([r["values"]["object"] for r in lines if r["kind"] == kind])
        chosen = [
            r["background"]
            for r in lines
            if r["kind"] == kind
            and r["policy"] == "auto"
            and r["weight"] == ALSO_LOGIT[0]
            and r["objective"] == "log-odds"
        ]
        counts = ", ".join(f"{name} {chosen.count(name)}" for name in BACKGROUNDS if name in chosen)
        head = ["background", "area weight", "n", *COLUMNS.values()]
        text += [
            f"### {kind}",
            "",
            f"The object covers {object_share:.3f} of the input. Auto chose {counts}.",
            "",
            f"| {' | '.join(head)} |",
            "|---" * len(head) + "|",
        ]
        for row in rows:
            cells = ["{:.3f} ({:.3f} to {:.3f})".format(*row["figures"][name]) for name in COLUMNS]
            policy = row["policy"] + (", logit" if row["objective"] == "logit" else "")
            text.append(f"| {policy} | {row['weight']:g} | {row['n']} | {' | '.join(cells)} |")
        text.append("")
    text += [f"- {note}" for note in NOTES]
    (out / "table.md").write_text("\n".join(text) + "\n", encoding="utf-8")
    document = {"columns": COLUMNS, "notes": NOTES, "tables": tables}
    (out / "table.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    with (out / "per_image.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        first = lines[0]
        keys = [name for name in first if name not in ("values", "contour")]
        writer.writerow([*keys, *first["values"]])
        writer.writerows([*(r[k] for k in keys), *r["values"].values()] for r in lines)
    figure(tables).savefig(out / "area_weight.png", dpi=130)


def figure(tables: dict[str, list[dict]]) -> Figure:
    """Every kind's columns against the area weight."""
    shown = (
        "relevance_mass",
        "pointing_game",
        "insertion_auc",
        "deletion_auc",
        "area",
        "preserved",
    )
    made = Figure(figsize=(13, 2.2 * len(tables)), layout="constrained")
    FigureCanvasAgg(made)
    grid = made.subplots(len(tables), len(shown), squeeze=False)
    for line, (kind, rows) in zip(grid, tables.items(), strict=True):
        for axis, name in zip(line, shown, strict=True):
            for policy in POLICIES:
                some = [r for r in rows if r["policy"] == policy and r["objective"] == "log-odds"]
                if not some:
                    continue
                weights = [r["weight"] for r in some]
                mean, low, high = np.array([r["figures"][name] for r in some]).T
                axis.plot(weights, mean, marker=".", label=policy)
                axis.fill_between(weights, low, high, alpha=0.15)
            axis.set_xscale("log")
            axis.set_xticks(WEIGHTS, [f"{w:g}" for w in WEIGHTS], fontsize=7)
            axis.minorticks_off()
            axis.tick_params(axis="y", labelsize=7)
            axis.grid(alpha=0.3)
            if line is grid[0]:
                axis.set_title(COLUMNS[name], fontsize=9)
        line[0].set_ylabel(kind, fontsize=9)
    grid[0][0].legend(frameon=False, fontsize=8)
    made.supxlabel("area weight", fontsize=9)
    return made


def main() -> None:
    """Find the contours of every setting, and write the tables."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--images", type=int, default=24, help="of each kind, at most")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "records.jsonl"
    kinds = [KINDS[name](options.data, options.images) for name in options.kinds.split(",")]
    for images in kinds:
        for parameter in getattr(images.logits, "parameters", list)():
            parameter.requires_grad_(False)
    for setting in settings():
        for images in kinds:
            records(images, setting, file)
            print(setting, images.kind, flush=True)
        write([*read_lines(file)], options.out)


if __name__ == "__main__":
    main()
