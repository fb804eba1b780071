"""Figures of methods compared: the sheet of images, the metrics, fidelity against area."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from medcontour.benchmark.compare.published import published_rows
from medcontour.benchmark.compare.record import METRICS, Case, Results
from medcontour.benchmark.metrics.intervals import mean_interval
from medcontour.classifier import Classifier
from medcontour.explain import (
    BACKGROUNDS,
    AreaMap,
    EmbeddingObjective,
    Objective,
    Perturbation,
    TargetObjective,
    area_map,
)
from medcontour.files import replacing
from medcontour.frozen import frozen

__all__ = ["AREAS", "draw_fidelity", "draw_metrics", "draw_sheet", "write_figures"]

AREAS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
OURS, THEIRS, TRUTH = "#c0392b", "#555555", "#2ecc71"


def write_figures(results: Results, model: Classifier, out: Path, fidelity: int = 0) -> list[str]:
    """Write ``figures/sheet.png``, ``metrics.png`` and, with `fidelity`, ``fidelity_area.png``.

    Parameters
    ----------
    results, model
        Of `run`, and the network that it was given.
    out
        The folder, which is there.
    fidelity
        Images of the fidelity-area figure; each takes a contour of each of `AREAS`.

    Returns
    -------
    list of str
        The files' names.
    """
    (out / "figures").mkdir(exist_ok=True)
    files = {"figures/sheet.png": draw_sheet(results), "figures/metrics.png": draw_metrics(results)}
    shown = results.shown[:fidelity]
    if shown:
        files["figures/fidelity_area.png"] = draw_fidelity(model, shown)
    for name, figure in files.items():
        with replacing(out / name) as file:
            figure.savefig(file, dpi=130, format="png")
    return list(files)


def draw_sheet(results: Results) -> Figure:
    """Images by methods, as in Fig. 1: each map over its image, its half-height line drawn."""
    rows, columns = len(results.shown), 1 + len(results.methods)
    figure = Figure(figsize=(1.6 * columns, 1.7 * rows + 0.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False)
    for line, case in zip(axes, results.shown, strict=True):
        picture = _picture(case)
        for axis in line:
            axis.imshow(picture)
            axis.set_axis_off()
        line[0].contour(_upright(case.truth[0], case), [0.5], colors=TRUTH, linewidths=1)
        for axis, method in zip(line[1:], results.methods, strict=True):
            found = results.maps.get((case.item.name, method))
            if found is None:
                axis.text(0.5, 0.5, "no map", transform=axis.transAxes, ha="center")
                continue
            values = _upright(found.clamp_min(0), case)
            axis.imshow(values, cmap="inferno", alpha=0.55)
            if method.startswith("extremal") and values.min() < 0.5 < values.max():
                axis.contour(values, [0.5], colors="#3498db", linewidths=1.2)
    for axis, title in zip(axes[0], ("image, object", *results.methods), strict=True):
        axis.set_title(title, fontsize=7)
    return figure


def draw_metrics(results: Results) -> Figure:
    """Means with intervals, a panel a metric; the paper's own in grey where it has the same."""
    metrics = [m for m in METRICS if any(results.values(k, m.name) for k in results.methods)]
    across = 4
    down = -(-len(metrics) // across)
    height = 0.7 + 0.22 * len(results.methods)
    figure = Figure(figsize=(3.1 * across, height * down + 0.3), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(down, across, squeeze=False, sharey=True).flat
    theirs = {row.method: row.values for row in published_rows(results.kind, results.model)}
    for axis, metric in zip(panels, metrics, strict=False):
        for place, method in enumerate(results.methods):
            for values, color, shift in (
                (mean_interval([*results.values(method, metric.name).values()]), OURS, -0.12),
                (theirs.get(method, {}).get(metric.name), THEIRS, 0.12),
            ):
                if values is not None and not np.isnan(values[0]):
                    axis.plot(values[1:], [place + shift] * 2, color=color)
                    axis.plot(values[0], place + shift, "o", color=color, markersize=4)
        arrow = "→" if metric.better > 0 else "←"
        axis.set_title(f"{metric.title} ({arrow} better)", fontsize=9)
        axis.set_yticks(range(len(results.methods)), results.methods, fontsize=7)
        axis.tick_params(axis="x", labelsize=7)
        axis.grid(axis="x", alpha=0.3)
    for axis in list(panels):
        axis.set_axis_off()
    figure.axes[0].invert_yaxis()
    if theirs:
        figure.supxlabel("red: this run; grey: the paper's own, on other images", fontsize=8)
    return figure


def draw_fidelity(model: Classifier, shown: Sequence[Case]) -> Figure:
    """Contours of rising area and what they keep, as in Fig. 4, against circles at random."""
    maps = [_areas(model, case) for case in shown]
    figure = Figure(figsize=(2.4 * (len(shown) + 1.6), 2.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(shown) + 1, width_ratios=[1] * len(shown) + [1.6], squeeze=False)
    *pictures, curve = axes[0]
    for axis, case, (found, lines) in zip(pictures, shown, maps, strict=True):
        axis.imshow(_picture(case))
        axis.set_axis_off()
        for k, mask in enumerate(lines):
            shade = 0.25 + 0.7 * k / len(found.areas)
            axis.contour(mask, [0.5], colors=[(1 - shade, 0.35, shade)], linewidths=1.1)
    for name, style in (("preserved", "-"), ("deleted", "--")):
        for prefix, color, label in (("", OURS, "contour"), ("random_", THEIRS, "random circles")):
            values = torch.stack(
                [
                    getattr(found, prefix + name).float().cpu().flatten(1).mean(1)
                    for found, _ in maps
                ]
            ).mean(0)
            curve.plot(AREAS, values, style, color=color, marker=".", label=f"{label}, {name}")
    curve.set_xlabel("area (share of the image)")
    curve.set_ylabel("score kept (1: image, 0: background)")
    curve.legend(frameon=False, fontsize=7)
    curve.grid(alpha=0.3)
    return figure


def _areas(model: Classifier, case: Case) -> tuple[AreaMap, list[npt.NDArray[np.float32]]]:
    images = case.inputs
    background = BACKGROUNDS["gaussian"](images)
    with frozen(model.network):
        objective: Objective
        if model.outputs == "embedding":
            objective = EmbeddingObjective(model.embed, images, background)
        else:
            objective = TargetObjective(model.score, images, background, case.target)
        perturbation = Perturbation.of_images(images, background)
        found = area_map(perturbation, objective, AREAS)
        lines = [
            _upright(curve.mask(perturbation.points).detach()[0], case) for curve in found.contours
        ]
    return found, lines


def _upright(values: Tensor, case: Case) -> npt.NDArray[np.float32]:
    """(H, W, ...) of the input as the image stands."""
    shown = values.transpose(0, 1) if case.turned else values
    return shown.float().cpu().numpy()


def _picture(case: Case) -> npt.NDArray[np.float32]:
    """The input as (H, W, 3) from 0 to 1, by its own range."""
    values = case.inputs[0].detach().float().cpu()
    values = values[:3] if len(values) >= 3 else values[:1].expand(3, -1, -1)
    low, high = values.amin(), values.amax()
    return _upright(((values - low) / (high - low).clamp_min(1e-6)).permute(1, 2, 0), case)
