"""Where to start: the evidence map, and the discs that it promises most of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from medcontour.contour import Shape, round_shapes, unit_share
from medcontour.explain.objectives.objective import Objective
from medcontour.explain.perturbation import Perturbation
from medcontour.explain.search.area import area_cost

__all__ = ["evidence_map", "promising_discs"]


@dataclass(frozen=True)
class StartConstants:
    """How the evidence map is made and read.

    Attributes
    ----------
    levels
        Of the uniform masks whose gradients are averaged, one evaluation each. Five, evenly
        spread, by trial: one pointed right in a quarter of cases.
    radii
        Of the discs, in plane coordinates. Chosen on the fast preset's tuning images
        (`docs/results/speed.md`).
    apart, alike
        Two discs are in one place and of one size whose centers are nearer than this share of the
        larger radius, and whose radii differ by less in their logarithm. Chosen by hand.
    nearer
        What a plane coordinate away from the evidence's middle costs, as a share of the highest
        promise: enough to decide between equals. Chosen by hand.
    """

    levels: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7, 0.9)
    radii: tuple[float, ...] = (0.06, 0.1, 0.16, 0.25, 0.4, 0.6)
    apart: float = 0.5
    alike: float = 0.6
    nearer: float = 1e-3


START = StartConstants()


def evidence_map(
    perturbation: Perturbation, objective: Objective, which: Tensor | None = None
) -> Tensor:
    """Where a mask would lower the extremal loss: the mask gradient over five uniform levels.

    One gradient at one level points right in a quarter of cases, five levels in nearly all.
    Costs five evaluations an image.

    Parameters
    ----------
    perturbation, objective
        B images and what similarity means.
    which
        (M,) the images to look at; all by default.

    Returns
    -------
    Tensor
        (M, H, W) or (M, D, H, W): positive where more mask lowers ``-similarity(preserved) +
        similarity(deleted)``.
    """
    if which is None:
        which = torch.arange(len(perturbation), device=perturbation.images.device)
    total = torch.zeros_like(perturbation.images[which, 0])
    for level in START.levels:
        mask = torch.full_like(total, level).requires_grad_(True)
        preserved, deleted = perturbation.similarities(objective, mask, which)
        (gradient,) = torch.autograd.grad((preserved - deleted).sum(), mask)
        total += gradient / len(START.levels)
    return total


def promising_discs(
    evidence: Tensor,
    perturbation: Perturbation,
    area_weight: float,
    count: int,
    radii: Sequence[float] = START.radii,
    harmonics: int = 5,
) -> Shape:
    """Discs for which the evidence map, summed over them, promises most; no evaluation.

    To first order a mask gains the sum of the evidence under it, less its area's price. That
    is a convolution with a disc; the best are taken greedily, none of them in the place and of
    the size of one before.

    Parameters
    ----------
    evidence
        (B, H, W) or (B, D, H, W), see `evidence_map`.
    perturbation
        Its images.
    area_weight
        lambda_a: what the whole image costs.
    count
        How many an image.
    radii
        In plane or volume coordinates.
    harmonics
        K of curves, L of surfaces.

    Returns
    -------
    Shape
        B * count circles or spheres (log parametrisation), image by image.
    """
    promise = torch.stack(
        [_summed_over_discs(evidence, perturbation, radius) for radius in radii], 1
    )
    sizes = evidence.new_tensor(radii)
    axes = evidence.ndim - 1
    ones = (1,) * axes
    share = unit_share(perturbation.space) * sizes**axes
    price = area_weight * area_cost(share, perturbation.space)
    points = perturbation.points
    low, high = perturbation.bounds
    outside = ((points < low) | (points > high)).any(-1)
    promise = promise - price.view(1, -1, *ones)
    promise = promise - _aside(evidence, points) * promise.abs().flatten(1).amax(1).view(
        -1, 1, *ones
    )
    promise = promise.masked_fill(outside, -torch.inf)
    flat = points.flatten(0, -2)
    centers, chosen = [], []
    for _ in range(count):
        best = promise.flatten(1).argmax(1)
        size, place = sizes[best // len(flat)], flat[best % len(flat)]
        centers.append(place)
        chosen.append(size)
        away = (points - place.view(-1, *ones, axes)).norm(dim=-1).unsqueeze(1)
        larger = torch.maximum(size.view(-1, 1), sizes).view(-1, len(radii), *ones)
        alike = (size.log().view(-1, 1) - sizes.log()).abs() < START.alike
        taken = (away < START.apart * larger) & alike.view(-1, len(radii), *ones)
        promise = promise.masked_fill(taken, -torch.inf)
    return round_shapes(
        torch.stack(centers, 1).flatten(0, 1), torch.stack(chosen, 1).reshape(-1), harmonics
    )


def _aside(evidence: Tensor, points: Tensor) -> Tensor:
    """(B, 1, ...): a little for every step away from the evidence's middle.

    A disc within even evidence promises the same wherever it lies: the middle is then the best
    place, and rounding does not choose it.
    """
    positive = evidence.clamp_min(0).unsqueeze(-1)
    places = tuple(range(1, evidence.ndim))
    middle = (positive * points).sum(places) / positive.sum(places).clamp_min(1e-12)
    middle = middle.view(-1, *(1,) * len(places), len(places))
    away: Tensor = (points - middle).norm(dim=-1).unsqueeze(1)
    return START.nearer * away


def _summed_over_discs(evidence: Tensor, perturbation: Perturbation, radius: float) -> Tensor:
    """(B, ...): the evidence under a disc or ball about each pixel, by the Fourier transform."""
    extent, sides = evidence.shape[1:], perturbation.input_pixel
    places = tuple(range(1, evidence.ndim))
    squared = evidence.new_zeros(())
    for pixels, side in zip(extent, sides, strict=True):
        index = torch.arange(2 * pixels, device=evidence.device)
        offsets = torch.minimum(index, 2 * pixels - index) * side
        squared = squared.unsqueeze(-1) + offsets.square()
    disc = ((radius - squared.sqrt()) / min(sides) + 0.5).clamp(0, 1)
    double = [2 * pixels for pixels in extent]  # so that nothing wraps around the edge
    spectrum = torch.fft.rfftn(evidence, s=double, dim=places)
    spectrum = spectrum * torch.fft.rfftn(disc.to(evidence.dtype))
    summed: Tensor = torch.fft.irfftn(spectrum, s=double, dim=places)
    return summed[(slice(None), *(slice(pixels) for pixels in extent))]
