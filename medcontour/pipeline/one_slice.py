"""Jobs on one slice: the importance contour map, and the robustness of its contour."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medcontour.classifier import Classifier, target_index
from medcontour.contour import FourierContour
from medcontour.errors import MedcontourError
from medcontour.explain import (
    PRESETS,
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
from medcontour.pipeline.explainer import POSITIVE, Explainer
from medcontour.pipeline.job import check_choices, classifier_reference, scan_reference
from medcontour.pipeline.planes import plane_batches, plane_geometry
from medcontour.pipeline.privacy import path_without_patient
from medcontour.results import ContourMap, MapLevel, Robustness, RobustnessRun
from medcontour.scan import Scan

__all__ = ["AREAS", "WEIGHTS", "contour_map", "robustness"]

Progress = Callable[[str, int, int], None]

AREAS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
"""Areas of the paper's Fig. 4."""

WEIGHTS = (0.001, 0.01, 0.1, 1.0)
"""Spectral weights from nearly free to nearly a circle."""


@dataclass(frozen=True)
class _Slice:
    """One slice as the optimiser takes it, and what every result says of it."""

    job: Explainer
    k: int
    perturbation: Perturbation
    answer: TargetObjective
    facts: dict[str, Any]

    def probability(self, similarity: Tensor) -> list[float]:
        which = torch.zeros(similarity.numel(), dtype=torch.long, device=similarity.device)
        numbers: list[float] = self.answer.probability(similarity.flatten(), which).tolist()
        return numbers


def _prepare(
    scan: Scan,
    classifier: Classifier,
    k: int,
    target: str | int | None,
    preset: str,
    background: str,
    **settings: Any,
) -> _Slice:
    choice = target_index(classifier, target)
    check_choices(preset=preset, background=background)
    if not 0 <= k < scan.slices:
        raise MedcontourError(
            f"There is no slice {k}: the scan has {scan.slices}, counted from 0; choose 0 to "
            f"{scan.slices - 1}."
        )
    job = Explainer(scan, classifier, choice, preset, 1, None, background, "target", "none", 0)
    [batch] = plane_batches(scan, classifier, [k], 1)
    behind, names, _ = job.backgrounds(batch)
    geometry = plane_geometry(scan)
    perturbation = Perturbation(batch.inputs, behind, batch.points, geometry, batch.most)
    answer = TargetObjective(classifier.score, batch.inputs, behind, choice)
    score = answer.original_log_odds.sigmoid().item()
    alone = answer.background_log_odds.sigmoid().item()
    label = classifier.labels[choice]
    notes = list(scan.notes)
    if score <= POSITIVE:
        notes.append(
            f"The classifier does not call slice {k} {label} (probability {score:.2f}): the "
            "contours show what speaks for it all the same."
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
            "target": label,
            "preset": preset,
            "background": names[0],
            "scan": path_without_patient(scan),
            **settings,
        },
        "slice": k,
        "sop_instance_uid": scan.sop_instance_uids[k] if scan.sop_instance_uids else None,
        "score": score,
        "background_score": alone,
        "notes": tuple(notes),
    }
    return _Slice(job, k, perturbation, answer, facts)


def contour_map(
    scan: Scan,
    classifier: Classifier,
    slice_index: int,
    areas: Sequence[float] = AREAS,
    target: str | int | None = None,
    *,
    preset: str = "fast",
    background: str = "auto",
    circles: int = 32,
    seed: int = 0,
    progress: Progress | None = None,
) -> ContourMap:
    """Map one slice: its best contour of each area, and random circles for comparison (Fig. 4).

    Parameters
    ----------
    scan
        What to look at.
    classifier
        Whom to ask.
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
    asked = check_areas(areas)
    one = _prepare(
        scan,
        classifier,
        slice_index,
        target,
        preset,
        background,
        areas=list(asked),
        circles=circles,
        seed=seed,
    )
    found = area_map(
        one.perturbation,
        one.answer,
        asked,
        preset,
        places=one.job.body(one.perturbation, slice_index),
        circles=circles,
        seed=seed,
        progress=_named("map", progress),
    )
    preserved, deleted = one.probability(found.preserved), one.probability(found.deleted)
    kept, gone = (
        np.reshape(one.probability(values), (len(asked), circles))
        for values in (found.random_preserved, found.random_deleted)
    )
    levels = [
        MapLevel(
            area_asked=area,
            area_fraction=float(found.area_fraction[n, 0]),
            contour=one.job.place(found.contours[n], "evidence", slice_index, {}),
            preserved=preserved[n],
            deleted=deleted[n],
            random_preserved=float(np.mean(kept[n])),
            random_preserved_sd=float(np.std(kept[n])),
            random_deleted=float(np.mean(gone[n])),
            random_deleted_sd=float(np.std(gone[n])),
            circles=circles,
            evaluations=float(found.evaluations[n, 0]),
        )
        for n, area in enumerate(asked)
    ]
    return ContourMap(**one.facts, levels=tuple(levels))


def robustness(
    scan: Scan,
    classifier: Classifier,
    slice_index: int,
    target: str | int | None = None,
    *,
    weights: Sequence[float] = WEIGHTS,
    harmonics: int = 20,
    preset: str = "fast",
    background: str = "auto",
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
    one = _prepare(
        scan,
        classifier,
        slice_index,
        target,
        preset,
        background,
        weights=list(weights),
        harmonics=harmonics,
    )
    problem = (one.perturbation, one.answer)
    # The sweep first: it refuses what is out of reach before the long work.
    fits = spectral_sweep(
        *problem, weights, harmonics, preset, progress=_named("spectrum", progress)
    )
    circles, nine = from_nine_starts(*problem, preset, progress=_named("starts", progress))
    usual = PRESETS[preset].spectral_weight
    starts = [_run(one, nine, n, usual, circles[n : n + 1]) for n in range(9)]
    spectrum = [_run(one, fit, 0, weight) for fit, weight in zip(fits, weights, strict=True)]
    price = PRESETS[preset].area_weight or 1.0
    return Robustness(
        **one.facts,
        starts=tuple(starts),
        spectrum=tuple(spectrum),
        starts_agreement=_in_mm(
            agreement(one.perturbation, nine.contours, nine.preserved, nine.deleted, price), one
        ),
        spectrum_agreement=_in_mm(
            agreement(
                one.perturbation,
                FourierContour.cat([fit.contours for fit in fits]),
                torch.cat([fit.preserved for fit in fits]),
                torch.cat([fit.deleted for fit in fits]),
                price,
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
        start=one.job.place(start, "evidence", one.k, {}) if start else None,
        contour=one.job.place(fit.contours[n : n + 1], "evidence", one.k, {}),
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


def _named(what: str, progress: Progress | None) -> Callable[[int, int], None] | None:
    if progress is None:
        return None
    report = progress
    return lambda done, total: report(what, done, total)
