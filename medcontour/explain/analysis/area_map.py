"""Importance contour maps: contours at fixed areas, and the fidelity-area curve (Fig. 4)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from medcontour.contour import FourierContour
from medcontour.errors import MedcontourError
from medcontour.explain.choices import CIRCLES, check_area
from medcontour.explain.objectives.objective import Objective
from medcontour.explain.perturbation import Perturbation
from medcontour.explain.search.area import scaled_to_area
from medcontour.explain.search.optimise import Fit, optimise
from medcontour.explain.search.preset import Preset

__all__ = ["AreaMap", "area_map", "check_areas", "random_circles"]


@dataclass(frozen=True)
class AreaMap:
    """Contours of A areas on each of B images, and how random circles of those areas do.

    Attributes
    ----------
    areas
        The A fractions asked for, rising.
    contours
        A batches of B curves (log parametrisation).
    area_fraction
        (A, B) area inside the image over the image's area.
    preserved, deleted
        (A, B) similarity to the original's answer under the hard masks (tau = 100).
    random_preserved, random_deleted
        (A, B, R) the same for R random circles that cover as much.
    evaluations
        (A, B) preserve + delete pairs that found each contour.
    """

    areas: tuple[float, ...]
    contours: tuple[FourierContour, ...]
    area_fraction: Tensor
    preserved: Tensor
    deleted: Tensor
    random_preserved: Tensor
    random_deleted: Tensor
    evaluations: Tensor

    @property
    def random_evaluations(self) -> float:
        """What the circles cost an image: a pair run forward only counts half."""
        return self.random_preserved.shape[0] * self.random_preserved.shape[2] / 2


def check_areas(areas: Sequence[float], preset: str = "fast") -> tuple[float, ...]:
    """Sort the areas of a map, and refuse an empty list, one twice and those out of reach.

    Raises
    ------
    MedcontourError
        As said.

    Examples
    --------
    >>> check_areas([0.3, 0.1])
    (0.1, 0.3)
    """
    if not areas:
        raise MedcontourError("A map needs at least one area; give fractions such as 0.1, 0.2.")
    for area in areas:
        check_area(area, preset)
    if len(set(areas)) < len(areas):
        raise MedcontourError("An area stands twice in the list; give each once.")
    return tuple(sorted(areas))


def area_map(
    perturbation: Perturbation,
    objective: Objective,
    areas: Sequence[float],
    preset: Preset | str = "fast",
    *,
    places: Tensor | None = None,
    circles: int = CIRCLES,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> AreaMap:
    """Find for each image the best contour of each area (Eq. 10), and judge random circles beside.

    Each is looked for as by `optimise`, and once more from its smaller neighbour, so that the
    contours are nested as far as the evidence is; the better one is kept.

    Parameters
    ----------
    perturbation
        B images with their backgrounds.
    objective
        What similarity means.
    areas
        Fractions of the image, each in [0.001, 0.785].
    preset
        As of `optimise`.
    places
        (M, 2) plane coordinates that the middle of a random circle may take; by default every
        pixel of the input that lies in the image.
    circles
        R, random circles for each area and image.
    seed
        Of the random circles.
    progress
        Called with (steps done, steps in all).

    Raises
    ------
    MedcontourError
        For areas out of reach, twice or none, and for volumes.

    Examples
    --------
    >>> from medcontour.explain import TargetObjective
    >>> images = torch.zeros(1, 1, 32, 32)
    >>> images[..., 8:16, 16:24] = 1.0
    >>> perturbation = Perturbation.of_images(images, torch.zeros_like(images))
    >>> def score(x):
    ...     return 10 * x[..., 8:16, 16:24].mean((-1, -2, -3)).unsqueeze(1) - 5
    >>> objective = TargetObjective(score, images, perturbation.background, target=0)
    >>> found = area_map(perturbation, objective, [0.05, 0.3], circles=8)
    >>> [round(fraction, 2) for fraction in found.area_fraction[:, 0].tolist()]
    [0.05, 0.3]
    >>> bool(found.preserved[1, 0] > found.random_preserved[1, 0].mean())
    True
    """
    areas = check_areas(areas)
    _ = perturbation.plane  # volumes are refused here, before anything is searched
    fits: list[Fit] = []
    for index, area in enumerate(areas):

        def step(done: int, steps: int, before: int = index) -> None:
            if progress:
                progress(before * steps + done, len(areas) * steps)

        fit = optimise(perturbation, objective, preset, area=area, progress=step)
        if fits:
            grown = optimise(perturbation, objective, preset, area=area, start=fits[-1].contours)
            fit = _better(fit, grown)
        fits.append(fit)

    if places is None:
        low, high = perturbation.bounds
        flat = perturbation.points.reshape(-1, 2)
        places = flat[((flat >= low) & (flat <= high)).all(-1)]
    count, device = len(perturbation), perturbation.images.device
    generator = torch.Generator().manual_seed(seed)
    drawn = random_circles(perturbation, areas, places, count * circles, generator)
    which = torch.arange(count, device=device).repeat_interleave(circles).repeat(len(areas))
    random_preserved, random_deleted = perturbation.judge(objective, drawn, which)
    shape = (len(areas), count, circles)
    return AreaMap(
        areas=areas,
        contours=tuple(fit.curves for fit in fits),
        area_fraction=torch.stack([fit.area_fraction for fit in fits]),
        preserved=torch.stack([fit.preserved for fit in fits]),
        deleted=torch.stack([fit.deleted for fit in fits]),
        random_preserved=random_preserved.view(shape),
        random_deleted=random_deleted.view(shape),
        evaluations=torch.stack([fit.evaluations for fit in fits]),
    )


def _better(one: Fit, other: Fit) -> Fit:
    """For each image the better of two fits; both were paid for."""
    wins = other.preserved - other.deleted > one.preserved - one.deleted

    def pick(a: Tensor, b: Tensor) -> Tensor:
        return torch.where(wins.view(-1, *(1,) * (a.ndim - 1)), b, a)

    others = other.contours.tensors()
    curves = {name: pick(value, others[name]) for name, value in one.contours.tensors().items()}
    return Fit(
        contours=FourierContour(**curves, parametrisation=one.contours.parametrisation),
        preserved=pick(one.preserved, other.preserved),
        deleted=pick(one.deleted, other.deleted),
        area_fraction=pick(one.area_fraction, other.area_fraction),
        evaluations=one.evaluations + other.evaluations,
        history={},
    )


def random_circles(
    perturbation: Perturbation,
    areas: Sequence[float],
    places: Tensor,
    count: int,
    generator: torch.Generator,
) -> FourierContour:
    """Draw circles about random places that cover the areas of the image, clipped to it.

    Parameters
    ----------
    perturbation
        Whose plane they lie in.
    areas
        Fractions of the image.
    places
        (M, 2) plane coordinates that their middles may take.
    count
        How many for each area; the areas share their middles.
    generator
        Source of chance, on the processor.

    Returns
    -------
    FourierContour
        ``len(areas) * count`` circles, area by area.
    """
    spots = torch.randint(len(places), (count,), generator=generator)
    middles = places[spots.to(places.device)].to(perturbation.points).repeat(len(areas), 1)
    fractions = middles.new_tensor(list(areas)).repeat_interleave(count)
    radius = (fractions * perturbation.plane.area / math.pi).sqrt()
    circles = FourierContour.circles(middles, radius)
    return scaled_to_area(circles, perturbation.plane, fractions)
