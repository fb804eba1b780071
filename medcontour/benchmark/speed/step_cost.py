"""What a step of the searches costs beside the network's own pass."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median

import torch

from medcontour.benchmark.speed.protocol import SPEED
from medcontour.benchmark.speed.workload import Workload
from medcontour.contour import FourierContour
from medcontour.explain import PRESETS, model_search, soft_search

__all__ = ["measure_overhead"]


def measure_overhead(workload: Workload) -> dict[str, float]:
    """Time a step of either search against the bare pass of the network on the same batch.

    Returns
    -------
    dict
        ``"soft"`` and ``"model"``: median ratio over pairs timed one after the other.
    """
    which = slice(0, min(SPEED.batch, len(workload)))
    perturbation = workload.perturbation(which)
    objective = workload.objective(perturbation, which)
    rows = torch.arange(len(perturbation))
    fast = replace(PRESETS["fast"], area_weight=workload.area_weight)
    start = FourierContour.circles(torch.zeros(len(rows), 2), torch.full((len(rows),), 0.5))

    def bare(steps: int) -> None:
        for _ in range(steps):
            both = torch.cat([perturbation.images, perturbation.background]).requires_grad_(True)
            torch.autograd.grad(objective.similarity(both, rows.repeat(2)).sum(), both)

    def soft(steps: int) -> None:
        soft_search(perturbation, objective, rows, start, replace(fast, steps=steps))

    def model(steps: int) -> None:
        model_search(
            perturbation,
            objective,
            rows,
            start,
            steps=steps,
            area_weight=workload.area_weight,
            spectral_weight=fast.spectral_weight,
        )

    def seconds(run: Callable[[int], None], steps: int) -> float:
        begun = time.perf_counter()
        run(steps)
        return time.perf_counter() - begun

    ratios: dict[str, list[float]] = {"soft": [], "model": []}
    for _ in range(SPEED.step_pairs):
        for name, run in (("soft", soft), ("model", model)):
            # The difference of two lengths is what the steps cost, without what comes once.
            passes = seconds(bare, SPEED.steps)
            ratios[name].append((seconds(run, 1 + SPEED.steps) - seconds(run, 1)) / passes)
    return {name: median(values) for name, values in ratios.items()}
