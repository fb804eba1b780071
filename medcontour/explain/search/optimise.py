"""Contours by the classifier's gradients, batched over images: which search, and what it found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace

import torch
from torch import Tensor

from medcontour.contour import FourierContour, Shape, round_shapes, unit_share
from medcontour.explain.choices import check_area
from medcontour.explain.objectives.objective import Objective
from medcontour.explain.perturbation import Perturbation
from medcontour.explain.search.area import area_cost, scaled_to_area
from medcontour.explain.search.model_search import Callback, Found, model_search
from medcontour.explain.search.preset import PRESETS, Polish, Preset
from medcontour.explain.search.soft_search import soft_search
from medcontour.explain.search.start import START, evidence_map, promising_discs

__all__ = ["Fit", "optimise"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class OptimiseConstants:
    """What the searches start from.

    Attributes
    ----------
    discs
        The most promising ones, which are judged, forward only. Chosen on tuning images: the first
        is nearly always the best (`docs/results/speed.md`).
    middle_radius
        Of the soft search's circle in the middle, in plane coordinates: r0 of the paper's appendix
        A.
    warm_steps
        Of the linear model from a given start: the target for a neighbouring slice's contour
        (`docs/results/speed.md`).
    nothing
        Loss from which a disc holds next to nothing of the score, 1 being that of no disc at all:
        it points nowhere. On tuning images 0.8 is as good as 1; a network that pools by maximum
        needs it, as its contours vanish from such a disc.
    """

    discs: int = 4
    middle_radius: float = 0.5
    warm_steps: int = 5
    nothing: float = 0.8


OPTIMISE = OptimiseConstants()


@dataclass(frozen=True)
class Fit:
    """Optimised contours and how they did.

    Attributes
    ----------
    contours
        B curves, or surfaces.
    preserved, deleted
        (B,) similarity to the original's score under the hard mask (tau = 100).
    area_fraction
        (B,) area inside the image over the image's area; of surfaces, volume over volume.
    evaluations
        (B,) preserve + delete pairs, forward and backward; forward only counts half.
    history
        Of the soft search, where every image went through it: ``"loss"``, ``"preserved"``,
        ``"deleted"``, ``"area_fraction"``, each (steps, B), of the soft masks on the way, and
        ``"sharpness"`` (steps,). Empty otherwise.
    """

    contours: Shape
    preserved: Tensor
    deleted: Tensor
    area_fraction: Tensor
    evaluations: Tensor
    history: dict[str, Tensor] = field(repr=False)

    @property
    def curves(self) -> FourierContour:
        """`contours` of images.

        Raises
        ------
        TypeError
            For surfaces.
        """
        if not isinstance(self.contours, FourierContour):
            raise TypeError("these are surfaces; what works on curves does not work on them")
        return self.contours


def optimise(
    perturbation: Perturbation,
    objective: Objective,
    preset: Preset | str = "fast",
    *,
    area: float | None = None,
    start: Shape | None = None,
    progress: Progress | None = None,
    callback: Callback | None = None,
) -> Fit:
    """Find for each image the smallest smooth curve that keeps and carries the score.

    Minimises Eq. 5, ``-s(preserved) + s(deleted) + lambda_a * area + lambda_r * spectrum``, with
    the similarity s of the objective. Deterministic: nothing is drawn at random.

    The paper's preset is the soft search alone, from the middle. The others go by the image: where
    a disc on the evidence already holds more of the score than its area costs, the evidence is
    compact and the linear model is followed from there, and polished where something is left to
    win; elsewhere the soft search finds what is spread out, from the disc, or from the middle where
    the disc holds next to nothing.

    Parameters
    ----------
    perturbation
        B images, or volumes, with their backgrounds.
    objective
        What similarity means.
    preset
        One of `PRESETS` by name, or your own.
    area
        Fraction of the image to cover instead of paying for area (Eq. 10). Held at each step
        by rescaling the curve; with the preset ``paper`` drawn towards by Eq. 10's own penalty,
        which comes near it and does not hold it.
    start
        B curves to start from instead of the preset's start. With `model_steps` these are
        contours of the same thing nearby, such as the neighbouring slice's: the linear model is
        followed for five steps, and where that gives a contour that holds little of the score for
        its area, the search begins anew.
    progress
        Called with (steps done, steps at most).
    callback
        Called after each step with what each image has cost so far (M,), which images these are
        (M,), and their curves.

    Raises
    ------
    MedcontourError
        For an area fraction outside what a curve inside the image can reach.
    """
    if isinstance(preset, str):
        preset = PRESETS[preset]
    if area is not None:
        check_area(area, preset.name, axes=len(perturbation.space.extent))
        if preset.area_weight is not None:
            preset = replace(preset, parametrisation="log")
    search = _Search(perturbation, objective, preset, area, _forward(progress), callback)
    everyone = torch.arange(len(perturbation), device=perturbation.images.device)
    history: dict[str, Tensor] = {}
    if not preset.model_steps:
        found, history = search.soften(everyone, start)
    elif start is None:
        found, history = search.by_the_image(everyone)
    else:
        found = search.follow(everyone, start, None, OPTIMISE.warm_steps)
        if len(rows := everyone[found.loss > preset.anew_above]):
            found = _better(found, rows, search.by_the_image(rows, found.evaluations[rows])[0])
    if progress:
        progress(preset.most_steps, preset.most_steps)
    return Fit(
        contours=found.contours,
        preserved=found.preserved,
        deleted=found.deleted,
        area_fraction=found.area_fraction,
        evaluations=found.evaluations,
        history=history,
    )


@dataclass(frozen=True)
class _Search:
    """One call of `optimise`: what its searches share."""

    perturbation: Perturbation
    objective: Objective
    preset: Preset
    area: float | None
    progress: Progress | None
    callback: Callback | None

    def soften(
        self,
        which: Tensor,
        start: Shape | None = None,
        spent: Tensor | float = 0.0,
    ) -> tuple[Found, dict[str, Tensor]]:
        """Search softly, from the paper's circle in the middle unless told otherwise."""
        if start is None:
            axes = self.perturbation.points.shape[-1]
            middle = self.perturbation.points.new_zeros(len(which), axes)
            start = round_shapes(
                middle,
                middle[:, 0] + OPTIMISE.middle_radius,
                self.preset.harmonics,
                self.preset.parametrisation,
            )
        return soft_search(
            self.perturbation,
            self.objective,
            which,
            start,
            self.preset,
            area=self.area,
            callback=self._tell(spent),
        )

    def follow(
        self,
        which: Tensor,
        start: Shape,
        evidence: Tensor | None,
        steps: int,
        spent: Tensor | float = 0.0,
    ) -> Found:
        """Follow the linear model."""
        preset = self.preset
        return model_search(
            self.perturbation,
            self.objective,
            which,
            start,
            steps=steps,
            area_weight=self._price,
            spectral_weight=preset.spectral_weight,
            evidence=evidence,
            area=self.area,
            frame=preset.frame,
            callback=self._tell(spent),
        )

    def by_the_image(
        self, rows: Tensor, before: Tensor | float = 0.0
    ) -> tuple[Found, dict[str, Tensor]]:
        """Choose the search by the objective of the best disc.

        `before` is what the images have cost already, for the callback.
        """
        evidence = evidence_map(self.perturbation, self.objective, rows)
        discs, losses = self._best_discs(evidence, rows)
        looked = len(START.levels) + OPTIMISE.discs / 2
        none = torch.zeros_like(losses)
        found = Found(discs, none + torch.inf, none, none, none, none + looked)
        history: dict[str, Tensor] = {}
        places = torch.arange(len(rows), device=rows.device)
        compact = losses < 0
        points = ~compact & (losses < OPTIMISE.nothing)

        def spent(some: Tensor) -> Tensor:
            return (found.evaluations + before)[some]

        if len(some := places[compact]):
            followed = self.follow(
                rows[some], discs[some], evidence[some], self.preset.model_steps, spent(some)
            )
            found = _better(found, some, followed)
            found = self._polished(self.preset.model_polish, rows, some, found, before)
        for some, start in ((places[points], discs[points]), (places[~compact & ~points], None)):
            if len(some):
                softened, told = self.soften(rows[some], start, spent(some))
                found = _better(found, some, softened)
                history = told if len(some) == len(self.perturbation) else {}
        return self._polished(self.preset.polish, rows, places, found, before), history

    def _polished(
        self,
        polish: Polish | None,
        rows: Tensor,
        some: Tensor,
        found: Found,
        before: Tensor | float,
    ) -> Found:
        """Search some softly from what was found, at small rates: finished, not begun anew."""
        if polish is None or not len(some := some[found.loss[some] > polish.above]):
            return found
        preset = replace(
            self.preset,
            steps=polish.steps,
            rates=polish.rates,
            sharpness=polish.sharpness,
            first_area_share=1.0,
        )
        polished, _ = soft_search(
            self.perturbation,
            self.objective,
            rows[some],
            found.contours[some],
            preset,
            area=self.area,
            callback=self._tell((found.evaluations + before)[some]),
        )
        return _better(found, some, polished)

    @property
    def _price(self) -> float:
        """lambda_a of the model search; Eq. 8 is no fixed price, its floor of 1 stands for it."""
        return 1.0 if self.preset.area_weight is None else self.preset.area_weight

    @torch.no_grad()
    def _best_discs(self, evidence: Tensor, rows: Tensor) -> tuple[Shape, Tensor]:
        """Of the discs that promise most the best for each image, and its loss."""
        perturbation, space = self.perturbation, self.perturbation.space
        count = OPTIMISE.discs
        radii = {}
        price = self._price
        if self.area is not None:
            radius = (self.area / unit_share(space)) ** (1 / len(space.extent))
            radii, price = {"radii": (radius,)}, 0.0
        discs = promising_discs(
            evidence, perturbation, price, count, harmonics=self.preset.harmonics, **radii
        )
        if self.area is not None:
            discs = scaled_to_area(discs, space, self.area)
        preserved, deleted = perturbation.judge(
            self.objective, discs, rows.repeat_interleave(count)
        )
        loss = deleted - preserved + price * area_cost(discs.share_inside(space), space)
        best = loss.view(len(rows), count).min(1)
        first = torch.arange(len(rows), device=rows.device) * count
        return discs[first + best.indices], best.values

    def _tell(self, spent: Tensor | float) -> Callback:
        def told(evaluations: Tensor, which: Tensor, curves: Shape) -> None:
            so_far = spent + evaluations
            if self.progress:
                self.progress(
                    min(int(so_far.max()), self.preset.most_steps), self.preset.most_steps
                )
            if self.callback:
                self.callback(so_far, which, curves)

        return told


def _forward(progress: Progress | None) -> Progress | None:
    """Progress that never goes back, though a polish begins on images that cost less."""
    if progress is None:
        return None
    report, furthest = progress, 0

    def told(done: int, most: int) -> None:
        nonlocal furthest
        furthest = max(furthest, done)
        report(furthest, most)

    return told


def _better(found: Found, rows: Tensor, other: Found) -> Found:
    """`found` with what the other search did better on some of its rows; both were paid for."""
    wins = other.loss < found.loss[rows]
    won = rows[wins]
    contours = {
        name: tensor.index_put((won,), other.contours.tensors()[name][wins])
        for name, tensor in found.contours.tensors().items()
    }
    values = {
        part.name: getattr(found, part.name).index_put((won,), getattr(other, part.name)[wins])
        for part in fields(found)
        if part.name not in ("contours", "evaluations")
    }
    spent = found.evaluations.index_add(0, rows, other.evaluations)
    return Found(found.contours.with_tensors(contours), evaluations=spent, **values)
