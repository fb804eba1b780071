"""What contours cost: presets on the same images, judged alike."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import fmean, median
from typing import Any

import torch
from torch import Tensor

from medcontour.benchmark.speed.protocol import SPEED
from medcontour.benchmark.speed.step_cost import measure_overhead
from medcontour.benchmark.speed.warm_start import measure_warm_start
from medcontour.benchmark.speed.workload import Workload
from medcontour.contour import FourierContour
from medcontour.explain import (
    PRESETS,
    Objective,
    Perturbation,
    Preset,
    optimise,
)
from medcontour.explain.search.model_search import MODEL_SEARCH
from medcontour.explain.search.optimise import OPTIMISE
from medcontour.explain.search.start import START
from medcontour.limits import peak_memory_mb
from medcontour.record_lines import append_lines, read_lines

__all__ = ["Record", "Speed", "measure_speed"]

Progress = Callable[[str, int, int], None]
SEARCH_CONSTANTS = (MODEL_SEARCH, OPTIMISE, START)


@dataclass(frozen=True)
class Record:
    """One contour: one image of one workload under one preset.

    Attributes
    ----------
    workload, image, preset
        What was looked at.
    key
        Of image and settings: a record with another key is not taken up again.
    objective
        ``deleted - preserved + area_weight * area_fraction`` of the hard mask.
    preserved, deleted, area_fraction
        Its parts.
    failed
        Whether the contour collapsed: it keeps hardly more than its removal leaves (a difference
        under 0.1), or it covers under 4 pixels or over 70 % of the image.
    evaluations, seconds
        What it cost.
    path
        (evaluations, objective) of the contour that would have been given on the way.
    """

    workload: str
    image: int
    preset: str
    key: str
    objective: float
    preserved: float
    deleted: float
    area_fraction: float
    failed: bool
    evaluations: float
    seconds: float
    path: list[tuple[float, float]] = field(repr=False)

    def objective_after(self, evaluations: float | None) -> float:
        """Objective of the contour that so many give; of an empty one before the first."""
        if evaluations is None:
            return self.objective
        values = [value for spent, value in self.path if spent <= evaluations]
        return values[-1] if values else 1.0


@dataclass(frozen=True)
class Speed:
    """Presets compared.

    Attributes
    ----------
    records
        One a contour.
    overhead
        By workload: median ratio of an optimiser's step to the bare forward and backward pass
        of the network, for the ``"soft"`` and the ``"model"`` search.
    warm_start
        ``evaluations``: mean of a contour that starts from its neighbouring slice's;
        ``level_share``: how many of them are level with a cold start; ``slices``.
    peak_memory_mb
        Of the whole process.
    """

    records: list[Record]
    overhead: dict[str, dict[str, float]]
    warm_start: dict[str, float]
    peak_memory_mb: int

    @property
    def workloads(self) -> list[str]:
        """Their names, in order."""
        return list(dict.fromkeys(record.workload for record in self.records))

    def of(self, workload: str, preset: str) -> list[Record]:
        """The records of one workload under one preset, by image."""
        some = [r for r in self.records if (r.workload, r.preset) == (workload, preset)]
        return sorted(some, key=lambda record: record.image)

    def level(
        self, workload: str, preset: str = "fast", evaluations: float | None = None
    ) -> list[bool]:
        """For each image whether a preset is at least level (within 0.01) with paper.

        After so many evaluations, with the best contour that it had then; None: at its end.
        """
        pairs = zip(self.of(workload, "paper"), self.of(workload, preset), strict=True)
        return [
            own.objective_after(evaluations) <= paper.objective + SPEED.level
            for paper, own in pairs
        ]

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain numbers, for JSON."""
        return {
            "workloads": [self._of_workload(name) for name in self.workloads],
            "overhead": {
                "ratio_median": median(r for own in self.overhead.values() for r in own.values()),
                "by_workload": self.overhead,
            },
            "warm_start": self.warm_start,
            "peak_memory_mb": self.peak_memory_mb,
        }

    def _of_workload(self, workload: str) -> dict[str, Any]:
        paper, fast = (self.of(workload, preset) for preset in ("paper", "fast"))
        return {
            "name": workload,
            "images": len(fast),
            "presets": {name: _figures(self.of(workload, name)) for name in PRESETS},
            "level_share": fmean(self.level(workload)),
            **{
                f"level_share_{budget:.0f}": fmean(self.level(workload, evaluations=budget))
                for budget in SPEED.budgets
            },
            "level_share_thorough": fmean(self.level(workload, "thorough")),
            "new_failures": sum(
                f.failed and not p.failed for p, f in zip(paper, fast, strict=True)
            ),
        }


def _figures(records: list[Record]) -> dict[str, float]:
    return {
        "evaluations": fmean(r.evaluations for r in records),
        "objective": fmean(r.objective for r in records),
        "preserved": fmean(r.preserved for r in records),
        "deleted": fmean(r.deleted for r in records),
        "area_fraction": fmean(r.area_fraction for r in records),
        "failures": sum(r.failed for r in records),
        "seconds_per_contour": fmean(r.seconds for r in records),
    }


def measure_speed(
    workloads: Sequence[Workload],
    runs: Sequence[Workload],
    out: Path,
    progress: Progress | None = None,
) -> Speed:
    """Run every preset on every image, each judged by the same protocol.

    Records are added to ``out/records.jsonl`` as they come; a run that was stopped goes on there.

    Parameters
    ----------
    workloads
        What to compare the presets on.
    runs
        Workloads whose images are neighbouring slices of one lesion, where there are any: what a
        start from the neighbour saves.
    out
        The folder, which is there.
    progress
        Called with what is done now, how much of it is done, and how much there is.
    """
    return Speed(
        records=_measured(workloads, out, progress),
        overhead={workload.name: measure_overhead(workload) for workload in workloads},
        warm_start=measure_warm_start(runs),
        peak_memory_mb=peak_memory_mb(),
    )


