"""The main job with a classifier of volumes: one closed evidence surface for the whole stack."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch

from medcontour.classifier import VolumeClassifier, target_index
from medcontour.contour import HarmonicSurface
from medcontour.errors import MedcontourError
from medcontour.explain import (
    EmbeddingObjective,
    InBFloat16,
    Objective,
    Perturbation,
    TargetObjective,
    optimise,
)
from medcontour.limits import peak_memory_mb
from medcontour.outline import outliner
from medcontour.pipeline.allowance import Allowance, most_a_slice
from medcontour.pipeline.cuts import cuts, placed_surface
from medcontour.pipeline.explainer import Explainer
from medcontour.pipeline.found import POSITIVE, preset_of
from medcontour.pipeline.placement import Network
from medcontour.pipeline.planes import InputBatch
from medcontour.pipeline.references import (
    classifier_reference,
    run_record,
    scan_reference,
    settings_record,
)
from medcontour.pipeline.settings import LEARNED_PREFIX, PROMPTED_PREFIX, Settings
from medcontour.pipeline.shortcut import ShortcutCheck, check_stack_shortcuts, shortcut_notes
from medcontour.pipeline.slice_status import evidence_notes, slice_status
from medcontour.pipeline.views import stack_views
from medcontour.pipeline.volume_outlines import VolumeOutlines, outline_volume
from medcontour.pipeline.whole_stack import body_places, stack_batch, volume_geometry
from medcontour.progress import Progress
from medcontour.results import (
    VOLUME,
    Evidence,
    Finding,
    FindingSlice,
    PlacedContour,
    Suggestion,
    make_finding,
)
from medcontour.results.masks import pixel_mask
from medcontour.results.status import Status
from medcontour.scan import Scan

__all__ = ["suggest_volume"]

OF_THE_STACK = (
    "The classifier takes the whole stack as one input: the score, and what is said of the "
    "evidence, is that of the stack and its surface on every slice."
)
BETWEEN = "The surface lies between two slices and meets none."


def suggest_volume(
    scan: Scan, classifier: VolumeClassifier, settings: Settings, progress: Progress | None = None
) -> Suggestion:
    """Find, place and judge one closed evidence surface, if the stack is called positive.

    From its cuts by the slices the image is followed to the outlines of what it sits on.

    Parameters
    ----------
    scan, classifier, settings, progress
        As of `medcontour.pipeline.suggest_with`. Of the settings, those that are of slices and
        several contours have no meaning here, nor outlines by networks of planes.

    Raises
    ------
    MedcontourError
        For such a setting, a class that is not there, and a stack that does not fit the classifier
        or memory.
    """
    begun = time.perf_counter()
    target = target_index(classifier, settings.target)
    _check_settings(settings)
    report = progress or (lambda *_: None)
    batch = stack_batch(scan, classifier)
    with torch.no_grad():
        score = float(classifier.score(batch.inputs)[0, target].sigmoid())
    report("classify", 1, 1)
    findings: tuple[Finding, ...] = ()
    if score > POSITIVE:
        work = _Work(scan, classifier, target, settings, batch, score)
        findings = (work.finding(lambda done, steps: report("optimise", done, steps)),)
        report("judge", 1, 1)
    spent = [finding.cost for finding in findings]
    said = [OF_THE_STACK] if findings else []
    said += [note for finding in findings for note in shortcut_notes(scan, finding.slices)]
    return Suggestion(
        scan=scan_reference(scan),
        classifier=classifier_reference(classifier, target),
        settings=settings_record(settings, classifier, target) | {"input": VOLUME},
        findings=findings,
        slice_scores=dict.fromkeys(range(scan.slices), score),
        run={
            **run_record(begun),
            "peak_memory_mb": peak_memory_mb(),
            "evaluations_per_surface": round(spent[0], 2) if spent else None,
        },
        notes=(*scan.notes, *classifier.notes, *said),
        source=scan,
    )


def _check_settings(settings: Settings) -> None:
    """Refuse what is chosen of slices, and too few evaluations."""
    chosen = {
        "slices": settings.slices is not None,
        "contours": settings.contours != 1,
        "area_mm2": settings.area_mm2 is not None,
        "most_seconds": settings.most_seconds is not None,
        "outline": not isinstance(settings.outline, str)
        or settings.outline.startswith((LEARNED_PREFIX, PROMPTED_PREFIX)),
    }
    for name in (name for name, is_chosen in chosen.items() if is_chosen):
        raise MedcontourError(
            "A classifier of volumes takes the whole stack as one input, which one surface "
            f"explains: the setting {name} has no meaning for it; leave it out."
        )
    Allowance(settings.most_evaluations, None, most_a_slice(settings))  # refuses too few


@dataclass(frozen=True)
class _Work:
    """One positive stack."""

    scan: Scan
    classifier: VolumeClassifier
    target: int
    settings: Settings
    batch: InputBatch
    score: float

    def finding(self, step: Callable[[int, int], None]) -> Finding:
        """Search for the surface, judge it and cut it."""
        batch, scan = self.batch, self.scan
        explainer = Explainer(scan, self.classifier, self.target, self.settings)
        background, [name], cost = explainer.backgrounds(batch)
        perturbation = Perturbation(
            batch.inputs, background, batch.points, volume_geometry(scan), batch.most
        )
        of_target = TargetObjective(self.classifier.score, batch.inputs, background, self.target)
        embedding = EmbeddingObjective(
            self.classifier.embed,
            batch.inputs,
            background,
            normalise=preset_of(self.settings).normalise,
        )
        of_class = self.settings.objective == "target"
        objective: Objective = of_target if of_class else embedding
        surface, effect, spent = self._searched(perturbation, objective, step)
        evidence = replace(
            self._evidence(perturbation, of_target, surface),
            background_similarity=float(embedding.background_similarity),
        )
        fraction = float(surface.share_inside(volume_geometry(scan)))
        voxels = fraction * scan.slices * scan.rows * scan.columns
        status = slice_status(fraction, voxels, evidence, effect)
        found = cuts(surface, scan, {"background": name})
        checks = self._shortcuts(found)
        outlined = VolumeOutlines({}, {}, 0.0)
        if found and self.settings.outline != "none" and status != "collapsed":
            scores = dict.fromkeys(range(scan.slices), self.score)
            follow = outliner(str(self.settings.outline))
            outlined = outline_volume(scan, found, surface, perturbation, of_target, scores, follow)
        evidence = replace(
            evidence,
            evaluations=spent + cost + outlined.evaluations,
            shortcut_evaluations=max((check.evaluations for check in checks.values()), default=0.0),
        )
        label = self.classifier.labels[self.target]
        notes = dict(outlined.notes)
        for k, check in checks.items():
            warnings = list(check.warnings.values())
            said = [*evidence_notes(evidence, status, warnings, label, name), notes.get(k, "")]
            notes[k] = " ".join(said).strip()
            found[k] = tuple(
                replace(one, quality={**one.quality, **check.record}) for one in found[k]
            )
        if not found:
            middle = volume_geometry(scan).to_index(surface.center[0])[2]
            nearest = min(max(round(float(middle)), 0), scan.slices - 1)
            said = [*evidence_notes(evidence, status, (), label, name), BETWEEN]
            found, notes = {nearest: ()}, {nearest: " ".join(said)}
        parts = self._parts(perturbation, surface, evidence, status, found, outlined, notes)
        return replace(make_finding(parts, 1, scan), evidence_surface=placed_surface(surface, scan))

    def _shortcuts(
        self, found: Mapping[int, tuple[PlacedContour, ...]]
    ) -> dict[int, ShortcutCheck]:
        """Where the surface lies on the slices that it meets, and what the score hangs on."""
        regions = {
            k: np.any([pixel_mask(one.polygon_lps_mm, self.scan, k) for one in contours], axis=0)
            for k, contours in found.items()
        }
        return check_stack_shortcuts(self.scan, self.classifier, self.target, regions, self.score)

    def _searched(
        self, perturbation: Perturbation, objective: Objective, step: Callable[[int, int], None]
    ) -> tuple[HarmonicSurface, float, float]:
        """The surface, by how much it keeps more than it leaves, and what it cost."""
        half = self.settings.precision == "bfloat16"
        searched = InBFloat16(objective) if half else objective
        fit = optimise(
            perturbation,
            searched,
            preset_of(self.settings),
            area=self.settings.area,
            progress=step,
        )
        assert isinstance(fit.contours, HarmonicSurface)
        kept, left, spent = fit.preserved, fit.deleted, float(fit.evaluations)
        if half:
            which = torch.zeros(1, dtype=torch.long, device=kept.device)
            kept, left = perturbation.judge(objective, fit.contours, which)
            spent += 0.5
        return fit.contours.detach(), float(kept - left), spent

    def _evidence(
        self, perturbation: Perturbation, of_target: TargetObjective, surface: HarmonicSurface
    ) -> Evidence:
        """What the class makes of the surface, and its placement test; the search's cost aside."""
        which = torch.zeros(1, dtype=torch.long, device=perturbation.images.device)
        preserved, deleted = perturbation.judge(of_target, surface, which)
        network = Network(
            self.classifier.score,
            self.target,
            self.classifier.embed if self.settings.objective == "embedding" else None,
            preset_of(self.settings).normalise,
        )
        body = body_places(self.scan, perturbation.bounds)
        placed = network.placed(perturbation, 0, surface, body, self.settings.seed)
        return Evidence(
            preserved=of_target.probability(preserved, which).item(),
            deleted=of_target.probability(deleted, which).item(),
            background=of_target.background_log_odds[0].sigmoid().item(),
            evaluations=0.0,
            background_similarity=0.0,
            **asdict(placed),
        )

    def _parts(
        self,
        perturbation: Perturbation,
        surface: HarmonicSurface,
        evidence: Evidence,
        status: Status,
        found: Mapping[int, tuple[PlacedContour, ...]],
        outlined: VolumeOutlines,
        notes: Mapping[int, str],
    ) -> list[FindingSlice]:
        """The finding on each slice that the surface or the outline meets.

        The figures are the surface's on each slice of `found`; what it cost is shared among them.
        """
        scan = self.scan
        shared = replace(
            evidence,
            evaluations=evidence.evaluations / len(found),
            placement_evaluations=evidence.placement_evaluations / len(found),
            shortcut_evaluations=evidence.shortcut_evaluations / len(found),
        )
        shown = stack_views(scan, self.batch, perturbation, surface, list(found))
        views = dict(zip(found, shown, strict=True))
        return [
            FindingSlice(
                slice=k,
                sop_instance_uid=scan.sop_instance_uid(k),
                label=self.classifier.labels[self.target],
                score=self.score,
                status=status,
                evidence=shared if k in found else None,
                evidence_contours=found.get(k, ()),
                outlines=outlined.outlines.get(k, ()),
                note=notes.get(k, ""),
                views=views.get(k),
            )
            for k in sorted({*found, *outlined.outlines})
        ]
