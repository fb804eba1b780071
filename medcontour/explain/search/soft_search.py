"""Algorithm 1: gradient steps on the curve's own parameters under an edge that grows sharp."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from medcontour.contour import Shape, Space
from medcontour.contour.descent import Descent
from medcontour.explain.objectives.objective import Objective
from medcontour.explain.perturbation import SHARP, Perturbation
from medcontour.explain.search.area import area_cost, scaled_to_area
from medcontour.explain.search.model_search import Callback, Found
from medcontour.explain.search.preset import Preset

__all__ = ["area_weight", "soft_search"]


def soft_search(
    perturbation: Perturbation,
    objective: Objective,
    which: Tensor,
    start: Shape,
    preset: Preset,
    *,
    area: float | None = None,
    callback: Callback | None = None,
) -> tuple[Found, dict[str, Tensor]]:
    """Anneal the edge from soft to hard (Eq. 14) while AdamW moves the curve.

    Parameters
    ----------
    perturbation, objective
        B images and what similarity means.
    which
        (M,) the images to search on.
    start
        M curves of the preset's parametrisation.
    preset
        Steps, rates, schedule and weights.
    area
        Fraction of the plane or volume to cover (Eq. 10). With a fixed area weight (``log``
        shapes) it is held at each step; with Eq. 8's the paper's penalty on the difference draws
        towards it.
    callback
        Called after each step.

    Returns
    -------
    tuple
        What was found, and the history of the soft masks: ``"loss"``, ``"preserved"``,
        ``"deleted"``, ``"area_fraction"``, each (steps, M), and ``"sharpness"`` (steps,).
    """
    curves, space = start.detach(), perturbation.space
    parameters = curves.tensors()
    rates = {name: rate for name, rate in preset.rates.items() if preset.frame or name != "frame"}
    moved = {name: parameters[name].requires_grad_(True) for name in rates}
    descent = Descent(moved, preset.betas, preset.weight_decay)
    low, high = perturbation.bounds
    history: dict[str, list[Tensor]] = {
        name: [] for name in ("loss", "preserved", "deleted", "area_fraction")
    }
    sharpness = _sharpness(preset)
    held = None if preset.area_weight is None else area
    for step in range(preset.steps):
        if held is not None:
            _hold_share(curves, held, space)
        mask = curves.mask(perturbation.points, sharpness[step])
        preserved, deleted = perturbation.similarities(objective, mask, which)
        fraction = curves.share(space)
        loss = deleted - preserved + preset.spectral_weight * curves.spectral_energy()
        if area is None:
            loss = loss + area_weight(preset, preserved, step) * area_cost(fraction, space)
        elif held is None:
            loss = loss + area_weight(preset, preserved, step) * (fraction - area).abs()
        torch.autograd.backward(loss.sum())
        cycle = _one_cycle(preset, step)
        descent.step({name: rate * cycle for name, rate in rates.items()})
        with torch.no_grad():
            curves.center.clamp_(low, high)
        for name, value in zip(history, (loss, preserved, deleted, fraction), strict=True):
            history[name].append(value.detach())
        if callback:
            callback(torch.full_like(fraction.detach(), step + 1), which, curves)

    curves = curves.detach()
    if held is not None:
        curves = scaled_to_area(curves, space, held)
    preserved, deleted = perturbation.judge(objective, curves, which)
    fraction = curves.share_inside(space)
    loss = deleted - preserved
    if area is None and preset.area_weight is not None:
        loss = loss + preset.area_weight * area_cost(fraction, space)
    spent = torch.full_like(loss, preset.steps + 0.5)
    found = Found(curves, loss, preserved, deleted, fraction, spent)
    told = {name: torch.stack(values) for name, values in history.items()}
    return found, told | {"sharpness": torch.tensor(sharpness)}


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


def area_weight(preset: Preset, preserved: Tensor, step: int) -> Tensor | float:
    """lambda_a: Eq. 8 per image, detached, or fixed and rising to its full value half way."""
    if preset.area_weight is None:
        # 1 - s is kept off zero by the cap of 5.
        return 1.0 / (1.0 - preserved.detach()).clamp_min(0.2)
    share = min(1.0, 2 * step / max(1, preset.steps - 1))
    return preset.area_weight * (preset.first_area_share * (1 - share) + share)


@torch.no_grad()
def _hold_share(curves: Shape, share: float, space: Space) -> None:
    """Rescale ``log`` shapes to a share of their space, in place: it goes with exp(n size)."""
    curves.size.add_(torch.log(share / curves.share(space)) / curves.center.shape[1])
