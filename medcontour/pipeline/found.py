"""What was found on a batch of slices, one contour each or several."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from medcontour.contour import FourierContour
from medcontour.explain import (
    PRESETS,
    InBFloat16,
    Objective,
    Perturbation,
    Preset,
    judge_together,
    optimise,
    optimise_several,
)
from medcontour.pipeline.settings import Settings
from medcontour.progress import StepProgress

__all__ = ["POSITIVE", "Found", "preset_of", "search", "unsearched"]

POSITIVE = 0.5


@dataclass(frozen=True)
class Found:
    """The contours of each of B slices, and how they do together.

    Attributes
    ----------
    curves
        For each slice its curves, one or more.
    gains
        For each slice what the removal of each curve costs the extremal score of all that the
        search left; empty where a single one was looked for.
    pruned
        For each slice how many were looked for and dropped as idle.
    preserved, deleted, area_fraction, evaluations
        (B,) as of `medcontour.explain.Fit`, of a slice's curves together.
    """

    curves: tuple[FourierContour, ...]
    gains: tuple[list[float], ...]
    pruned: tuple[int, ...]
    preserved: Tensor
    deleted: Tensor
    area_fraction: Tensor
    evaluations: Tensor

    def every(self) -> tuple[FourierContour, Tensor]:
        """All curves, slice by slice, and (M,) the place in the batch of each one's slice."""
        counts = torch.tensor([len(curves) for curves in self.curves])
        which = torch.arange(len(counts)).repeat_interleave(counts)
        return FourierContour.cat(list(self.curves)), which.to(self.preserved.device)


def preset_of(settings: Settings) -> Preset:
    """Give the preset with the settings' own area weight."""
    return replace(PRESETS[settings.preset], area_weight=settings.area_weight)


def search(
    perturbation: Perturbation,
    objective: Objective,
    preset: Preset,
    settings: Settings,
    area: float | None,
    step: StepProgress,
    start: FourierContour | None = None,
) -> Found:
    """Look for one contour a slice (Eq. 5, or Eq. 10 with an area), or several at once (Eq. 11).

    `start` holds one curve a slice that the search for one contour goes on from. A search in half
    precision is judged in float32, for half an evaluation more.
    """
    if settings.precision == "bfloat16":
        exact = replace(settings, precision="float32")
        found = search(perturbation, InBFloat16(objective), preset, exact, area, step, start)
        everyone = torch.arange(len(perturbation), device=perturbation.images.device)
        judged = [
            judge_together(perturbation, objective, curves, 1, everyone[k : k + 1])
            for k, curves in enumerate(found.curves)
        ]
        preserved, deleted = (torch.cat(parts) for parts in zip(*judged, strict=True))
        return replace(
            found, preserved=preserved, deleted=deleted, evaluations=found.evaluations + 0.5
        )
    count = len(perturbation)
    if settings.most_contours == 1:
        fit = optimise(perturbation, objective, preset, area=area, start=start, progress=step)
        return Found(
            curves=tuple(fit.curves[k : k + 1] for k in range(count)),
            gains=([],) * count,
            pruned=(0,) * count,
            preserved=fit.preserved,
            deleted=fit.deleted,
            area_fraction=fit.area_fraction,
            evaluations=fit.evaluations,
        )
    several = optimise_several(
        perturbation, objective, settings.most_contours, preset, progress=step
    )
    gains = [
        several.gain[k][several.kept[k]].sort(descending=True).values.tolist() for k in range(count)
    ]
    return Found(
        curves=tuple(several.of_image(k) for k in range(count)),
        gains=tuple(gains),
        pruned=tuple(int(n) for n in several.pruned.tolist()),
        preserved=several.preserved,
        deleted=several.deleted,
        area_fraction=several.area_fraction,
        evaluations=several.evaluations,
    )


@torch.no_grad()
def unsearched(perturbation: Perturbation, objective: Objective, curves: FourierContour) -> Found:
    """Judge one given curve for each of the slices, for half an evaluation."""
    count = len(perturbation)
    everyone = torch.arange(count, device=perturbation.images.device)
    preserved, deleted = judge_together(perturbation, objective, curves, 1, everyone)
    fraction = curves.area_inside(perturbation.plane) / perturbation.plane.area
    return Found(
        curves=tuple(curves[k : k + 1] for k in range(count)),
        gains=([],) * count,
        pruned=(0,) * count,
        preserved=preserved,
        deleted=deleted,
        area_fraction=fraction,
        evaluations=torch.full_like(preserved, 0.5),
    )
