"""One batch of positive slices: contours found, judged, followed, placed and shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor

from medcontour.classifier import Classifier
from medcontour.contour import FourierContour, PlaneGeometry, Shape
from medcontour.explain import (
    AUTOMATIC,
    BACKGROUNDS,
    SHARP,
    EmbeddingObjective,
    Objective,
    Perturbation,
    TargetObjective,
    judge_together,
    mildest,
    placement_test,
)
from medcontour.outline import Outline, outliner
from medcontour.pipeline.alone import Alone, judged_alone, status_of, without_others
from medcontour.pipeline.found import POSITIVE, Found, preset_of, search
from medcontour.pipeline.outlines import offer_outlines
from medcontour.pipeline.planes import PlaneBatch, plane_geometry
from medcontour.pipeline.settings import Settings
from medcontour.pipeline.shortcut import ShortcutCheck, check_shortcut
from medcontour.results import Evidence, Finding, PlacedContour, Views
from medcontour.results.status import Status
from medcontour.scan import Scan
from medcontour.shortcuts import body_mask

__all__ = ["Explainer", "far_larger"]

LEAST_PIXELS = 4
LARGEST_FRACTION = 0.7
LEAST_EFFECT = 0.1

FAR_LARGER = 5.0
"""An outline of so many times its evidence may have run out into what surrounds the object."""


@dataclass(frozen=True)
class Explainer:
    """One scan, one classifier, one `Settings`: explains a batch of positive slices."""

    scan: Scan
    classifier: Classifier
    target: int
    settings: Settings
    area: float | None = None  # fraction of the slice to cover, from either of the settings
    start: FourierContour | None = None  # one curve a slice, to go on from

    def explain(
        self, batch: PlaneBatch, scores: dict[int, float], step: Callable[[int, int], None]
    ) -> Iterator[tuple[Finding, Views]]:
        """Give each slice's finding, and what to show of it."""
        geometry = plane_geometry(self.scan)
        preset = preset_of(self.settings)
        perturbation, of_target, names, cost = self.problem(batch)
        embedding = EmbeddingObjective(
            self.classifier.embed,
            batch.inputs,
            perturbation.background,
            normalise=preset.normalise,
        )
        objective: Objective = embedding if self.settings.objective == "embedding" else of_target
        fit = search(perturbation, objective, preset, self.settings, self.area, step, self.start)
        alone, judging = judged_alone(
            perturbation,
            objective,
            of_target,
            fit,
            lambda index: self.body(perturbation, batch.slices[index]),
            [self.settings.seed + k for k in batch.slices],
        )
        fit, alone, idle = without_others(perturbation, objective, fit, alone)
        every, which = fit.every()
        outlines, costs = self._outlines(batch, perturbation, of_target, every, which)
        costs += cost
        for index, k in enumerate(batch.slices):
            evidence = self._evidence(
                perturbation, objective, of_target, fit, index, k, float(costs[index]), embedding
            )
            status = self._status(fit, index, geometry, evidence)
            followed = [
                outline
                for outline, of in zip(outlines, which.tolist(), strict=True)
                if of == index and outline is not None and status != "collapsed"
            ]
            curves = fit.curves[index]
            shortcut = self._shortcut(curves, k, scores[k])
            common = {"background": names[index], **shortcut.record}
            finding = Finding(
                slice=k,
                sop_instance_uid=(
                    self.scan.sop_instance_uids[k] if self.scan.sop_instance_uids else None
                ),
                label=self.classifier.labels[self.target],
                score=scores[k],
                status=status,
                evidence=replace(
                    evidence,
                    chance_evaluations=evidence.chance_evaluations + float(judging[index]),
                    shortcut_evaluations=shortcut.evaluations,
                ),
                evidence_contours=self._placed_evidence(fit, alone, index, k, common),
                outlines=tuple(
                    self._placed_outline(perturbation, of_target, outline, index, k)
                    for outline in followed
                ),
                note=self._note(
                    evidence, followed, names[index], status, fit, index, shortcut, idle[index]
                ),
            )
            yield finding, self._views(batch, *self._variants(perturbation, curves, index))

    def _outlines(
        self,
        batch: PlaneBatch,
        perturbation: Perturbation,
        of_target: TargetObjective,
        curves: FourierContour,
        which: Tensor,
    ) -> tuple[Sequence[Outline | None], Tensor]:
        """Follow the image from each curve; with (B,) what that cost each slice."""
        costs = torch.zeros(len(batch.slices), device=which.device)
        if self.settings.outline == "none":
            return [None] * len(curves), costs
        images = torch.from_numpy(np.stack([self.grey(k) for k in batch.slices]))[which.cpu()]
        measured = None
        if self.scan.measured is not None:
            measured = torch.from_numpy(self.scan.measured[list(batch.slices)])[which.cpu()]
        offers, spent = offer_outlines(
            perturbation,
            of_target,
            images,
            plane_geometry(self.scan),
            curves,
            which,
            measured,
            outliner=outliner(self.settings.outline),
        )
        return [offer.best for offer in offers], costs.index_add_(0, which, spent)

    def problem(self, batch: PlaneBatch) -> tuple[Perturbation, TargetObjective, list[str], float]:
        """What is asked of the classifier, the backgrounds' names and what choosing them cost."""
        background, names, cost = self.backgrounds(batch)
        geometry = plane_geometry(self.scan)
        perturbation = Perturbation(batch.inputs, background, batch.points, geometry, batch.most)
        of_target = TargetObjective(self.classifier.score, batch.inputs, background, self.target)
        return perturbation, of_target, names, cost

    @torch.no_grad()
    def backgrounds(self, batch: PlaneBatch) -> tuple[Tensor, list[str], float]:
        """Background of each image, its name, and what choosing it cost in evaluations.

        What was not measured is left as it is, and counts in no background.
        """
        inputs, background = batch.filled, self.settings.background
        assert background is not None  # settled by `Settings`
        if background != "auto":
            make = BACKGROUNDS[background] if isinstance(background, str) else background
            name = background if isinstance(background, str) else repr(background)
            return batch.where_measured(make(inputs)), [name] * len(inputs), 0.0

        def log_odds(made: Tensor) -> Tensor:
            return self.classifier.score(batch.where_measured(made))[:, self.target]

        made, chosen = mildest(inputs, log_odds)
        return batch.where_measured(made), chosen, len(AUTOMATIC) / 4

    def _evidence(
        self,
        perturbation: Perturbation,
        objective: Objective,
        of_target: TargetObjective,
        fit: Found,
        index: int,
        k: int,
        cost: float,
        embedding: EmbeddingObjective,
    ) -> Evidence:
        curves = fit.curves[index]
        statistic = float(fit.preserved[index] - fit.deleted[index])
        test = placement_test(
            perturbation,
            objective,
            index,
            curves,
            statistic,
            self.body(perturbation, k),
            seed=self.settings.seed + k,
        )
        which = torch.full((test.count,), index, device=curves.center.device)
        if objective is of_target:
            chance = (test.preserved, test.deleted)
            own = (fit.preserved[[index]], fit.deleted[[index]])
        else:
            chance = judge_together(perturbation, of_target, test.curves, test.count, which)
            own = judge_together(perturbation, of_target, curves, 1, which[:1])
        return Evidence(
            preserved=of_target.probability(own[0], which[:1]).item(),
            deleted=of_target.probability(own[1], which[:1]).item(),
            background=of_target.background_log_odds[index].sigmoid().item(),
            random_preserved=of_target.probability(chance[0], which).mean().item(),
            random_deleted=of_target.probability(chance[1], which).mean().item(),
            p_value=test.p_value,
            chance_curves=test.count,
            evaluations=float(fit.evaluations[index]) + cost,
            chance_evaluations=test.evaluations,
            background_similarity=embedding.background_similarity[index].item(),
        )

    def _shortcut(self, curves: Shape, k: int, score: float) -> ShortcutCheck:
        points = plane_geometry(self.scan).pixel_centres()
        region = curves.to("cpu").contains(points).any(0).numpy()
        return check_shortcut(self.scan, self.classifier, self.target, k, region, score)

    def body(self, perturbation: Perturbation, k: int) -> Tensor:
        """(M, 2) plane coordinates of the slice's body that the network has in sight."""
        plane = self.grey(k)
        inside = torch.from_numpy(body_mask(plane, self.scan.measured_in(k)))
        points = perturbation.plane.pixel_centres()[inside]
        low, high = perturbation.bounds
        seen = ((points >= low.cpu()) & (points <= high.cpu())).all(-1)
        return points[seen] if bool(seen.any()) else points

    def grey(self, k: int) -> npt.NDArray[np.float32]:
        """(rows, columns) of slice `k`, colours averaged."""
        plane: npt.NDArray[np.float32] = self.scan.voxels[k]
        if plane.ndim == 2:
            return plane
        grey: npt.NDArray[np.float32] = plane.mean(-1)
        return grey

    def _status(
        self, fit: Found, index: int, geometry: PlaneGeometry, evidence: Evidence
    ) -> Status:
        fraction = float(fit.area_fraction[index])
        pixels = fraction * geometry.rows * geometry.columns
        effect = float(fit.preserved[index] - fit.deleted[index])
        # One of several places that each keep the score: taking it away alone changes little.
        one_of_several = evidence.preserved > POSITIVE >= evidence.background
        explains = effect >= LEAST_EFFECT or one_of_several
        if pixels < LEAST_PIXELS or fraction > LARGEST_FRACTION or not explains:
            return "collapsed"
        return status_of(evidence.deleted, evidence.p_value)

    def _placed_evidence(
        self,
        fit: Found,
        alone: Sequence[Sequence[Alone]],
        index: int,
        k: int,
        common: dict[str, Any],
    ) -> tuple[PlacedContour, ...]:
        """The evidence contours of one slice, with what each adds and how strong it is alone."""
        curves = fit.curves[index]
        gains = [{"gain": gain} for gain in fit.gains[index]] or [{}] * len(curves)
        own = [asdict(each) for each in alone[index]] or [{}] * len(curves)
        return tuple(
            self.place(curves[n : n + 1], "evidence", k, common | gains[n] | own[n])
            for n in range(len(curves))
        )

    def _placed_outline(
        self,
        perturbation: Perturbation,
        of_target: TargetObjective,
        outline: Outline,
        index: int,
        k: int,
    ) -> PlacedContour:
        which = torch.tensor([index], device=perturbation.images.device)
        curve = outline.contour.to(perturbation.images.device)
        preserved, deleted = perturbation.judge(of_target, curve, which)
        quality = {
            **outline.quality,
            "preserved": of_target.probability(preserved, which).item(),
            "deleted": of_target.probability(deleted, which).item(),
        }
        return self.place(outline.contour, "outline", k, quality)

    def place(
        self,
        curve: Shape,
        kind: Literal["evidence", "outline"],
        k: int,
        quality: dict[str, Any],
    ) -> PlacedContour:
        """Place one curve of slice `k` in patient space."""
        geometry = plane_geometry(self.scan)
        exact = curve.to("cpu").to(torch.float64)
        index = geometry.to_index(exact.polygon_inside(geometry)[0]).numpy()
        return PlacedContour(
            kind=kind,
            slice=k,
            parameters=exact.to_dict(),
            polygon_lps_mm=self.scan.to_lps(index, k),
            area_mm2=float(exact.area_inside(geometry)[0]) * geometry.unit_mm**2,
            quality=quality,
        )

    def _note(
        self,
        evidence: Evidence,
        followed: Sequence[Outline],
        background: str,
        status: Status,
        fit: Found,
        index: int,
        shortcut: ShortcutCheck,
        idle: int,
    ) -> str:
        notes = list(shortcut.warnings.values())
        if fit.pruned[index]:
            notes.append(
                f"Contours looked for and dropped because they add nothing: {fit.pruned[index]}."
            )
        if idle:
            notes.append(
                "Contours left out because by themselves they do not keep the class better than "
                f"random places do: {idle}."
            )
        if evidence.background > POSITIVE:
            notes.append(
                f"The background ({background}) alone is still called "
                f"{self.classifier.labels[self.target]}: taking evidence away changes little."
            )
        own = fit.curves[index].area().sum().item()
        if any(far_larger(outline.contour.area().item(), own) for outline in followed):
            notes.append(
                f"The outline covers more than {FAR_LARGER:g} times the evidence: it may have run "
                "out into what surrounds the object."
            )
        if status == "collapsed":
            notes.append("The contour collapsed: it explains nothing and is not a suggestion.")
        elif self.settings.outline != "none" and len(followed) < len(fit.curves[index]):
            notes.append(
                "The image has no clear boundary near the evidence: no outline."
                if not followed
                else "The image has no clear boundary near some of the evidence: no outline there."
            )
        return " ".join(notes)

    @torch.no_grad()
    def _variants(
        self, perturbation: Perturbation, curves: Shape, index: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(C, H, W) original, preserved and deleted, under the hard mask."""
        which = torch.tensor([index], device=perturbation.images.device)
        mask = curves.mask(perturbation.points, SHARP).amax(0, keepdim=True)
        return (
            perturbation.images[index],
            perturbation.preserved(mask, which)[0],
            perturbation.deleted(mask, which)[0],
        )

    def _views(self, batch: PlaneBatch, *variants: Tensor) -> Views:
        low, high = variants[0].amin(), variants[0].amax()
        span = (high - low).clamp_min(1e-6)
        return Views(*(self._on_source(((x - low) / span).mean(0).cpu(), batch) for x in variants))

    def _on_source(self, image: Tensor, batch: PlaneBatch) -> npt.NDArray[np.float32]:
        """Bring a network input back to the slice's own pixels, for people to look at."""
        inverse = np.linalg.inv(batch.index_from_input)
        row, column = np.meshgrid(
            np.arange(self.scan.rows), np.arange(self.scan.columns), indexing="ij"
        )
        at = np.stack([column, row, np.ones_like(row)], -1) @ inverse.T
        planes = ndimage.map_coordinates(
            image.numpy(), [at[..., 0], at[..., 1]], order=1, mode="constant", cval=np.nan
        )
        on_slice: npt.NDArray[np.float32] = np.asarray(planes, dtype=np.float32)
        return on_slice


def far_larger(outline: float, evidence: float) -> bool:
    """Whether an outline's area is so much larger than its evidence's that it may have run out."""
    return outline > FAR_LARGER * evidence
