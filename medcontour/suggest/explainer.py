"""One batch of positive slices: contours found, judged, followed, placed and shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor

from medcontour.classifier import Classifier
from medcontour.contour import FourierContour, PlaneGeometry
from medcontour.explain import (
    AUTOMATIC,
    BACKGROUNDS,
    POLARITY_EVALUATIONS,
    PRESETS,
    SHARP,
    EmbeddingObjective,
    Fit,
    Objective,
    Perturbation,
    TargetObjective,
    chance_test,
    evidence_polarity,
    optimise,
)
from medcontour.outline import Outline, follow_region
from medcontour.scan import Scan
from medcontour.suggest.body import body_mask
from medcontour.suggest.planes import PlaneBatch, plane_geometry
from medcontour.suggestion import Evidence, Finding, PlacedContour, Views
from medcontour.suggestion.model import Status

__all__ = ["CHANCE_LEVEL", "POSITIVE", "Explainer"]

POSITIVE = 0.5
CHANCE_LEVEL = 0.05
LEAST_PIXELS = 4
LARGEST_FRACTION = 0.7
LEAST_EFFECT = 0.1


@dataclass(frozen=True)
class Explainer:
    """One scan, one classifier, one set of choices: explains a batch of positive slices."""

    scan: Scan
    classifier: Classifier
    target: int
    preset: str
    area: float | None
    background: str
    objective: str
    outline: str
    seed: int

    def explain(
        self, batch: PlaneBatch, scores: dict[int, float], step: Callable[[int, int], None]
    ) -> Iterator[tuple[Finding, Views, Tensor]]:
        """Give each slice's finding, what to show of it, and its input without the evidence."""
        geometry = plane_geometry(self.scan)
        background, names, cost = self._backgrounds(batch.inputs)
        perturbation = Perturbation(batch.inputs, background, batch.points, geometry)
        answer = TargetObjective(self.classifier.score, batch.inputs, background, self.target)
        embedding = EmbeddingObjective(
            self.classifier.embed,
            batch.inputs,
            background,
            normalise=PRESETS[self.preset].normalise,
        )
        objective: Objective = embedding if self.objective == "embedding" else answer
        fit = optimise(perturbation, objective, self.preset, area=self.area, progress=step)
        outlines: Sequence[Outline | None] = [None] * len(batch.slices)
        if self.outline != "none":
            polarity = evidence_polarity(perturbation, answer, fit.contours)
            cost += POLARITY_EVALUATIONS
            images = torch.from_numpy(np.stack([self._grey(k) for k in batch.slices]))
            outlines = follow_region(images, geometry, fit.contours.to("cpu"), polarity.cpu())
        for index, k in enumerate(batch.slices):
            evidence, fair = self._evidence(
                perturbation, objective, answer, fit, index, k, cost, embedding
            )
            status = self._status(fit, index, geometry, evidence, fair)
            outline = outlines[index] if status != "collapsed" else None
            curve = fit.contours[[index]]
            placed = self._place(curve, "evidence", k, {"background": names[index]})
            finding = Finding(
                slice=k,
                sop_instance_uid=(
                    self.scan.sop_instance_uids[k] if self.scan.sop_instance_uids else None
                ),
                label=self.classifier.labels[self.target],
                score=scores[k],
                status=status,
                evidence=evidence,
                evidence_contours=(placed,),
                outlines=self._placed_outline(perturbation, answer, outline, index, k),
                note=self._note(evidence, outline, names[index], status, curve, k),
            )
            original, preserved, without = self._variants(perturbation, curve, index)
            views = self._views(batch, original, preserved, without)
            yield finding, views, without

    @torch.no_grad()
    def _backgrounds(self, inputs: Tensor) -> tuple[Tensor, list[str], float]:
        """Background of each image, its name, and what choosing it cost in evaluations."""
        names = list(AUTOMATIC) if self.background == "auto" else [self.background]
        made = torch.stack([BACKGROUNDS[name](inputs) for name in names])  # (names, B, C, H, W)
        if len(names) == 1:
            return made[0], names * len(inputs), 0.0
        odds = torch.stack(
            [self.classifier.score(images)[:, self.target].float() for images in made]
        )
        removes = odds < 0  # the probability falls under one half
        first = removes.float().argmax(0)
        choice = torch.where(removes.any(0), first, odds.argmin(0))
        rows = torch.arange(len(inputs), device=inputs.device)
        return made[choice, rows], [names[c] for c in choice.tolist()], len(names) / 4

    def _evidence(
        self,
        perturbation: Perturbation,
        objective: Objective,
        answer: TargetObjective,
        fit: Fit,
        index: int,
        k: int,
        cost: float,
        embedding: EmbeddingObjective,
    ) -> tuple[Evidence, bool]:
        curve = fit.contours[[index]]
        statistic = float(fit.preserved[index] - fit.deleted[index])
        test = chance_test(
            perturbation,
            objective,
            index,
            curve,
            statistic,
            self._body(perturbation, k),
            seed=self.seed + k,
        )
        which = torch.full((test.count,), index, device=curve.center.device)
        if objective is answer:
            chance = (test.preserved, test.deleted)
            own = (fit.preserved[[index]], fit.deleted[[index]])
        else:
            chance = perturbation.judge(answer, test.curves, which)
            own = perturbation.judge(answer, curve, which[:1])
        evidence = Evidence(
            preserved=answer.probability(own[0], which[:1]).item(),
            deleted=answer.probability(own[1], which[:1]).item(),
            background=answer.background_log_odds[index].sigmoid().item(),
            random_preserved=answer.probability(chance[0], which).mean().item(),
            random_deleted=answer.probability(chance[1], which).mean().item(),
            p_value=test.p_value,
            chance_curves=test.count,
            evaluations=float(fit.evaluations[index]) + cost,
            chance_evaluations=test.evaluations,
            background_similarity=embedding.background_similarity[index].item(),
        )
        return evidence, test.p_value <= CHANCE_LEVEL

    def _body(self, perturbation: Perturbation, k: int) -> Tensor:
        """(M, 2) plane coordinates of the slice's body that the network has in sight."""
        plane = self._grey(k)
        inside = torch.from_numpy(body_mask(plane))
        points = perturbation.plane.pixel_centres()[inside]
        low, high = perturbation.bounds
        seen = ((points >= low.cpu()) & (points <= high.cpu())).all(-1)
        return points[seen] if bool(seen.any()) else points

    def _grey(self, k: int) -> npt.NDArray[np.float32]:
        plane: npt.NDArray[np.float32] = self.scan.voxels[k]
        if plane.ndim == 2:
            return plane
        grey: npt.NDArray[np.float32] = plane.mean(-1)
        return grey

    def _status(
        self, fit: Fit, index: int, geometry: PlaneGeometry, evidence: Evidence, fair: bool
    ) -> Status:
        fraction = float(fit.area_fraction[index])
        pixels = fraction * geometry.rows * geometry.columns
        effect = float(fit.preserved[index] - fit.deleted[index])
        # One of several places that each keep the answer: taking it away alone changes little.
        one_of_several = evidence.preserved > POSITIVE >= evidence.background
        explains = effect >= LEAST_EFFECT or one_of_several
        if pixels < LEAST_PIXELS or fraction > LARGEST_FRACTION or not explains:
            return "collapsed"
        return "suggested" if fair else "no better than chance"

    def _placed_outline(
        self,
        perturbation: Perturbation,
        answer: TargetObjective,
        outline: Outline | None,
        index: int,
        k: int,
    ) -> tuple[PlacedContour, ...]:
        if outline is None:
            return ()
        which = torch.tensor([index], device=perturbation.images.device)
        curve = outline.contour.to(perturbation.images.device)
        preserved, deleted = perturbation.judge(answer, curve, which)
        quality = {
            "contrast": outline.contrast,
            "edge": outline.edge,
            "preserved": answer.probability(preserved, which).item(),
            "deleted": answer.probability(deleted, which).item(),
        }
        return (self._place(outline.contour, "outline", k, quality),)

    def _place(
        self,
        curve: FourierContour,
        kind: Literal["evidence", "outline"],
        k: int,
        quality: dict[str, Any],
    ) -> PlacedContour:
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
        outline: Outline | None,
        background: str,
        status: Status,
        curve: FourierContour,
        k: int,
    ) -> str:
        notes = []
        column, row = (
            plane_geometry(self.scan).to_index(curve.center[0].cpu()).round().int().tolist()
        )
        body = body_mask(self._grey(k))
        if not body[min(max(row, 0), len(body) - 1), min(max(column, 0), body.shape[1] - 1)]:
            notes.append(
                "The evidence lies outside the body: the classifier may go by something that is "
                "not the patient."
            )
        if evidence.background > POSITIVE:
            notes.append(
                f"The background ({background}) alone is still called "
                f"{self.classifier.labels[self.target]}: taking evidence away changes little."
            )
        if status == "collapsed":
            notes.append("The contour collapsed: it explains nothing and is not a suggestion.")
        elif outline is None and self.outline != "none":
            notes.append("The image has no clear boundary near the evidence: no outline.")
        return " ".join(notes)

    @torch.no_grad()
    def _variants(
        self, perturbation: Perturbation, curve: FourierContour, index: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(C, H, W) original, preserved and deleted, under the hard mask."""
        which = torch.tensor([index], device=perturbation.images.device)
        mask = curve.mask(perturbation.points, SHARP)
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
