"""Where to start: evidence peaks of the mask gradient, judged as circles."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from medcontour.contour import FourierContour
from medcontour.explain.background import gaussian_blur
from medcontour.explain.objective import Objective
from medcontour.explain.perturbation import Perturbation

__all__ = ["evidence_map", "start_circles"]

LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)
RADII = (0.06, 0.1, 0.16, 0.25, 0.4)
PEAKS = 3


def evidence_map(perturbation: Perturbation, objective: Objective) -> Tensor:
    """Where a mask would lower the extremal loss: the mask gradient over five uniform levels.

    One gradient at one level points right in a quarter of cases, five levels in nearly all.
    Costs `len(LEVELS)` evaluations an image.

    Returns
    -------
    Tensor
        (B, H, W): positive where more mask lowers ``-similarity(preserved) +
        similarity(deleted)``.
    """
    count = len(perturbation)
    which = torch.arange(count, device=perturbation.images.device)
    total = torch.zeros_like(perturbation.images[:, 0])
    for level in LEVELS:
        mask = torch.full_like(total, level).requires_grad_(True)
        preserved, deleted = perturbation.similarities(objective, mask, which)
        (gradient,) = torch.autograd.grad((preserved - deleted).sum(), mask)
        total += gradient / len(LEVELS)
    return total


def _peaks(smooth: Tensor, separation: tuple[int, int], count: int) -> Tensor:
    """(B, count) flat positions of the highest local maxima of (B, H, W)."""
    window = (2 * separation[0] + 1, 2 * separation[1] + 1)
    highest = F.max_pool2d(smooth.unsqueeze(1), window, stride=1, padding=separation).squeeze(1)
    only_peaks = smooth.masked_fill(smooth < highest, -torch.inf)
    return only_peaks.flatten(1).topk(count).indices


def start_circles(
    perturbation: Perturbation, objective: Objective, area_weight: float
) -> tuple[FourierContour, float]:
    """The best of `PEAKS` evidence peaks x `RADII` circles for each image.

    Returns
    -------
    tuple
        B circles (log law), and the evaluations an image that they cost (a pair that is only run
        forward counts half).
    """
    evidence = evidence_map(perturbation, objective)
    height, width = perturbation.input_pixel
    middle = RADII[len(RADII) // 2]
    smooth = gaussian_blur(evidence.unsqueeze(1), (middle / 2 / height, middle / 2 / width))[:, 0]
    low, high = perturbation.bounds
    points = perturbation.points
    outside = ((points < low) | (points > high)).any(-1)
    smooth = smooth.masked_fill(outside, smooth.min())
    separation = (max(1, round(middle / height)), max(1, round(middle / width)))
    positions = _peaks(smooth, separation, PEAKS)

    count = len(perturbation)
    centers = points.reshape(-1, 2)[positions]  # (B, PEAKS, 2)
    centers = centers.repeat_interleave(len(RADII), dim=1).reshape(-1, 2)
    radii = centers.new_tensor(RADII).repeat(count * PEAKS)
    circles = FourierContour.circles(centers, radii)
    which = torch.arange(count, device=centers.device).repeat_interleave(PEAKS * len(RADII))
    preserved, deleted = perturbation.judge(objective, circles, which)
    loss = deleted - preserved + area_weight * circles.area() / perturbation.plane.area
    best = loss.view(count, -1).argmin(1)
    rows = torch.arange(count, device=centers.device) * PEAKS * len(RADII) + best
    return circles[rows], len(LEVELS) + PEAKS * len(RADII) / 2
