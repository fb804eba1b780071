"""The speed comparison as people read it: a table, plain numbers and a figure."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from statistics import fmean

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from medcontour.benchmark.metrics.intervals import mean_interval
from medcontour.benchmark.speed.measure import Speed
from medcontour.benchmark.speed.protocol import SPEED
from medcontour.explain import PRESETS
from medcontour.files import replacing

__all__ = ["table", "write_speed"]

COLORS = {"paper": "#555555", "fast": "#c0392b", "thorough": "#2c6fbb"}


def write_speed(speed: Speed, out: Path) -> list[str]:
    """Write ``table.md``, ``table.json``, ``per_image.csv`` and ``figures/objective.png``.

    Parameters
    ----------
    speed
        What was measured.
    out
        The folder, which is there.

    Returns
    -------
    list of str
        The files' names.
    """
    (out / "figures").mkdir(exist_ok=True)
    with replacing(out / "table.md") as file:
        file.write_text(table(speed), encoding="utf-8")
    with replacing(out / "table.json") as file:
        file.write_text(json.dumps(speed.to_dict(), indent=1) + "\n", encoding="utf-8")
    with (
        replacing(out / "per_image.csv") as file,
        file.open("w", newline="", encoding="utf-8") as rows,
    ):
        names = [name for name in asdict(speed.records[0]) if name not in ("key", "path")]
        writer = csv.DictWriter(rows, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(asdict(record) for record in speed.records)
    with replacing(out / "figures" / "objective.png") as file:
        _figure(speed, file)
    return ["table.md", "table.json", "per_image.csv", "figures/objective.png"]


def table(speed: Speed) -> str:
    """Give the comparison as Markdown, with 95 % bootstrap intervals."""
    lines = [
        "| workload | images | preset | evaluations | objective | keeps | leaves | area | failures "
        "| s a contour | level with paper |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for workload in speed.workloads:
        for name in PRESETS:
            own = speed.of(workload, name)
            level = speed.level(workload, name)
            low, high = mean_interval([float(hit) for hit in level])[1:]
            share = f"{fmean(level):.2f} ({low:.2f} to {high:.2f})" if name != "paper" else ""
            lines.append(
                f"| {workload} | {len(own)} | {name} | {fmean(r.evaluations for r in own):.1f} "
                f"| {_mean([r.objective for r in own])} "
                f"| {fmean(r.preserved for r in own):.2f} | {fmean(r.deleted for r in own):.2f} "
                f"| {fmean(r.area_fraction for r in own):.3f} | {sum(r.failed for r in own)} "
                f"| {fmean(r.seconds for r in own):.2f} | {share} |"
            )
    budgets = SPEED.budgets
    lines += ["", "| workload | " + " | ".join(f"level at {b:.0f}" for b in budgets) + " |"]
    lines += ["|---" * (1 + len(budgets)) + "|"]
    for workload in speed.workloads:
        shares = [fmean(speed.level(workload, evaluations=budget)) for budget in budgets]
        lines.append(f"| {workload} | " + " | ".join(f"{share:.2f}" for share in shares) + " |")
    lines += ["", *_notes(speed)]
    return "\n".join(lines) + "\n"


def _notes(speed: Speed) -> Iterator[str]:
    yield (
        "- Objective: `deleted - preserved + area_weight * area` of the hard mask (tau = 100), the "
        "same background and weight for all presets; lower is better, -1 is all of the score in "
        "no area. Means with 95 % bootstrap intervals."
    )
    yield (
        "- Keeps, leaves: similarity of the preserved and the deleted image, 1 the original's, 0 "
        "the background's."
    )
    yield (
        "- Level with paper: share of images on which a preset is within 0.01 of paper's "
        "objective, or better. The second table stops fast at so many evaluations, with the best "
        "contour that it had then."
    )
    yield (
        "- Failures: contours whose preserved and deleted similarity differ by under 0.1, or that "
        "cover under 4 pixels or over 70 % of the image."
    )
    yield (
        f"- Seconds: of this machine, batches of {SPEED.batch}, one after the other; compare "
        "within a workload."
    )
    steps = "; ".join(
        f"{workload} {', '.join(f'{name} {ratio:.2f}' for name, ratio in own.items())}"
        for workload, own in speed.overhead.items()
    )
    yield (
        "- A step over the bare forward and backward pass of the network (median of pairs): "
        f"{steps}."
    )
    if warm := speed.warm_start["slices"]:
        yield (
            f"- A slice that starts from its neighbour: {speed.warm_start['evaluations']:.1f} "
            f"evaluations on average over {warm:.0f} slices (from the start "
            f"{speed.warm_start['cold_evaluations']:.1f}), level with a cold start on "
            f"{speed.warm_start['level_share']:.2f} of them."
        )
    yield f"- Peak memory of the process: {speed.peak_memory_mb} MB."


def _mean(values: list[float]) -> str:
    low, high = mean_interval(values)[1:]
    return f"{fmean(values):.3f} ({low:.3f} to {high:.3f})"


def _figure(speed: Speed, file: Path) -> None:
    """Objective against evaluations, one panel a workload."""
    workloads = speed.workloads
    figure = Figure(figsize=(3.2 * len(workloads), 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(workloads), squeeze=False)
    for axis, workload in zip(axes[0], workloads, strict=True):
        for name in PRESETS:
            own = speed.of(workload, name)
            first = max(record.path[0][0] for record in own)
            marks = sorted({evaluations for record in own for evaluations, _ in record.path})
            marks = [mark for mark in marks if mark >= first]
            curve = [fmean(record.objective_after(mark) for record in own) for mark in marks]
            axis.plot(marks, curve, color=COLORS[name], marker=".", label=name)
        axis.set_xscale("log")
        axis.set_title(f"{workload} ({len(speed.of(workload, 'fast'))} images)", fontsize=10)
        axis.set_xlabel("evaluations a contour")
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel("objective (lower is better)")
    axes[0][0].legend(frameon=False)
    figure.savefig(file, dpi=150, format="png")
