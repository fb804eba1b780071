"""Several contours of one image at once (Eq. 11): starts, the joint search, idle ones pruned."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from medcontour.contour import FourierContour, Shape
from medcontour.explain.background import gaussian_blur
from medcontour.explain.choices import MOST_CONTOURS
from medcontour.explain.objectives.objective import Objective
from medcontour.explain.perturbation import SHARP, Perturbation
from medcontour.explain.search.preset import PRESETS, JointSearch, Preset
from medcontour.explain.search.soft_search import area_weight as weight_of_area
from medcontour.explain.search.start import START, evidence_map

__all__ = [
    "SeveralFit",
    "evidence_circles",
    "judge_together",
    "optimise_several",
]


@dataclass(frozen=True)
class SeveralConstants:
    """Where several contours start, and which of them are idle.

    The values were chosen on drawn lesions, those of the seeds `TUNED_ON` in
    `experiments/several_lesions.py`.

    Attributes
    ----------
    radii
        Of the circles tried on each evidence peak, in plane coordinates.
    spread
        Standard deviation of the blur under which peaks are looked for, in plane coordinates.
    apart
        No two peaks are nearer than this along both axes, in plane coordinates.
    least_gain
        Of the score (1 is the original's): less is no reason for a contour.
    """

    radii: tuple[float, ...] = (0.05, 0.1, 0.2)
    spread: float = 0.06
    apart: float = 0.12
    least_gain: float = 0.02


SEVERAL = SeveralConstants()


@dataclass(frozen=True)
class SeveralFit:
    """Contours found together.

    Attributes
    ----------
    contours
        B x N curves, image by image, those that were pruned among them.
    kept
        (B, N) bool: which of them are left.
    gain
        (B, N) by how much the extremal score, preserved minus deleted, falls when the contour is
        taken out of those that are left; 0 for one that is not.
    preserved, deleted
        (B,) similarity under the hard mask of those left.
    area_fraction
        (B,) sum of their areas inside the image over the image's area.
    evaluations
        (B,) preserve + delete pairs; one that is only run forward counts half.
    """

    contours: FourierContour
    kept: Tensor
    gain: Tensor
    preserved: Tensor
    deleted: Tensor
    area_fraction: Tensor
    evaluations: Tensor

    def of_image(self, index: int) -> FourierContour:
        """Give the curves left of one image, the one that matters most first."""
        gain = self.gain[index].masked_fill(~self.kept[index], -torch.inf)
        order = gain.argsort(descending=True)[: int(self.kept[index].sum())]
        return self.contours[index * self.kept.shape[1] + order]

    @property
    def pruned(self) -> Tensor:
        """(B,) how many contours were looked for and dropped as idle."""
        return (~self.kept).sum(1)


def evidence_circles(
    perturbation: Perturbation,
    objective: Objective,
    count: int,
    area_weight: float,
    harmonics: int = 5,
) -> tuple[FourierContour, Tensor, float]:
    """Circles on the `count` highest evidence peaks of each image, no two at one place.

    Distinct by non-maximum suppression: equal starts get equal gradients for ever (decision 17).
    Each takes the best of three radii, judged by itself, forward only.

    Returns
    -------
    tuple
        B x `count` ``log`` circles; (B, count) bool: whether there was a peak for it, always true
        of the first; the evaluations an image that they cost.
    """
    plane = perturbation.plane
    evidence = evidence_map(perturbation, objective)
    height, width = perturbation.input_pixel
    sigma = (SEVERAL.spread / height, SEVERAL.spread / width)
    smooth = gaussian_blur(evidence.unsqueeze(1), sigma)[:, 0]
    low, high = perturbation.bounds
    points = perturbation.points
    outside = ((points < low) | (points > high)).any(-1)
    smooth = smooth.masked_fill(outside, -torch.inf)
    around = tuple(max(1, round(SEVERAL.apart / side)) for side in (height, width))
    window = (2 * around[0] + 1, 2 * around[1] + 1)
    highest = F.max_pool2d(smooth.unsqueeze(1), window, stride=1, padding=around).squeeze(1)
    peaks = smooth.masked_fill(smooth < highest, -torch.inf).flatten(1).topk(count)

    images, device = len(perturbation), points.device
    centers = points.reshape(-1, 2)[peaks.indices]  # (B, count, 2)
    every = centers.repeat_interleave(len(SEVERAL.radii), dim=1).reshape(-1, 2)
    radii = every.new_tensor(SEVERAL.radii).repeat(images * count)
    circles = FourierContour.circles(every, radii, harmonics)
    which = torch.arange(images, device=device).repeat_interleave(count * len(SEVERAL.radii))
    preserved, deleted = perturbation.judge(objective, circles, which)
    loss = deleted - preserved + area_weight * circles.area() / plane.area
    best = loss.view(images * count, -1).argmin(1)
    rows = torch.arange(images * count, device=device) * len(SEVERAL.radii) + best
    found = peaks.values > 0
    found[:, 0] = True
    return circles[rows], found, len(START.levels) + count * len(SEVERAL.radii) / 2


@torch.no_grad()
def judge_together(
    perturbation: Perturbation,
    objective: Objective,
    curves: Shape,
    groups: int,
    which: Tensor,
    kept: Tensor | None = None,
    batch: int = 32,
) -> tuple[Tensor, Tensor]:
    """Judge groups of hard contours, the mask of each group its pixelwise maximum (Eq. 11).

    Parameters
    ----------
    curves
        M x N curves, or surfaces, group by group.
    groups
        M.
    which
        (M,) the image of each group.
    kept
        (M, N) bool: which curves count; all by default.
    batch
        Groups at a time.

    Returns
    -------
    tuple
        (M,) similarity preserved, and deleted; forward only.
    """
    size = len(curves) // groups
    preserved, deleted = [], []
    for first in range(0, groups, batch):
        some = slice(first, min(first + batch, groups))
        mask = curves[some.start * size : some.stop * size].mask(perturbation.points, SHARP)
        mask = mask.view(-1, size, *mask.shape[1:])
        if kept is not None:
            mask = mask * kept[some, :, None, None]
        p, d = perturbation.similarities(objective, mask.amax(1), which[some])
        preserved.append(p)
        deleted.append(d)
    return torch.cat(preserved), torch.cat(deleted)


def optimise_several(
    perturbation: Perturbation,
    objective: Objective,
    count: int = MOST_CONTOURS,
    preset: Preset | str = "fast",
    *,
    progress: Callable[[int, int], None] | None = None,
) -> SeveralFit:
    """Find the contours of each image that keep and carry the score together (Eq. 11).

    They start on distinct evidence peaks and are optimised together, at one evaluation a step
    however many there are; areas are summed and not united, so that contours keep apart. In the
    end the maximum of Eq. 11 holds, and contours that add nothing are taken away one by one:
    those without which the extremal score falls by less than their area costs, or than a fiftieth
    of the score. One is always left.

    Parameters
    ----------
    perturbation
        B images with their backgrounds.
    objective
        What similarity means.
    count
        N, the most contours an image may have, 1 to 8. With all 8 the pruning chooses.
    preset
        One of `PRESETS` by name, or your own: its curves, area weight and `JointSearch`. With
        ``"paper"`` masks are Eq. 2's, their maximum is Eq. 11's, radii are Eq. 12's and the area
        weight is Eq. 8's.
    progress
        Called with (steps done, steps in all).

    Examples
    --------
    >>> from dataclasses import replace
    >>> from medcontour.explain import TargetObjective
    >>> images = torch.zeros(1, 1, 48, 48)
    >>> images[..., 8:16, 30:38] = images[..., 30:38, 10:18] = 1.0
    >>> perturbation = Perturbation.of_images(images, torch.zeros_like(images))
    >>> def score(x):
    ...     return 0.1 * x.flatten(1).sum(1, keepdim=True) - 6
    >>> objective = TargetObjective(score, images, perturbation.background, target=0)
    >>> cheap_area = replace(PRESETS["fast"], area_weight=2.0)
    >>> found = optimise_several(perturbation, objective, 4, cheap_area)
    >>> int(found.kept.sum()), int(found.pruned), len(found.of_image(0))
    (2, 2, 2)
    """
    if isinstance(preset, str):
        preset = PRESETS[preset]
    joint = preset.several
    fixed_weight = preset.area_weight or 0.0  # of Eq. 8's the discs know nothing yet
    images = len(perturbation)
    which = torch.arange(images, device=perturbation.images.device)
    circles, kept, cost = evidence_circles(
        perturbation, objective, count, fixed_weight, preset.harmonics
    )
    curves = FourierContour.circles(
        circles.center, circles.mean_radius, preset.harmonics, preset.parametrisation
    )
    parameters = curves.tensors()
    for name in joint.rates:
        parameters[name].requires_grad_(True)
    optimiser = torch.optim.AdamW(
        [{"params": [parameters[name]], "lr": rate} for name, rate in joint.rates.items()],
        weight_decay=preset.weight_decay,
    )
    schedule = _schedule(optimiser, joint)
    low, high = perturbation.bounds
    for step in range(joint.steps):
        share = (1 - math.cos(math.pi * step / max(joint.steps - 1, 1))) / 2
        logit = _sharpness(joint, share) * curves.gap(perturbation.points)
        logit = logit.view(images, count, *logit.shape[1:]).masked_fill(
            ~kept[..., None, None], -torch.inf
        )
        mask = torch.sigmoid(logit.logsumexp(1) if joint.soft_maximum else logit.amax(1))
        preserved, deleted = perturbation.similarities(objective, mask, which)
        fraction = (curves.area() / perturbation.plane.area).view(images, count) * kept
        spectrum = curves.spectral_energy().view(images, count) * kept
        weight = fixed_weight or weight_of_area(preset, preserved, step)
        loss = deleted - preserved + weight * fraction.sum(1)
        loss = loss + joint.spectral_weight * spectrum.sum(1)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss.sum())
        optimiser.step()
        schedule.step()
        with torch.no_grad():
            curves.center.clamp_(low, high)
        if progress:
            progress(step + 1, joint.steps)
    curves = curves.detach()
    kept, gain, preserved, deleted, judged = _pruned(
        perturbation, objective, curves, kept, fixed_weight
    )
    inside = curves.area_inside(perturbation.plane).view(images, count) / perturbation.plane.area
    return SeveralFit(
        contours=curves,
        kept=kept,
        gain=gain,
        preserved=preserved,
        deleted=deleted,
        area_fraction=(inside * kept).sum(1),
        evaluations=cost + joint.steps + judged,
    )


def _schedule(
    optimiser: torch.optim.Optimizer, joint: JointSearch
) -> torch.optim.lr_scheduler.LRScheduler:
    if not joint.one_cycle:
        return torch.optim.lr_scheduler.ConstantLR(optimiser, factor=1.0)
    rates = list(joint.rates.values())
    return torch.optim.lr_scheduler.OneCycleLR(
        optimiser, rates, total_steps=joint.steps + 1, div_factor=3.0
    )


def _sharpness(joint: JointSearch, share: float) -> float:
    """tau, annealed to 100: Eq. 14's cosine, in the logarithm where steps are few."""
    if joint.one_cycle:
        return float(joint.sharpness * (SHARP / joint.sharpness) ** share)
    return joint.sharpness + (SHARP - joint.sharpness) * share


def _pruned(
    perturbation: Perturbation,
    objective: Objective,
    curves: FourierContour,
    kept: Tensor,
    area_weight: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Take the idlest contour out of each image until none is idle.

    Returns
    -------
    tuple
        kept (B, N), gain (B, N), preserved (B,), deleted (B,), evaluations (B,).
    """
    images, count = kept.shape
    device = kept.device
    inside = curves.area_inside(perturbation.plane).view(images, count) / perturbation.plane.area
    least = (area_weight * inside).clamp_min(SEVERAL.least_gain)
    own = torch.arange(images, device=device)
    each = own[:, None] * count + torch.arange(count, device=device)
    without = ~torch.eye(count, dtype=torch.bool, device=device)
    variants = torch.cat([without, torch.ones_like(without[:1])])  # each left out; none left out
    evaluations = torch.zeros(images, device=device)
    while True:
        sets = kept[:, None] & variants  # (B, N + 1, N)
        needed = torch.cat([kept, torch.ones_like(kept[:, :1])], 1)
        image, variant = needed.nonzero(as_tuple=True)
        judged = judge_together(
            perturbation,
            objective,
            curves[each[image].flatten()],
            len(image),
            image,
            sets[image, variant],
        )
        preserved, deleted = (
            least.new_zeros(images, count + 1).index_put((image, variant), value)
            for value in judged
        )
        evaluations = evaluations + needed.sum(1) / 2
        score = preserved - deleted
        gain = score[:, -1:] - score[:, :-1]
        surplus, idlest = (gain - least).masked_fill(~kept, torch.inf).min(1)
        idle = (surplus < 0) & (kept.sum(1) > 1)
        if not bool(idle.any()):
            break
        kept = kept.clone()
        kept[own[idle], idlest[idle]] = False
    return kept, gain.masked_fill(~kept, 0.0), preserved[:, -1], deleted[:, -1], evaluations
