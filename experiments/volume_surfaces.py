"""What one closed surface says of a 3D network's object, beside maps of the same network.

On drawn volumes. The surfaces' area weight and the maps' levels are chosen on the tuning part;
figures are of the report part's volumes that hold an object and that the network calls positive.

    python experiments/volume_surfaces.py --out tables/volumes
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from localisation import Map, Mask, best_level, dice, intervals
from monai.visualize import GradCAMpp, OcclusionSensitivity
from torch import Tensor, nn
from volume_cases import Cases, drawn_cases, presence_network

from medcontour.explain import ExtremalContours

WEIGHTS = (3.0, 10.0, 30.0)
DEFAULT_WEIGHT = 10.0
LEVEL = 0.01
"""What the objective may differ by and still be level: a hundredth of what the score falls by."""
LAYER = "6"


def surfaces(network: nn.Module, cases: Cases, preset: str, weight: float) -> list[dict[str, Any]]:
    """Explain each volume by itself; a record each, judged by one price of volume.

    The paper's preset follows Eq. 8 and takes no price.
    """
    records = []
    for row in range(len(cases.volumes)):
        print(f"{preset}, {weight:g}: {row} of {len(cases.volumes)}", flush=True)
        begun = time.perf_counter()
        explain = ExtremalContours(
            network,
            outputs="sigmoid",
            preset=preset,  # type: ignore[arg-type]
            area_weight=None if preset == "paper" else weight,
            pixel_spacing=cases.grid.spacing,
        )
        fit = explain.fit(cases.volumes[row : row + 1], target=0)
        seconds = time.perf_counter() - begun
        inside = fit.contours.contains(cases.grid.voxel_centres())[0].numpy()
        price = weight * float(fit.area_fraction) ** (2 / 3)
        record = {
            "objective": float(fit.deleted - fit.preserved) + price,
            "keeps": float(fit.preserved),
            "leaves": float(fit.deleted),
            "evaluations": float(fit.evaluations),
            "seconds": seconds,
        }
        records.append(record | agreement(inside, cases.truths[row].numpy(), cases))
    return records


def agreement(inside: Mask, truth: Mask, cases: Cases) -> dict[str, Any]:
    """How a set of voxels lies to the truth: Dice, middle inside, distance, ratio of volumes."""
    if not inside.any():
        return {"dice": 0.0, "inside": 0.0, "apart": None, "ratio": 0.0}
    middle = np.argwhere(inside).mean(0)
    apart = (middle - np.argwhere(truth).mean(0)) * cases.grid.spacing
    return {
        "dice": dice(inside, truth),
        "inside": float(truth[tuple(np.round(middle).astype(int))]),
        "apart": float(np.linalg.norm(apart)),
        "ratio": float(inside.sum() / truth.sum()),
    }


def maps_by_name(network: nn.Module, cases: Cases) -> dict[str, tuple[list[Map], float]]:
    """Grad-CAM++ and occlusion of each volume from 0 to 1, and the seconds each took."""
    box = [max(3, side // 4) for side in cases.volumes.shape[2:]]
    cam = GradCAMpp(network, target_layers=LAYER, postprocessing=lambda map_: map_)
    covered = OcclusionSensitivity(network, mask_size=box, n_batch=8, overlap=0.5, verbose=False)
    ways: dict[str, Callable[[Tensor], Tensor]] = {
        "Grad-CAM++": lambda volume: cam(x=volume, class_idx=0),
        "occlusion": lambda volume: -covered(volume)[0][:, :1],
    }
    found = {}
    for name, way in ways.items():
        begun, maps = time.perf_counter(), []
        for row in range(len(cases.volumes)):
            network.requires_grad_(name == "Grad-CAM++")
            relevance = way(cases.volumes[row : row + 1])[0, 0].detach().double().numpy()
            relevance = relevance - relevance.min()
            maps.append(relevance / max(relevance.max(), 1e-12))
        found[name] = maps, (time.perf_counter() - begun) / len(cases.volumes)
    network.requires_grad_(False)
    return found


def seen(network: nn.Module, cases: Cases) -> tuple[Cases, int]:
    """Give the volumes with an object that the network calls positive, and how many hold one."""
    with torch.no_grad():
        positive = torch.cat([network(volume[None]) for volume in cases.volumes])[:, 0] > 0
    there = cases.truths.flatten(1).any(1)
    rows = (positive & there).nonzero()[:, 0].tolist()
    chosen = Cases(
        cases.volumes[rows],
        cases.labels[rows],
        cases.truths[rows],
        ["report"] * len(rows),
        cases.grid,
    )
    return chosen, int(there.sum())


def auc(network: nn.Module, cases: Cases) -> float:
    """Area under the ROC curve of the labels, ties counted half."""
    with torch.no_grad():
        scores = torch.cat([network(volume[None]) for volume in cases.volumes])[:, 0]
    ours, others = scores[cases.labels > 0][:, None], scores[cases.labels == 0][None]
    return float(((ours > others).double() + 0.5 * (ours == others).double()).mean())


def row_of(name: str, records: Sequence[dict[str, Any]]) -> str:
    """One row of the table: means, Dice and inside with 95 % intervals."""

    def mean(key: str, digits: int, *, interval: bool = False) -> str:
        values = [record[key] for record in records if record.get(key) is not None]
        if not values:
            return ""
        text = f"{np.mean(values):.{digits}f}"
        return text + (" ({:.2f} to {:.2f})".format(*intervals(values)) if interval else "")

    cells = [
        name,
        str(len(records)),
        mean("dice", 2, interval=True),
        mean("inside", 2, interval=True),
        mean("apart", 1),
        mean("ratio", 2),
        mean("keeps", 2),
        mean("leaves", 2),
        mean("evaluations", 1),
        mean("seconds", 1),
    ]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Train, choose on the tuning part, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=150, help="of the network's training")
    parser.add_argument("--drawn", type=int, default=40, help="drawn volumes to report on")
    parser.add_argument(
        "--long", type=int, default=0, help="report volumes searched by thorough and paper too"
    )
    arguments = parser.parse_args()
    cases = drawn_cases({"train": 120, "tune": 16, "report": arguments.drawn})
    network = presence_network(cases, arguments.steps)
    tune, _ = seen(network, cases.part("tune"))
    report, there = seen(network, cases.part("report"))
    by_weight = {w: surfaces(network, tune, "fast", w) for w in WEIGHTS}
    chosen = max(by_weight, key=lambda w: np.mean([r["dice"] for r in by_weight[w]]))
    rows, fast = [], {}
    for weight in dict.fromkeys((DEFAULT_WEIGHT, chosen)):
        fast[weight] = surfaces(network, report, "fast", weight)
        rows.append(row_of(f"surface, fast, area weight {weight:g}", fast[weight]))
    level: dict[str, list[bool]] = {}
    if arguments.long:
        some = report.rows(list(range(min(arguments.long, len(report.volumes)))))
        mine = fast[DEFAULT_WEIGHT][: len(some.volumes)]
        for preset in ("thorough", "paper"):
            long = surfaces(network, some, preset, DEFAULT_WEIGHT)
            rows.append(row_of(f"surface, {preset}", long))
            pairs = zip(mine, long, strict=True)
            level[preset] = [m["objective"] <= o["objective"] + LEVEL for m, o in pairs]
    tuned = maps_by_name(network, tune)
    for name, (maps, seconds) in maps_by_name(network, report).items():
        threshold, _ = best_level(tuned[name][0], [truth.numpy() for truth in tune.truths])
        records = [
            agreement(m >= threshold, truth.numpy(), report) | {"seconds": seconds}
            for m, truth in zip(maps, report.truths, strict=True)
        ]
        rows.append(row_of(f"{name} at {threshold:.2f}", records))
    document = {
        "auc": auc(network, cases.part("report")),
        "with_object": there,
        "seen": len(report.volumes),
        "tuning": len(tune.volumes),
        "fast_level_with": {name: f"{sum(own)} of {len(own)}" for name, own in level.items()},
        "rows": rows,
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "table.json").write_text(json.dumps(document, indent=2))
    columns = (
        "method",
        "n",
        "Dice",
        "middle inside",
        "mm between middles",
        "volume / truth",
        "keeps",
        "leaves",
        "evaluations",
        "s",
    )
    head = "| " + " | ".join(columns) + " |\n|" + "---|" * len(columns)
    facts = {name: value for name, value in document.items() if name != "rows"}
    (arguments.out / "table.md").write_text("\n".join([head, *rows, "", json.dumps(facts), ""]))


if __name__ == "__main__":
    main()
