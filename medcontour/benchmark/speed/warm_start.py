"""What a slice costs that starts from its neighbour's contour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from medcontour.benchmark.speed.protocol import SPEED
from medcontour.benchmark.speed.workload import Workload
from medcontour.contour import FourierContour
from medcontour.explain import PRESETS, optimise

__all__ = ["measure_warm_start"]


def measure_warm_start(runs: Sequence[Workload]) -> dict[str, float]:
    """Start each slice but the first of a run from its neighbour's contour.

    Parameters
    ----------
    runs
        Workloads whose images are consecutive slices of one lesion.

    Returns
    -------
    dict
        ``evaluations`` (mean), ``cold_evaluations`` of the same slices without a start,
        ``level_share`` (objective within 0.01 of the cold start's, or better) and ``slices``.
    """
    warm: list[float] = []
    cold: list[float] = []
    level: list[bool] = []
    for run in runs:
        fast = replace(PRESETS["fast"], area_weight=run.area_weight)
        before: FourierContour | None = None
        for index in range(len(run)):
            which = slice(index, index + 1)
            perturbation = run.perturbation(which)
            objective = run.objective(perturbation, which)
            alone = optimise(perturbation, objective, fast)
            if before is None:
                before = alone.curves
                continue
            fit = optimise(perturbation, objective, fast, start=before)
            before = fit.curves
            losses = [
                float(f.deleted - f.preserved + run.area_weight * f.area_fraction)
                for f in (fit, alone)
            ]
            warm.append(float(fit.evaluations))
            cold.append(float(alone.evaluations))
            level.append(losses[0] <= losses[1] + SPEED.level)
    if not warm:
        return {"slices": 0, "evaluations": 0.0, "cold_evaluations": 0.0, "level_share": 0.0}
    return {
        "slices": len(warm),
        "evaluations": fmean(warm),
        "cold_evaluations": fmean(cold),
        "level_share": fmean(level),
    }
