"""One batch of positive slices: contours found, judged, followed, placed and shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from medcontour.classifier import Classifier
from medcontour.contour import FourierContour, PlaneShape
from medcontour.explain import (
    AUTOMATIC,
    BACKGROUNDS,
    EmbeddingObjective,
    Objective,
    Perturbation,
    TargetObjective,
    judge_together,
    mildest,
)
from medcontour.outline import LearnedNetworks, Outline, Outliner
from medcontour.pipeline.alone import Alone, judged_alone, without_others
from medcontour.pipeline.found import Found, preset_of, search, unsearched
from medcontour.pipeline.outliners import given_outliner
from medcontour.pipeline.outlines import (
    Offer,
    evidence_as_outline,
    offer_outlines,
    outline_notes,
)
from medcontour.pipeline.placement import Network, Placed
from medcontour.pipeline.placing import placed, placed_outline
from medcontour.pipeline.planes import InputBatch, body_area, grey_planes, plane_geometry
from medcontour.pipeline.promptables import redrawn
from medcontour.pipeline.settings import Settings
from medcontour.pipeline.shortcut import ShortcutCheck, check_shortcut
from medcontour.pipeline.slice_status import evidence_notes, slice_status
from medcontour.pipeline.stack_parts import Traced
from medcontour.pipeline.views import views_of
from medcontour.results import Evidence, FindingSlice
from medcontour.results.status import SUGGESTED, Status
from medcontour.scan import Scan
from medcontour.shortcuts import body_mask

__all__ = ["Explained", "Explainer"]

INSIDE_SOMETHING = "It lies inside a clear boundary of the image, which is outlined."
"""The note of a collapsed contour that has an outline all the same."""


@dataclass(frozen=True)
class _Work:
    """One batch, searched: what results are made of."""

    batch: InputBatch
    perturbation: Perturbation
    objective: Objective
    of_target: TargetObjective
    embedding: EmbeddingObjective
    fit: Found
    backgrounds: Sequence[str]
    idle: Sequence[int]
    costs: Tensor  # (B,) evaluations beside the search: backgrounds and outlines


@dataclass(frozen=True)
class Explained:
    """What was found on one slice, with the outlines that this slice by itself says are best.

    Attributes
    ----------
    part
        The result.
    traced
        Each of its evidence contours with the boundaries that the slice offers; none where it
        collapsed.
    note
        What a reader should know of all but the outlines.
    """

    part: FindingSlice
    traced: tuple[Traced, ...]
    note: str


@dataclass(frozen=True)
class Explainer:
    """One scan, one classifier, one `Settings`: explains a batch of positive slices."""

    scan: Scan
    classifier: Classifier
    target: int
    settings: Settings
    area: float | None = None  # fraction of the slice to cover, from either of the settings
    start: FourierContour | None = None  # one curve a slice, to go on from
    as_it_is: bool = False  # the start is judged, and nothing is searched for
    polarity: float = 0.0  # what findings are like: -1 darker than around them, 1 brighter

    def outliner(self, batch: InputBatch, which: Sequence[int]) -> Outliner:
        """What the settings name, for contours on the images of a batch at some places."""
        if isinstance(self._outlining, LearnedNetworks):
            return self._outlining.outliner(batch.inputs[list(which)], batch.points)
        return self._outlining

    @cached_property
    def _outlining(self) -> Outliner | LearnedNetworks:
        return given_outliner(self.settings.outline, self.classifier, self.target)

    def explain(
        self, batch: InputBatch, scores: dict[int, float], step: Callable[[int, int], None]
    ) -> Iterator[Explained]:
        """Give what was found on each slice: one result, or one for each contour of its own."""
        preset = preset_of(self.settings)
        perturbation, of_target, names, cost = self.problem(batch)
        embedding = EmbeddingObjective(
            self.classifier.embed,
            batch.inputs,
            perturbation.background,
            normalise=preset.normalise,
        )
        objective: Objective = embedding if self.settings.objective == "embedding" else of_target
        if self.start is not None and self.as_it_is:
            fit = unsearched(perturbation, objective, self.start)
        else:
            fit = search(
                perturbation, objective, preset, self.settings, self.area, step, self.start
            )
        alone = judged_alone(
            perturbation,
            of_target,
            fit,
            lambda index, curves: self._placed(perturbation, batch.slices[index], index, curves),
        )
        fit, alone, idle = without_others(perturbation, objective, fit, alone)
        every, which = fit.every()
        offers, costs = self._offers(batch, perturbation, of_target, every, which)
        work = _Work(
            batch, perturbation, objective, of_target, embedding, fit, names, idle, costs + cost
        )
        for index, k in enumerate(batch.slices):
            own = [offer for offer, of in zip(offers, which.tolist(), strict=True) if of == index]
            yield from self._results(work, index, scores[k], alone[index], own)

    def _results(
        self,
        work: _Work,
        index: int,
        score: float,
        alone: Sequence[Alone],
        offers: Sequence[Offer],
    ) -> Iterator[Explained]:
        """One result for each contour that keeps the class by itself, else one for all of them."""
        if alone and all(each.status in SUGGESTED for each in alone):
            for n, each in enumerate(alone):
                evidence = self._own_evidence(work, index, each, len(alone))
                yield self._result(work, index, score, [n], evidence, offers[n : n + 1])
            return
        evidence = self._evidence(work, index, sum(each.evaluations for each in alone))
        every = list(range(len(work.fit.curves[index])))
        yield self._result(work, index, score, every, evidence, offers, alone)

    def _result(
        self,
        work: _Work,
        index: int,
        score: float,
        own: list[int],
        evidence: Evidence,
        offers: Sequence[Offer],
        alone: Sequence[Alone] = (),
    ) -> Explained:
        """What some of a slice's contours, by their places, are as a result."""
        k = work.batch.slices[index]
        curves = work.fit.curves[index][torch.tensor(own, device=work.costs.device)]
        effect = float(work.fit.preserved[index] - work.fit.deleted[index])
        plane = work.perturbation.plane
        fraction = float(curves.area_inside(plane).sum()) / plane.area
        pixels = fraction * plane.rows * plane.columns
        status = slice_status(fraction, pixels, evidence, effect)
        every = [
            Traced(k, curves[n : n + 1], offer, suggested=status in SUGGESTED)
            for n, offer in enumerate(offers)
        ]
        traced = tuple(every if status != "collapsed" else ())
        followed = self._followed(every, status)
        shortcut = self._shortcut(curves, k, score)
        common: dict[str, Any] = {"background": work.backgrounds[index], **shortcut.record}
        gains = work.fit.gains[index]
        quality = [
            common | ({"gain": gains[n]} if gains else {}) | (alone[n].quality if alone else {})
            for n in own
        ]
        first = own[0] == 0
        note = " ".join(
            evidence_notes(
                evidence,
                status,
                list(shortcut.warnings.values()),
                self.classifier.labels[self.target],
                work.backgrounds[index],
                work.fit.pruned[index] if first else 0,
                work.idle[index] if first else 0,
            )
        )
        if status == "collapsed" and followed:
            note = f"{note} {INSIDE_SOMETHING}"
        part = FindingSlice(
            slice=k,
            sop_instance_uid=self.scan.sop_instance_uid(k),
            label=self.classifier.labels[self.target],
            score=score,
            status=status,
            evidence=replace(evidence, shortcut_evaluations=shortcut.evaluations),
            evidence_contours=tuple(
                placed(curves[n : n + 1], "evidence", k, each, self.scan)
                for n, each in enumerate(quality)
            ),
            outlines=tuple(
                placed_outline(work.perturbation, work.of_target, outline, index, k, self.scan)
                for outline in followed
            ),
            note=" ".join([note, *self.outline_notes(traced, followed)]).strip(),
            views=views_of(self.scan, work.batch, work.perturbation, curves, index),
        )
        return Explained(part, traced, note)

    def _followed(self, traced: Sequence[Traced], status: Status) -> list[Outline]:
        """The outlines that a slice by itself gives to the contours of one result."""
        pairs = [(one.evidence, one.offer.best) for one in traced]
        if status == "collapsed":
            return [best for evidence, best in pairs if best is not None and _holds(best, evidence)]
        if self.scan.slices > 1 or self.settings.outline == "none":
            return [best for _, best in pairs if best is not None]
        [image], measured = grey_planes(self.scan, [0])
        seen = None if measured is None else measured[0]
        plane = plane_geometry(self.scan)
        return [best or evidence_as_outline(image, plane, own, seen) for own, best in pairs]

    def outline_notes(self, traced: Sequence[Traced], outlines: Sequence[Outline]) -> Iterator[str]:
        """What a reader should know of the outlines of one result."""
        if traced and self.settings.outline != "none":
            evidence = [one.evidence for one in traced]
            yield from outline_notes(evidence, outlines, in_stack=self.scan.slices > 1)

    def _offers(
        self,
        batch: InputBatch,
        perturbation: Perturbation,
        of_target: TargetObjective,
        curves: FourierContour,
        which: Tensor,
    ) -> tuple[list[Offer], Tensor]:
        """Follow the image from each curve; with (B,) what that cost each slice."""
        costs = torch.zeros(len(batch.slices), device=which.device)
        if self.settings.outline == "none":
            return [Offer((), (), 0.0)] * len(curves), costs
        slices = [batch.slices[n] for n in which.tolist()]
        images, measured = grey_planes(self.scan, slices)
        offers, spent = offer_outlines(
            perturbation,
            of_target,
            images,
            plane_geometry(self.scan),
            curves,
            which,
            [body_area(self.scan, k) for k in slices],
            measured,
            outliner=self.outliner(batch, which.tolist()),
            redrawn=redrawn(self.settings.outline, self.classifier, self.scan, slices),
            expected=self.polarity,
        )
        return offers, costs.index_add_(0, which, spent)

    def problem(self, batch: InputBatch) -> tuple[Perturbation, TargetObjective, list[str], float]:
        """What the classifier is to explain, the backgrounds' names and what choosing them cost."""
        background, names, cost = self.backgrounds(batch)
        geometry = plane_geometry(self.scan)
        filled = self.scan.slices > 1  # a slice's contour is the same whoever shares its batch
        perturbation = Perturbation(
            batch.inputs, background, batch.points, geometry, batch.most, filled
        )
        of_target = TargetObjective(self.classifier.score, batch.inputs, background, self.target)
        return perturbation, of_target, names, cost

    @torch.no_grad()
    def backgrounds(self, batch: InputBatch) -> tuple[Tensor, list[str], float]:
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

    def _evidence(self, work: _Work, index: int, judging: float) -> Evidence:
        """Evidence of all contours of a slice together; `judging` is what each by itself cost."""
        perturbation, objective, of_target = work.perturbation, work.objective, work.of_target
        k, fit = work.batch.slices[index], work.fit
        curves = fit.curves[index]
        judged = self._placed(perturbation, k, index, curves)
        own = (fit.preserved[[index]], fit.deleted[[index]])
        which = torch.tensor([index], device=curves.center.device)
        if objective is not of_target:
            own = judge_together(perturbation, of_target, curves, 1, which)
        return self._placed_evidence(
            work,
            index,
            of_target.probability(own[0], which).item(),
            of_target.probability(own[1], which).item(),
            replace(judged, placement_evaluations=judged.placement_evaluations + judging),
            1,
        )

    def _own_evidence(self, work: _Work, index: int, alone: Alone, count: int) -> Evidence:
        """Evidence of one of `count` contours that were found together, which share the cost."""
        judged = replace(alone.placed, placement_evaluations=alone.evaluations)
        return self._placed_evidence(work, index, alone.preserved, alone.deleted, judged, count)

    def _placed_evidence(
        self, work: _Work, index: int, preserved: float, deleted: float, judged: Placed, count: int
    ) -> Evidence:
        """Evidence of contours that their placement test is known of."""
        return Evidence(
            preserved=preserved,
            deleted=deleted,
            background=work.of_target.background_log_odds[index].sigmoid().item(),
            evaluations=float(work.fit.evaluations[index] + work.costs[index]) / count,
            background_similarity=work.embedding.background_similarity[index].item(),
            **asdict(judged),
        )

    def _placed(
        self, perturbation: Perturbation, k: int, index: int, curves: FourierContour
    ) -> Placed:
        """The placement test of contours of slice `k`, at `index` in its batch."""
        network = Network(
            self.classifier.score,
            self.target,
            self.classifier.embed if self.settings.objective == "embedding" else None,
            preset_of(self.settings).normalise,
        )
        body = self.body(perturbation, k)
        return network.placed(perturbation, index, curves, body, self.settings.seed + k)

    def _shortcut(self, curves: PlaneShape, k: int, score: float) -> ShortcutCheck:
        points = plane_geometry(self.scan).pixel_centres()
        region = curves.to("cpu").contains(points).any(0).numpy()
        return check_shortcut(self.scan, self.classifier, self.target, k, region, score)

    def _body_mask(self, k: int) -> Tensor:
        """(rows, columns) bool: the body on slice `k`."""
        return torch.from_numpy(body_mask(self.scan.grey(k), self.scan.measured_in(k)))

    def body(self, perturbation: Perturbation, k: int) -> Tensor:
        """(M, 2) plane coordinates of the slice's body that the network has in sight."""
        points = perturbation.plane.pixel_centres()[self._body_mask(k)]
        low, high = perturbation.bounds
        seen = ((points >= low.cpu()) & (points <= high.cpu())).all(-1)
        return points[seen] if bool(seen.any()) else points


def _holds(outline: Outline, evidence: PlaneShape) -> bool:
    """Whether an outline lies round the center of an evidence contour."""
    return bool(outline.contour.contains(evidence.center.to("cpu")).any())
