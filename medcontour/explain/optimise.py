"""Algorithm 1: optimise contours by the classifier's gradients, batched over images."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from medcontour.contour import FourierContour, RadiusLaw
from medcontour.errors import MedcontourError
from medcontour.explain.objective import Objective
from medcontour.explain.perturbation import SHARP, Perturbation
from medcontour.explain.start import start_circles

__all__ = ["PRESETS", "Fit", "Preset", "optimise"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Preset:
    """How contours are searched.

    Attributes
    ----------
    name
        ``"paper"`` or ``"fast"``.
    steps
        Gradient steps, one evaluation each.
    law, harmonics, frame
        The curve: radius law, K, and whether the anisotropic frame is free.
    from_evidence
        Start at the best evidence peak instead of the paper's circle in the middle (r0 = 0.5).
    rates
        Learning rate of center, size, harmonics and frame.
    one_cycle
        Raise the rate over the first third of the steps, then let it fall to nearly zero;
        otherwise it is constant.
    weight_decay
        AdamW's. It pulls the center to the middle: the paper's default, zero in ours.
    sharpness
        tau at the first step, annealed to 100 by Eq. 14's cosine (in its logarithm for
        `one_cycle`, so that the soft phase is not skipped when steps are few).
    area_weight
        lambda_a of Eq. 5; None is Eq. 8's ``min(5, 1 / (1 - similarity))``. Ours is 10, for
        lesions of about a hundredth of the image: a contour may grow by 1 % of the image for a
        tenth of the answer.
    spectral_weight
        lambda_r of Eq. 5.
    normalise
        Whether an embedding objective is to be measured from the background.
    """

    name: str
    steps: int
    law: RadiusLaw
    harmonics: int
    frame: bool
    from_evidence: bool
    rates: dict[str, float]
    one_cycle: bool
    weight_decay: float
    sharpness: float
    area_weight: float | None
    spectral_weight: float
    normalise: bool


PRESETS: dict[str, Preset] = {
    # r0 goes through a sigmoid (slope 0.225 in the middle): its rate is 0.003 / 0.225.
    "paper": Preset(
        name="paper",
        steps=1000,
        law="bounded",
        harmonics=5,
        frame=False,
        from_evidence=False,
        rates={"center": 0.003, "size": 0.003 / 0.225, "harmonics": 0.003},
        one_cycle=False,
        weight_decay=0.01,
        sharpness=1.0,
        area_weight=None,
        spectral_weight=0.01,
        normalise=False,
    ),
    "fast": Preset(
        name="fast",
        steps=36,
        law="log",
        harmonics=5,
        frame=True,
        from_evidence=True,
        rates={"center": 0.03, "size": 0.1, "harmonics": 0.05, "frame": 0.05},
        one_cycle=True,
        weight_decay=0.0,
        sharpness=40.0,
        area_weight=10.0,
        spectral_weight=0.03,
        normalise=True,
    ),
}


@dataclass(frozen=True)
class Fit:
    """Optimised contours and how they did.

    Attributes
    ----------
    contours
        B curves.
    preserved, deleted
        (B,) similarity to the original's answer under the hard mask (tau = 100).
    area_fraction
        (B,) area inside the image over the image's area.
    evaluations
        Preserve + delete pairs an image, forward and backward; forward only counts half.
    history
        ``"loss"``, ``"preserved"``, ``"deleted"``, ``"area_fraction"``, each (steps, B), of the
        soft masks on the way, and ``"sharpness"`` (steps,).
    """

    contours: FourierContour
    preserved: Tensor
    deleted: Tensor
    area_fraction: Tensor
    evaluations: float
    history: dict[str, Tensor] = field(repr=False)


def optimise(
    perturbation: Perturbation,
    objective: Objective,
    preset: Preset | str = "fast",
    *,
    area: float | None = None,
    start: FourierContour | None = None,
    progress: Progress | None = None,
) -> Fit:
    """Find for each image the smallest smooth curve that keeps and carries the answer.

    Minimises Eq. 5, ``-s(preserved) + s(deleted) + lambda_a * area + lambda_r * spectrum``, with
    the similarity s of the objective. Deterministic: nothing is drawn at random.

    Parameters
    ----------
    perturbation
        B images with their backgrounds.
    objective
        What similarity means.
    preset
        One of `PRESETS` by name, or your own.
    area
        Fraction of the image that every contour is to cover (Eq. 10): held exactly at each step
        by rescaling the curve.
    start
        B curves to start from instead of the preset's start.
    progress
        Called with (steps done, steps in all).

    Raises
    ------
    MedcontourError
        For an area fraction outside what a curve inside the image can reach.
    """
    if isinstance(preset, str):
        preset = PRESETS[preset]
    if area is not None:
        preset = replace(preset, law="log")
        _check_area(area)
    count = len(perturbation)
    evaluations = float(preset.steps)
    if start is None and preset.from_evidence:
        weight = 1.0 if preset.area_weight is None else preset.area_weight
        start, cost = start_circles(perturbation, objective, 0.0 if area is not None else weight)
        evaluations += cost
    elif start is None:
        middle = perturbation.points.new_zeros(count, 2)
        start = FourierContour.circles(middle, middle[:, 0] + 0.5, preset.harmonics, law=preset.law)
    curves = start.detach()
    parameters = curves.tensors()
    groups = []
    for name, rate in preset.rates.items():
        parameters[name].requires_grad_(True)
        groups.append({"params": [parameters[name]], "lr": rate, "rate": rate})
    optimiser = torch.optim.AdamW(groups, weight_decay=preset.weight_decay)

    which = torch.arange(count, device=perturbation.images.device)
    low, high = perturbation.bounds
    history: dict[str, list[Tensor]] = {
        name: [] for name in ("loss", "preserved", "deleted", "area_fraction")
    }
    sharpness = _sharpness(preset)
    for step in range(preset.steps):
        if area is not None:
            _hold_area(curves, area * perturbation.plane.area)
        mask = curves.mask(perturbation.points, sharpness[step])
        preserved, deleted = perturbation.similarities(objective, mask, which)
        fraction = curves.area() / perturbation.plane.area
        extremal = deleted - preserved
        loss = extremal + preset.spectral_weight * curves.spectral_energy()
        if area is None:
            loss = loss + _area_weight(preset, preserved) * fraction
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss.sum())
        for group in optimiser.param_groups:
            group["lr"] = group["rate"] * _one_cycle(preset, step)
        optimiser.step()
        with torch.no_grad():
            curves.center.clamp_(low, high)
        for name, value in zip(history, (loss, preserved, deleted, fraction), strict=True):
            history[name].append(value.detach())
        if progress:
            progress(step + 1, preset.steps)

    curves = curves.detach()
    if area is not None:
        curves = _hold_area_inside(curves, perturbation, area)
    preserved, deleted = perturbation.judge(objective, curves, which)
    evaluations += 0.5
    return Fit(
        contours=curves,
        preserved=preserved,
        deleted=deleted,
        area_fraction=curves.area_inside(perturbation.plane) / perturbation.plane.area,
        evaluations=evaluations,
        history={name: torch.stack(values) for name, values in history.items()}
        | {"sharpness": torch.tensor(sharpness)},
    )


def _sharpness(preset: Preset) -> list[float]:
    """tau for each step: Eq. 14, reaching 100 at the last step."""
    taus = []
    for step in range(preset.steps):
        share = (1 - math.cos(math.pi * step / max(preset.steps - 1, 1))) / 2
        if preset.one_cycle:
            taus.append(preset.sharpness * (SHARP / preset.sharpness) ** share)
        else:
            taus.append(preset.sharpness + (SHARP - preset.sharpness) * share)
    return taus


def _one_cycle(preset: Preset, step: int) -> float:
    """Share of the full rate: cosine up over a third of the steps, cosine down to 2 %."""
    if not preset.one_cycle:
        return 1.0
    peak = max(1, preset.steps // 3)
    if step < peak:
        return 0.3 + 0.7 * (1 - math.cos(math.pi * step / peak)) / 2
    share = (step - peak) / max(1, preset.steps - 1 - peak)
    return 0.02 + 0.98 * (1 + math.cos(math.pi * share)) / 2


def _area_weight(preset: Preset, preserved: Tensor) -> Tensor | float:
    """lambda_a: fixed, or Eq. 8 per image, detached; ``1 - s`` is kept off zero by the cap of 5."""
    if preset.area_weight is not None:
        return preset.area_weight
    return 1.0 / (1.0 - preserved.detach()).clamp_min(0.2)


def _check_area(area: float) -> None:
    # A circle about the middle of a square plane covers pi / 4 of it; a smaller one than a few
    # pixels explains nothing.
    if not 0.001 <= area <= math.pi / 4:
        raise MedcontourError(
            f"an area fraction of {area:g} is out of reach: one contour covers from 0.001 to "
            f"{math.pi / 4:.3f} of the image; ask for a fraction in that range."
        )


@torch.no_grad()
def _hold_area(curves: FourierContour, area: float) -> None:
    """Rescale curves of the log law to an area, in place: area goes with exp(2 size)."""
    curves.size.add_(0.5 * torch.log(area / curves.area()))


@torch.no_grad()
def _hold_area_inside(
    curves: FourierContour, perturbation: Perturbation, area: float
) -> FourierContour:
    """Rescale curves of the log law until their area inside the image is the asked one."""
    plane = perturbation.plane
    curves = curves.detach()
    low, high = curves.size - 3.0, curves.size + 3.0
    for _ in range(30):
        middle = (low + high) / 2
        large = replace(curves, size=middle).area_inside(plane) > area * plane.area
        low, high = torch.where(large, low, middle), torch.where(large, middle, high)
    return replace(curves, size=(low + high) / 2)
