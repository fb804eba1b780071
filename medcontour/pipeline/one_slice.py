"""Jobs on one slice: the importance contour map, and the robustness of its contour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medcontour.classifier import target_index
from medcontour.contour import FourierContour
from medcontour.errors import MedcontourError
from medcontour.explain import (
    Agreement,
    Fit,
    Perturbation,
    TargetObjective,
    agreement,
    area_map,
    check_areas,
    from_nine_starts,
    spectral_sweep,
)
from medcontour.explain.choices import (
    AREAS,
    CIRCLES,
    MOST_HARMONICS,
    SPECTRAL_WEIGHTS,
    Background,
    BackgroundName,
    PresetName,
)
from medcontour.pipeline.explainer import Explainer
from medcontour.pipeline.found import POSITIVE, preset_of
from medcontour.pipeline.inputs import AnyClassifier, AnyScan, given_classifier, given_scan
from medcontour.pipeline.placing import placed
from medcontour.pipeline.planes import plane_batches
from medcontour.pipeline.references import (
    classifier_reference,
    scan_reference,
    settings_record,
)
from medcontour.pipeline.settings import DEFAULTS, Settings
from medcontour.progress import Progress, named
from medcontour.results import ContourMap, MapLevel, Robustness, RobustnessRun, slice_numbers

__all__ = ["contour_map", "robustness"]


@dataclass(frozen=True)
class _Slice:
    """One slice as the optimiser takes it, and what every result says of it."""

    job: Explainer
    k: int
    perturbation: Perturbation
    of_target: TargetObjective
    facts: dict[str, Any]

    def probability(self, similarity: Tensor) -> list[float]:
        which = torch.zeros(similarity.numel(), dtype=torch.long, device=similarity.device)
        numbers: list[float] = self.of_target.probability(similarity.flatten(), which).tolist()
        return numbers


def _prepare(
    scan: AnyScan,
    classifier: AnyClassifier,
    k: int,
    settings: Settings,
    progress: Progress | None,
    **more: Any,
) -> _Slice:
    scan, classifier = given_scan(scan, progress), given_classifier(classifier)
    choice = target_index(classifier, settings.target)
    if not 0 <= k < scan.slices:
        raise MedcontourError(
            f"There is no slice of index {k}: the scan has {scan.slices}; choose an index "
            f"from 0 to {scan.slices - 1}."
        )
    job = Explainer(scan, classifier, choice, settings)
    [batch] = plane_batches(scan, classifier, [k], 1)
    perturbation, of_target, names, _ = job.problem(batch)
    score = of_target.original_log_odds.sigmoid().item()
    alone = of_target.background_log_odds.sigmoid().item()
    label = classifier.labels[choice]
    notes = list(scan.notes)
    if score <= POSITIVE:
        notes.append(
            f"The classifier does not call slice {slice_numbers([k])} {label} (probability "
            f"{score:.2f}): the contours show what speaks for it all the same."
        )
    if alone > POSITIVE:
        notes.append(
            f"The background ({names[0]}) alone is still called {label} (probability "
            f"{alone:.2f}): taking evidence away changes little."
        )
    facts = {
        "scan": scan_reference(scan),
        "classifier": classifier_reference(classifier, choice),
        "settings": {
            **settings_record(settings, classifier, choice),
            "background": names[0],
            **more,
        },
        "slice": k,
        "sop_instance_uid": scan.sop_instance_uid(k),
        "score": score,
        "background_score": alone,
        "notes": tuple(notes),
    }
    return _Slice(job, k, perturbation, of_target, facts)


def contour_map(
    scan: AnyScan,
    classifier: AnyClassifier,
    slice_index: int,
    areas: Sequence[float] = AREAS,
    target: str | int | None = DEFAULTS.target,
    *,
    preset: PresetName = DEFAULTS.preset,
    background: BackgroundName | Background | None = None,
    circles: int = CIRCLES,
    seed: int = DEFAULTS.seed,
    progress: Progress | None = None,
) -> ContourMap:
    """Map one slice: its best contour of each area, and random circles for comparison (Fig. 4).

    Parameters
    ----------
    scan, classifier
        As of `suggest`.
    slice_index
        Which slice, from 0.
    areas
        Fractions of the slice, each in [0.001, 0.785].
    target
        The class, by name or index; by default the only one that names a finding.
    preset, background
        As of `medcontour.suggest`.
    circles
        Random circles for each area, about places in the body.
    seed
        Of the circles.
    progress
        Called as the work goes on.

    Raises
    ------
    MedcontourError
        For a slice or class that is not there, or areas out of reach.

    Examples
    --------
    >>> import medcontour as mc
    >>> found = mc.contour_map(scan, classifier, 13, [0.02, 0.1])  # doctest: +SKIP
    >>> mc.report.write_map(found, scan, "out")  # doctest: +SKIP
    """
    checked = check_areas(areas, preset)
    settings = Settings(target=target, preset=preset, background=background, seed=seed)
    one = _prepare(
        scan, classifier, slice_index, settings, progress, areas=list(checked), circles=circles
    )
    found = area_map(
        one.perturbation,
        one.of_target,
        checked,
        preset_of(settings),
        places=one.job.body(one.perturbation, slice_index),
        circles=circles,
        seed=seed,
        progress=named("map", progress),
    )
    preserved, deleted = one.probability(found.preserved), one.probability(found.deleted)
    kept, gone = (
        np.reshape(one.probability(values), (len(checked), circles))
        for values in (found.random_preserved, found.random_deleted)
    )
    levels = [
        MapLevel(
            area_asked=area,
            area_fraction=float(found.area_fraction[n, 0]),
            contour=placed(found.contours[n], "evidence", slice_index, {}, one.job.scan),
            preserved=preserved[n],
            deleted=deleted[n],
            random_preserved=float(np.mean(kept[n])),
            random_preserved_sd=float(np.std(kept[n])),
            random_deleted=float(np.mean(gone[n])),
            random_deleted_sd=float(np.std(gone[n])),
            circles=circles,
            evaluations=float(found.evaluations[n, 0]),
        )
        for n, area in enumerate(checked)
    ]
    return ContourMap(**one.facts, levels=tuple(levels))


def robustness(
    scan: AnyScan,
    classifier: AnyClassifier,
    slice_index: int,
    target: str | int | None = DEFAULTS.target,
    *,
    weights: Sequence[float] = SPECTRAL_WEIGHTS,
    harmonics: int = MOST_HARMONICS,
    preset: PresetName = DEFAULTS.preset,
    background: BackgroundName | Background | None = None,
    progress: Progress | None = None,
) -> Robustness:
    """Find one slice's contour from nine starts and under several spectral weights (Fig. 3).

    Parameters
    ----------
    scan, classifier, slice_index, target
        As of `contour_map`.
    weights
        Spectral weights (lambda_r of Eq. 5).
    harmonics
        K of the contours under them, 1 to 20.
    preset, background
        As of `medcontour.suggest`.
    progress
        Called as the work goes on.

    Raises
    ------
    MedcontourError
        For a slice or class that is not there, a negative weight, or K out of reach.
    """
    settings = Settings(target=target, preset=preset, background=background)
    one = _prepare(
        scan,
        classifier,
        slice_index,
        settings,
        progress,
        weights=list(weights),
        harmonics=harmonics,
    )
    chosen = preset_of(settings)
    problem = (one.perturbation, one.of_target)
    # The sweep first: it refuses what is out of reach before the long work.
    fits = spectral_sweep(
        *problem, weights, harmonics, chosen, progress=named("spectrum", progress)
    )
    circles, nine = from_nine_starts(*problem, chosen, progress=named("starts", progress))
    usual = chosen.spectral_weight
    starts = [_run(one, nine, n, usual, circles[n : n + 1]) for n in range(9)]
    spectrum = [_run(one, fit, 0, weight) for fit, weight in zip(fits, weights, strict=True)]
    area_weight = chosen.area_weight or 1.0
    return Robustness(
        **one.facts,
        starts=tuple(starts),
        spectrum=tuple(spectrum),
        starts_agreement=_in_mm(
            agreement(one.perturbation, nine.curves, nine.preserved, nine.deleted, area_weight),
            one,
        ),
        spectrum_agreement=_in_mm(
            agreement(
                one.perturbation,
                FourierContour.cat([fit.curves for fit in fits]),
                torch.cat([fit.preserved for fit in fits]),
                torch.cat([fit.deleted for fit in fits]),
                area_weight,
            ),
            one,
        )
        if len(fits) > 1
        else {},
    )


def _run(
    one: _Slice, fit: Fit, n: int, weight: float, start: FourierContour | None = None
) -> RobustnessRun:
    evaluations = fit.evaluations
    return RobustnessRun(
        spectral_weight=weight,
        start=placed(start, "evidence", one.k, {}, one.job.scan) if start else None,
        contour=placed(fit.curves[n : n + 1], "evidence", one.k, {}, one.job.scan),
        preserved=one.probability(fit.preserved[n])[0],
        deleted=one.probability(fit.deleted[n])[0],
        evaluations=float(evaluations[n]),
    )


def _in_mm(found: Agreement, one: _Slice) -> dict[str, float]:
    return {
        "iou": found.iou,
        "distance_mm": found.distance * one.perturbation.plane.unit_mm,
        "objective_mean": found.objective_mean,
        "objective_spread": found.objective_spread,
    }
