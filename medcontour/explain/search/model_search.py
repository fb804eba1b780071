r"""Search by a linear model of the loss in the mask, which every evaluation makes better.

One evaluation gives the loss of one contour and its gradient with respect to *every* pixel of the
mask. The curve's own gradient uses only the pixels under its edge. Here all are kept: averaged
over the masks visited and smoothed a little, they are a linear model of the loss,

.. math:: \mathcal{L}(m) \approx \text{const} + \langle \bar g, m \rangle + \lambda_a \alpha,

whose best curve within reach of the present one is found without asking the classifier. That
curve is asked about next. Masks are hard (tau = 100) from the first, so that every loss is the
one by which contours are judged, and the best so far is known at each step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from medcontour.contour import Shape
from medcontour.contour.descent import Descent
from medcontour.explain.background import gaussian_blur
from medcontour.explain.objectives.objective import Objective
from medcontour.explain.perturbation import SHARP, Perturbation
from medcontour.explain.search.area import area_cost, scaled_to_area

__all__ = ["Callback", "Found", "model_search"]

Callback = Callable[[Tensor, Tensor, Any], None]
"""Called with the evaluations each image has cost (M,), which images (M,), and their M curves."""


@dataclass(frozen=True)
class ModelSearchConstants:
    """How the linear model is followed.

    The values were chosen on tuning images, twelve of each kind; what else was tried is in
    `docs/results/speed.md`. Pairs are of the first and the last step, and go geometrically from
    one to the other.

    Attributes
    ----------
    memory
        Share of the model that stays when a gradient is added. Without memory it was clearly worse.
    smoothing
        Standard deviation of the model's blur, in plane coordinates.
    coarsest, least_cells
        The model is read on a grid of so many input pixels a cell at most, and so many cells along
        the shorter side at least: for time, and for small images.
    least_cells_of_volumes
        The same along every side of a volume, for time.
    inner_steps
        Steps of Adam from one curve to the next, without an evaluation.
    inner_sharpness
        tau of the curves in these.
    inner_betas
        Adam's in these.
    rates
        Its learning rates of center (in radii), size, harmonics and frame at the first step.
    last_rate
        Share of these at the last step.
    inner_fall
        Share of the rates that is lost in the course of the inner steps.
    reach
        What a change of the mask costs, as a share of the mask: how far the model is trusted.
    caution_after_better, caution_after_worse
        What that price is multiplied by where a step was better than any before, and where not.
    least_caution, most_caution
        Between which the product stays.
    worse
        A loss higher than the best by more goes back to the best curve; falls to 0 at the last
        step.
    least_gain, patience
        An image whose best loss falls by no more over so many steps is done. Loosened from 0.003
        and 4 when the presets were first compared.
    """

    memory: float = 0.7
    smoothing: tuple[float, float] = (0.05, 0.005)
    coarsest: int = 4
    least_cells: int = 32
    least_cells_of_volumes: int = 16
    inner_steps: int = 10
    inner_sharpness: tuple[float, float] = (30.0, 80.0)
    inner_betas: tuple[float, float] = (0.8, 0.95)
    rates: dict[str, float] = field(
        default_factory=lambda: {"center": 0.05, "size": 0.12, "harmonics": 0.1, "frame": 0.1}
    )
    last_rate: float = 0.2
    inner_fall: float = 0.8
    reach: float = 0.05
    caution_after_better: float = 0.7
    caution_after_worse: float = 1.6
    least_caution: float = 0.3
    most_caution: float = 10.0
    worse: float = 0.1
    least_gain: float = 0.001
    patience: int = 8


MODEL_SEARCH = ModelSearchConstants()


@dataclass(frozen=True)
class Found:
    """What a search found for M images.

    Attributes
    ----------
    contours
        M curves.
    loss, preserved, deleted, area_fraction
        (M,) under the hard mask; the loss without its spectral term.
    evaluations
        (M,): preserve + delete pairs.
    """

    contours: Shape
    loss: Tensor
    preserved: Tensor
    deleted: Tensor
    area_fraction: Tensor
    evaluations: Tensor


def model_search(
    perturbation: Perturbation,
    objective: Objective,
    which: Tensor,
    start: Shape,
    *,
    steps: int,
    area_weight: float,
    spectral_weight: float,
    evidence: Tensor | None = None,
    area: float | None = None,
    frame: bool = True,
    callback: Callback | None = None,
) -> Found:
    """Follow the linear model of the loss from a start, one evaluation a step.

    An image whose best loss has hardly fallen over the last eight steps retires.

    Parameters
    ----------
    perturbation, objective
        B images and what similarity means.
    which
        (M,) the images to search on.
    start
        M curves of the log parametrisation.
    steps
        At most so many evaluations an image.
    area_weight, spectral_weight
        lambda_a and lambda_r of Eq. 5.
    evidence
        (M, H, W) or (M, D, H, W), see `evidence_map`: the model's first term. None: learnt from
        the start alone.
    area
        Fraction of the plane to hold (Eq. 10) instead of paying for area.
    frame
        Whether the anisotropic frame is free.
    callback
        Called after each step.
    """
    c = MODEL_SEARCH
    space = perturbation.space
    count = len(which)
    current = _held(start.detach(), perturbation, area)
    model = None if evidence is None else -evidence
    zeros = perturbation.points.new_zeros(count)
    best = Found(current, zeros + torch.inf, zeros, zeros, zeros, zeros.clone())
    caution = zeros + 1.0
    rows = torch.arange(count, device=zeros.device)  # those still at work, by their place in best
    asked = which
    losses: list[Tensor] = []
    for step in range(steps):
        share = step / max(1, steps - 1)
        mask = current.mask(perturbation.points, SHARP).detach().requires_grad_(True)
        preserved, deleted = perturbation.similarities(objective, mask, asked)
        (gradient,) = torch.autograd.grad((deleted - preserved).sum(), mask)
        fraction = current.share_inside(space)
        loss = (deleted - preserved).detach()
        if area is None:
            loss = loss + area_weight * area_cost(fraction, space)
        better = loss < best.loss[rows]
        worse_by_far = loss > best.loss[rows] + c.worse * (1 - share)
        best = _improved(
            best, rows, better, current, (loss, preserved.detach(), deleted.detach(), fraction)
        )
        if callback:
            callback(best.evaluations, which, best.contours)
        model = gradient if model is None else c.memory * model + (1 - c.memory) * gradient
        caution = torch.where(
            better, c.caution_after_better * caution, c.caution_after_worse * caution
        ).clamp(c.least_caution, c.most_caution)
        losses.append(best.loss)
        if step == steps - 1:
            break
        # One look at the numbers every few steps: each waits for the device.
        if step >= c.patience and step % 2 == 0:
            busy = (losses[-1 - c.patience] - best.loss > c.least_gain)[rows]
            if not bool(busy.all()):
                if not bool(busy.any()):
                    break
                rows, model, caution = rows[busy], model[busy], caution[busy]
                current, worse_by_far, asked = current[busy], worse_by_far[busy], which[rows]
        base = _where(worse_by_far, best.contours[rows], current)
        current = _held(
            _next_curve(
                base, model, perturbation, share, caution, area_weight, spectral_weight, area, frame
            ),
            perturbation,
            area,
        )
    return best


def _next_curve(
    base: Shape,
    model: Tensor,
    perturbation: Perturbation,
    share: float,
    caution: Tensor,
    area_weight: float,
    spectral_weight: float,
    area: float | None,
    frame: bool,
) -> Shape:
    """The curve near `base` for which the linear model promises most; no evaluation."""
    c = MODEL_SEARCH
    sigma = _between(c.smoothing, share)
    smooth = gaussian_blur(model.unsqueeze(1), [sigma / side for side in perturbation.input_pixel])
    cell = _cell(model)
    pool = F.avg_pool2d if len(cell) == 2 else F.avg_pool3d
    smooth = pool(smooth, cell)[:, 0] * math.prod(cell)
    points = pool(perturbation.points.movedim(-1, 0).unsqueeze(0), cell)[0].movedim(0, -1)
    tau = _between(c.inner_sharpness, share)
    with torch.no_grad():
        before = base.mask(points, tau)
        covered = before.flatten(1).sum(1).clamp_min(10.0)
    center, low, high = base.center, *perturbation.bounds
    unit = base.size.exp().clamp(max=0.5).unsqueeze(-1)
    free = {name: tensor.clone().requires_grad_(True) for name, tensor in base.tensors().items()}
    offset = torch.zeros_like(center).requires_grad_(True)
    free["center"] = offset
    names = [n for n in c.rates if (frame or n != "frame") and (area is None or n != "size")]
    decay = c.last_rate**share
    descent = Descent({name: free[name] for name in names}, c.inner_betas)

    def curves() -> Shape:
        moved = {**free, "center": (center + offset * unit).clamp(low, high)}
        return base.with_tensors(moved)

    for step in range(c.inner_steps):
        tried = curves()
        mask = tried.mask(points, tau)
        promise = (smooth * mask).flatten(1).sum(1)
        moved = (mask - before).square().flatten(1).sum(1) / covered
        loss = promise + spectral_weight * tried.spectral_energy() + c.reach * caution * moved
        if area is None:
            share_now = tried.share(perturbation.space)
            loss = loss + area_weight * area_cost(share_now, perturbation.space)
        torch.autograd.backward(loss.sum(), inputs=[free[name] for name in names])
        fallen = decay * (1 - c.inner_fall * step / c.inner_steps)
        descent.step({name: c.rates[name] * fallen for name in names})
        if area is not None:
            with torch.no_grad():
                off = area / curves().share(perturbation.space)
                free["size"].add_(torch.log(off) / center.shape[1])
    return curves().detach()


def _cell(model: Tensor) -> tuple[int, ...]:
    """Pixels that are read as one along each axis: of images the same along both."""
    c, sides = MODEL_SEARCH, model.shape[1:]
    if len(sides) == 2:
        return (min(c.coarsest, max(1, min(sides) // c.least_cells)),) * 2
    return tuple(min(c.coarsest, max(1, side // c.least_cells_of_volumes)) for side in sides)


def _between(ends: tuple[float, float], share: float) -> float:
    first, last = ends
    return float(first * (last / first) ** share)


def _held(curves: Shape, perturbation: Perturbation, area: float | None) -> Shape:
    return curves if area is None else scaled_to_area(curves, perturbation.space, area)


def _where(condition: Tensor, one: Shape, other: Shape) -> Shape:
    others = other.tensors()
    chosen = {
        name: torch.where(condition.view(-1, *(1,) * (value.ndim - 1)), value, others[name])
        for name, value in one.tensors().items()
    }
    return other.with_tensors(chosen)


def _improved(
    best: Found,
    rows: Tensor,
    better: Tensor,
    current: Shape,
    figures: tuple[Tensor, Tensor, Tensor, Tensor],
) -> Found:
    """`best` with what is better on some of its rows, and one evaluation more on all of those."""

    def put(old: Tensor, new: Tensor) -> Tensor:
        keep = better.view(-1, *(1,) * (new.ndim - 1))
        return old.index_put((rows,), torch.where(keep, new, old[rows]))

    currents = current.tensors()
    contours = {name: put(value, currents[name]) for name, value in best.contours.tensors().items()}
    names = ("loss", "preserved", "deleted", "area_fraction")
    values = {name: put(getattr(best, name), new) for name, new in zip(names, figures, strict=True)}
    spent = best.evaluations.index_add(0, rows, torch.ones_like(figures[0]))
    return Found(best.contours.with_tensors(contours), evaluations=spent, **values)