def _measured(workloads: Sequence[Workload], out: Path, progress: Progress | None) -> list[Record]:
    file = out / "records.jsonl"
    known = {(r.workload, r.image, r.preset): r for r in _read(file)}
    records: list[Record] = []
    total = sum(len(workload) for workload in workloads) * len(PRESETS)
    for workload in workloads:
        for first in range(0, len(workload), SPEED.batch):
            which = slice(first, min(first + SPEED.batch, len(workload)))
            for name, preset in PRESETS.items():
                keys = [_key(workload, image, preset) for image in range(which.start, which.stop)]
                old = [known.get((workload.name, which.start + n, name)) for n in range(len(keys))]
                batch = [r for r, key in zip(old, keys, strict=True) if r and r.key == key]
                if len(batch) < len(keys):
                    batch = _contours(workload, which, preset, keys)
                    append_lines(file, [asdict(record) for record in batch])
                records += batch
                if progress:
                    progress(f"{workload.name}, {name}", len(records), total)
    return records


def _read(file: Path) -> Iterator[Record]:
    for record in read_lines(file):
        with suppress(TypeError):  # of another revision
            yield Record(**record)


def _key(workload: Workload, image: int, preset: Preset) -> str:
    digest = hashlib.sha256(workload.images[image].contiguous().numpy().tobytes())
    protocol = (
        workload.follows,
        workload.area_weight,
        workload.backgrounds,
        workload.targets[image].item(),
    )
    # What the searches that go by the image have beside their preset.
    constants = [asdict(each) for each in SEARCH_CONSTANTS] if preset.model_steps else []
    digest.update(json.dumps([protocol, asdict(preset), *constants]).encode())
    return digest.hexdigest()[:16]


def _contours(workload: Workload, which: slice, preset: Preset, keys: list[str]) -> list[Record]:
    """Find and judge one batch."""
    perturbation = workload.perturbation(which)
    own = workload.objective(perturbation, which, normalise=preset.normalise)
    judge = workload.objective(perturbation, which)
    # Eq. 8's weight is 1 and more where little is kept: an embedding's contours collapse by it.
    if preset.area_weight is not None or workload.follows == "embedding":
        preset = replace(preset, area_weight=workload.area_weight)
    most = _most_evaluations(preset)
    marks = [share * most for share in SPEED.shares]
    seen: list[list[tuple[float, FourierContour]]] = [[] for _ in keys]
    passed = [0] * len(keys)

    def callback(evaluations: Tensor, images: Tensor, curves: FourierContour) -> None:
        for row, (image, cost) in enumerate(
            zip(images.tolist(), evaluations.tolist(), strict=True)
        ):
            while passed[image] < len(marks) and cost >= marks[passed[image]]:
                passed[image] += 1
                if passed[image] == len(marks) or cost < marks[passed[image]]:
                    seen[image].append((cost, curves[[row]].detach()))

    begun = time.perf_counter()
    fit = optimise(perturbation, own, preset, callback=callback)
    seconds = (time.perf_counter() - begun) / len(keys)
    everyone = torch.arange(len(keys))
    objective, preserved, deleted, fraction = _judged(
        workload, perturbation, judge, fit.curves, everyone
    )
    pixels = fraction * perturbation.points[..., 0].numel()
    failed = (
        (preserved - deleted < SPEED.least_effect)
        | (pixels < SPEED.least_pixels)
        | (fraction > SPEED.largest_fraction)
    )
    records = []
    for n, key in enumerate(keys):
        path = _path(workload, perturbation, judge, n, seen[n], keeps_best=bool(preset.model_steps))
        spent = float(fit.evaluations[n])
        records.append(
            Record(
                workload=workload.name,
                image=which.start + n,
                preset=preset.name,
                key=key,
                objective=float(objective[n]),
                preserved=float(preserved[n]),
                deleted=float(deleted[n]),
                area_fraction=float(fraction[n]),
                failed=bool(failed[n]),
                evaluations=spent,
                seconds=seconds,
                path=[*(step for step in path if step[0] < spent), (spent, float(objective[n]))],
            )
        )
    return records


def _most_evaluations(preset: Preset) -> float:
    if not preset.model_steps:
        return preset.steps
    return SPEED.fast_evaluations + (preset.polish.steps if preset.polish else 0)


def _judged(
    workload: Workload,
    perturbation: Perturbation,
    objective: Objective,
    curves: FourierContour,
    which: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    preserved, deleted = perturbation.judge(objective, curves, which)
    fraction = curves.area_inside(perturbation.plane) / perturbation.plane.area
    return deleted - preserved + workload.area_weight * fraction, preserved, deleted, fraction


def _path(
    workload: Workload,
    perturbation: Perturbation,
    objective: Objective,
    image: int,
    seen: list[tuple[float, FourierContour]],
    *,
    keeps_best: bool,
) -> list[tuple[float, float]]:
    """(evaluations, objective) of one image's contours on the way."""
    if not seen:
        return []
    curves = FourierContour.cat([curve for _, curve in seen])
    which = torch.full((len(seen),), image)
    values = _judged(workload, perturbation, objective, curves, which)[0]
    if keeps_best:
        values = values.cummin(0).values
    return [(evaluations, float(v)) for (evaluations, _), v in zip(seen, values, strict=True)]
