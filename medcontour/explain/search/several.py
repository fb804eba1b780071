"""Several contours of one image at once (Eq. 11): starts, the joint search, idle ones pruned."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from medcontour.contour import FourierContour
from medcontour.explain.background import gaussian_blur
from medcontour.explain.objectives.objective import Objective
from medcontour.explain.perturbation import SHARP, Perturbation
from medcontour.explain.search.start import LEVELS, evidence_map

__all__ = [
    "MOST",
    "STEPS",
    "SeveralFit",
    "evidence_circles",
    "judge_together",
    "optimise_several",
]

MOST = 8
"""The most contours that one image may have."""

RADII = (0.05, 0.1, 0.2)
SPREAD = 0.06  # sd of the blur under which evidence peaks are looked for, in plane coordinates
APART = 0.12  # no two peaks are nearer than this along both axes
STEPS = {"fast": 36, "paper": 1000}
"""Steps of the joint search that stand for the presets of one contour."""

RATES = {"center": 0.03, "size": 0.1, "harmonics": 0.05, "frame": 0.05}
SOFT = 40.0
LEAST_GAIN = 0.02  # of the answer: less than this is no reason for a contour


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
    evidence = evidence_map(perturbation, objective)
    height, width = perturbation.input_pixel
    smooth = gaussian_blur(evidence.unsqueeze(1), (SPREAD / height, SPREAD / width))[:, 0]
    low, high = perturbation.bounds
    points = perturbation.points
    outside = ((points < low) | (points > high)).any(-1)
    smooth = smooth.masked_fill(outside, -torch.inf)
    around = (max(1, round(APART / height)), max(1, round(APART / width)))
    window = (2 * around[0] + 1, 2 * around[1] + 1)
    highest = F.max_pool2d(smooth.unsqueeze(1), window, stride=1, padding=around).squeeze(1)
    peaks = smooth.masked_fill(smooth < highest, -torch.inf).flatten(1).topk(count)

    images, device = len(perturbation), points.device
    centers = points.reshape(-1, 2)[peaks.indices]  # (B, count, 2)
    every = centers.repeat_interleave(len(RADII), dim=1).reshape(-1, 2)
    radii = every.new_tensor(RADII).repeat(images * count)
    circles = FourierContour.circles(every, radii, harmonics)
    which = torch.arange(images, device=device).repeat_interleave(count * len(RADII))
    preserved, deleted = perturbation.judge(objective, circles, which)
    loss = deleted - preserved + area_weight * circles.area() / perturbation.plane.area
    best = loss.view(images * count, -1).argmin(1)
    rows = torch.arange(images * count, device=device) * len(RADII) + best
    found = peaks.values > 0
    found[:, 0] = True
    return circles[rows], found, len(LEVELS) + count * len(RADII) / 2


@torch.no_grad()
def judge_together(
    perturbation: Perturbation,
    objective: Objective,
    curves: FourierContour,
    groups: int,
    which: Tensor,
    kept: Tensor | None = None,
    batch: int = 32,
) -> tuple[Tensor, Tensor]:
    """Judge groups of hard contours, the mask of each group its pixelwise maximum (Eq. 11).

    Parameters
    ----------
    curves
        M x N curves, group by group.
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
    count: int = MOST,
    *,
    steps: int = STEPS["fast"],
    area_weight: float = 10.0,
    spectral_weight: float = 0.03,
    progress: Callable[[int, int], None] | None = None,
) -> SeveralFit:
    """Find the contours of each image that keep and carry the answer together (Eq. 11).

    They start on distinct evidence peaks and are optimised together, at one evaluation a step
    however many there are. On the way the mask is a soft maximum of theirs, the logistic function
    of the log-sum-exp of their logits, which leaves fewer contours without a gradient than the
    maximum does; areas are summed and not united, so that contours keep apart. In the end the
    maximum holds, and contours that add nothing are taken away one by one: those without which
    the extremal score falls by less than their area costs, or than a fiftieth of the answer. One
    is always left.

    Parameters
    ----------
    perturbation
        B images with their backgrounds.
    objective
        What similarity means.
    count
        N, the most contours an image may have, 1 to 8. Asking for all 8 lets the pruning choose.
    steps
        Gradient steps, one evaluation each.
    area_weight, spectral_weight
        lambda_a and lambda_r of Eq. 5, for each contour.
    progress
        Called with (steps done, steps in all).

    Examples
    --------
    >>> from medcontour.explain import TargetObjective
    >>> images = torch.zeros(1, 1, 48, 48)
    >>> images[..., 8:16, 30:38] = images[..., 30:38, 10:18] = 1.0
    >>> perturbation = Perturbation.of_images(images, torch.zeros_like(images))
    >>> def score(x):
    ...     return 0.1 * x.flatten(1).sum(1, keepdim=True) - 6
    >>> objective = TargetObjective(score, images, perturbation.background, target=0)
    >>> found = optimise_several(perturbation, objective, 4, area_weight=2.0)
    >>> int(found.kept.sum()), int(found.pruned), len(found.of_image(0))
    (2, 2, 2)
    """
    images, device = len(perturbation), perturbation.images.device
    which = torch.arange(images, device=device)
    curves, kept, cost = evidence_circles(perturbation, objective, count, area_weight)
    parameters = curves.tensors()
    for tensor in parameters.values():
        tensor.requires_grad_(True)
    optimiser = torch.optim.Adam(
        [{"params": [parameters[name]], "lr": rate} for name, rate in RATES.items()]
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, list(RATES.values()), total_steps=steps + 1, div_factor=3.0
    )
    low, high = perturbation.bounds
    for step in range(steps):
        share = (1 - math.cos(math.pi * step / max(steps - 1, 1))) / 2
        logit = SOFT * (SHARP / SOFT) ** share * curves.gap(perturbation.points)
        logit = logit.view(images, count, *logit.shape[1:]).masked_fill(
            ~kept[..., None, None], -torch.inf
        )
        mask = torch.sigmoid(logit.logsumexp(1))
        preserved, deleted = perturbation.similarities(objective, mask, which)
        price = area_weight * curves.area() / perturbation.plane.area
        price = (price + spectral_weight * curves.spectral_energy()).view(images, count)
        loss = deleted - preserved + (price * kept).sum(1)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss.sum())
        optimiser.step()
        schedule.step()
        with torch.no_grad():
            curves.center.clamp_(low, high)
        if progress:
            progress(step + 1, steps)
    curves = curves.detach()
    kept, gain, preserved, deleted, judged = _pruned(
        perturbation, objective, curves, kept, area_weight
    )
    inside = curves.area_inside(perturbation.plane).view(images, count) / perturbation.plane.area
    return SeveralFit(
        contours=curves,
        kept=kept,
        gain=gain,
        preserved=preserved,
        deleted=deleted,
        area_fraction=(inside * kept).sum(1),
        evaluations=cost + steps + judged,
    )


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
    worth = (area_weight * inside).clamp_min(LEAST_GAIN)
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
            worth.new_zeros(images, count + 1).index_put((image, variant), value)
            for value in judged
        )
        evaluations = evaluations + needed.sum(1) / 2
        score = preserved - deleted
        gain = score[:, -1:] - score[:, :-1]
        surplus, idlest = (gain - worth).masked_fill(~kept, torch.inf).min(1)
        idle = (surplus < 0) & (kept.sum(1) > 1)
        if not bool(idle.any()):
            break
        kept = kept.clone()
        kept[own[idle], idlest[idle]] = False
    return kept, gain.masked_fill(~kept, 0.0), preserved[:, -1], deleted[:, -1], evaluations
