"""Whether an image's contour depends on what shares its batch.

    python experiments/same_contour.py --data DATA --images 24 --out OUT [--threads 2]

The workloads are those of `speed.py`. Every image is searched with the preset ``fast`` in
batches of as many as `suggest` takes, and of fewer. The distance of two contours is Hausdorff's,
of their vertices, in pixels of the network's input.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from localisation import say, write_results
from scipy.spatial.distance import directed_hausdorff
from speed_workloads import find_workloads

import medcontour as mc
from medcontour.benchmark import Workload
from medcontour.contour import FourierContour
from medcontour.explain import PRESETS, optimise
from medcontour.pipeline.job import BATCH

SIZES = (1, 2, 3, 5, 6)
NEAR = 0.5
NOTES = (
    f"Share of the images whose contour lies within {NEAR:g} px of the one found in batches of "
    f"{BATCH}; and the largest distance.",
    "A batch of one is evaluated beside a copy of itself, as a slice of a stack is.",
)


def searched(workload: Workload, size: int) -> FourierContour:
    """The contours of all images, so many at once."""
    whole = workload.perturbation(slice(0, len(workload)))
    preset = replace(PRESETS["fast"], area_weight=workload.area_weight)
    found = []
    for first in range(0, len(workload), size):
        which = slice(first, first + size)
        # The backgrounds are those of the whole batch: what is compared is the search.
        rows = torch.arange(len(workload))[which]
        some = replace(whole.pick(rows), filled=True)
        objective = workload.objective(some, which)
        found.append(optimise(some, objective, preset).contours)
    return FourierContour.cat(found)


def distances(one: FourierContour, other: FourierContour, pixel: float) -> list[float]:
    """Of each pair of curves, in input pixels."""
    pairs = zip(one.polygon(512).numpy(), other.polygon(512).numpy(), strict=True)
    return [max(directed_hausdorff(a, b)[0], directed_hausdorff(b, a)[0]) / pixel for a, b in pairs]


def main() -> None:
    """Make the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path, help="default: the phantoms alone")
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    begun = time.perf_counter()
    rows: list[dict[str, Any]] = []
    records: list[dict[str, Any]] = []
    workloads = find_workloads(args.data, args.images)
    for done, workload in enumerate(workloads, start=1):
        together = searched(workload, BATCH)
        pixel = max(workload.perturbation(slice(0, 1)).input_pixel)
        row: dict[str, Any] = {"workload": workload.name, "n": len(workload)}
        for size in SIZES:
            apart = distances(together, searched(workload, size), pixel)
            row[f"in {size}s"] = f"{np.mean(np.array(apart) <= NEAR):.2f} ({max(apart):.2f} px)"
            records += [
                {"workload": workload.name, "image": n, "batch": size, "px": distance}
                for n, distance in enumerate(apart)
            ]
        rows.append(row)
        say("Workloads", done, len(workloads))
    settings = {
        "threads": args.threads,
        "medcontour": mc.__version__,
        "seconds": round(time.perf_counter() - begun),
    }
    write_results(args.out, "The same contour", NOTES, {"Batches": rows}, settings, records)


if __name__ == "__main__":
    main()
