"""How much contours depend on where they start and on the spectral weight (Fig. 3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from medcontour.contour import FourierContour, PlaneShape
from medcontour.errors import MedcontourError
from medcontour.explain.choices import MOST_HARMONICS
from medcontour.explain.objectives.objective import Objective
from medcontour.explain.perturbation import Perturbation
from medcontour.explain.search.optimise import Fit, optimise
from medcontour.explain.search.preset import PRESETS, Preset
from medcontour.explain.search.several import evidence_circles

__all__ = ["Agreement", "agreement", "from_nine_starts", "spectral_sweep"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class StartsConstants:
    """The nine starts, and the soft search from them.

    A sharp edge feels evidence only next to it. From far away the search needs one that covers
    half the image, time to harden, and centers that move: the last three were chosen by hand.

    Attributes
    ----------
    places
        Of the nine circles' centers along each axis, as shares of the image: the middles of its
        thirds. The paper has nine starts spread across the image (Fig. 3) and does not say where.
    radius
        Of the circles, in plane coordinates: r0 of the paper's appendix A.
    sharpness
        tau at the first step.
    steps
        Of the search.
    center_rate
        Learning rate of the center.
    """

    places: tuple[float, ...] = (1 / 6, 1 / 2, 5 / 6)
    radius: float = 0.5
    sharpness: float = 2.0
    steps: int = 60
    center_rate: float = 0.06


STARTS = StartsConstants()


@dataclass(frozen=True)
class Agreement:
    """How closely N contours of one image agree.

    Attributes
    ----------
    iou
        Mean over pairs of the intersection over union.
    distance
        Mean over pairs of the distance between centers, in plane coordinates.
    objective_mean, objective_spread
        Mean, and largest minus smallest, of ``deleted - preserved + lambda_a * area``, lower is
        better.
    """

    iou: float
    distance: float
    objective_mean: float
    objective_spread: float


class _OneImage:
    """The objective of one image, asked about copies of it."""

    def __init__(self, objective: Objective) -> None:
        self._objective = objective

    def similarity(self, inputs: Tensor, which: Tensor) -> Tensor:
        """See `Objective`."""
        return self._objective.similarity(inputs, torch.zeros_like(which))


def from_nine_starts(
    perturbation: Perturbation,
    objective: Objective,
    preset: Preset | str = "fast",
    *,
    progress: Progress | None = None,
) -> tuple[FourierContour, Fit]:
    """Optimise one image's contour from circles on a 3 x 3 grid across it (Fig. 3, top).

    With a preset that begins at the evidence it is the soft search alone (tau from 2, over 60
    steps): what is tried is the descent from anywhere.

    Parameters
    ----------
    perturbation
        One image with its background.
    objective
        What similarity means.
    preset
        One of `PRESETS` by name, or your own; its start is not used.
    progress
        As of `optimise`.

    Returns
    -------
    tuple
        The nine circles, row by row, and the fit of nine contours.

    Examples
    --------
    >>> from medcontour.explain import TargetObjective
    >>> images = torch.zeros(1, 1, 32, 32)
    >>> images[..., 8:16, 16:24] = 1.0
    >>> perturbation = Perturbation.of_images(images, torch.zeros_like(images))
    >>> def score(x):
    ...     return 10 * x[..., 8:16, 16:24].mean((-1, -2, -3)).unsqueeze(1) - 5
    >>> objective = TargetObjective(score, images, perturbation.background, target=0)
    >>> starts, fit = from_nine_starts(perturbation, objective)
    >>> len(starts), len(fit.contours)
    (9, 9)
    """
    _ = perturbation.plane  # volumes are refused here, before anything is searched
    low, high = perturbation.bounds
    share = low.new_tensor(STARTS.places)
    x, y = (low[axis] + share * (high - low)[axis] for axis in (0, 1))
    middles = torch.stack([x.repeat(3), y.repeat_interleave(3)], -1)
    chosen = PRESETS[preset] if isinstance(preset, str) else preset
    if chosen.model_steps:
        rates = {**chosen.rates, "center": STARTS.center_rate}
        chosen = replace(
            chosen, model_steps=0, sharpness=STARTS.sharpness, steps=STARTS.steps, rates=rates
        )
    starts = FourierContour.circles(
        middles, middles.new_full((9,), STARTS.radius), parametrisation=chosen.parametrisation
    )
    same = torch.zeros(9, dtype=torch.long, device=low.device)
    nine = perturbation.pick(same)
    return starts, optimise(nine, _OneImage(objective), chosen, start=starts, progress=progress)


def spectral_sweep(
    perturbation: Perturbation,
    objective: Objective,
    weights: Sequence[float],
    harmonics: int = MOST_HARMONICS,
    preset: Preset | str = "fast",
    *,
    progress: Progress | None = None,
) -> list[Fit]:
    """Optimise contours of many harmonics under several spectral weights (Fig. 3, bottom).

    Each run by itself, from a circle on the highest evidence peak, by the preset's soft search.

    Parameters
    ----------
    perturbation
        B images with their backgrounds.
    objective
        What similarity means.
    weights
        Values of lambda_r of Eq. 5.
    harmonics
        K, 1 to 20.
    preset
        One of `PRESETS` by name, or your own.
    progress
        Called with (steps done, steps in all).

    Returns
    -------
    list of Fit
        One a weight; the evaluations of the shared start are not in them.

    Raises
    ------
    MedcontourError
        For no weight, a negative one, or K out of range.
    """
    if not weights or min(weights) < 0:
        raise MedcontourError("Give one spectral weight or more, none below 0, such as 0.01, 0.1.")
    if not 1 <= harmonics <= MOST_HARMONICS:
        raise MedcontourError(f"{harmonics} harmonics are out of reach; give 1 to 20.")
    chosen = PRESETS[preset] if isinstance(preset, str) else preset
    price = 1.0 if chosen.area_weight is None else chosen.area_weight
    peak, _, _ = evidence_circles(perturbation, objective, 1, price)
    start = FourierContour.circles(
        peak.center, peak.mean_radius, harmonics, parametrisation=chosen.parametrisation
    )
    fits = []
    for index, weight in enumerate(weights):

        def step(done: int, steps: int, before: int = index) -> None:
            if progress:
                progress(before * steps + done, len(weights) * steps)

        own = replace(chosen, model_steps=0, spectral_weight=weight)
        fits.append(optimise(perturbation, objective, own, start=start, progress=step))
    return fits


def agreement(
    perturbation: Perturbation,
    curves: PlaneShape,
    preserved: Tensor,
    deleted: Tensor,
    area_weight: float,
) -> Agreement:
    """Measure how closely contours of one image agree.

    Parameters
    ----------
    perturbation
        Whose input pixels areas are counted on.
    curves
        N, two or more.
    preserved, deleted
        (N,) their similarities.
    area_weight
        lambda_a.

    Examples
    --------
    >>> images = torch.zeros(1, 1, 40, 40)
    >>> centers = torch.tensor([[0.0, 0.0], [0.5, 0.0]])
    >>> circles = FourierContour.circles(centers, torch.full((2,), 0.5))
    >>> plane = Perturbation.of_images(images, images)
    >>> found = agreement(plane, circles, torch.ones(2), torch.zeros(2), area_weight=1.0)
    >>> round(found.iou, 2), found.distance
    (0.24, 0.5)
    """
    plane = perturbation.plane
    inside = curves.contains(perturbation.points).flatten(1).float()
    both = inside @ inside.T
    area = inside.sum(1)
    union = (area[:, None] + area - both).clamp_min(1.0)
    apart = torch.cdist(curves.center, curves.center)
    one, other = torch.triu_indices(len(curves), len(curves), 1, device=inside.device)
    loss = deleted - preserved
    loss = loss + area_weight * curves.area_inside(plane) / plane.area
    return Agreement(
        iou=float((both / union)[one, other].mean()),
        distance=float(apart[one, other].mean()),
        objective_mean=float(loss.mean()),
        objective_spread=float(loss.max() - loss.min()),
    )
