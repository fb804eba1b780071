"""The main job: from a scan and a classifier to a suggestion."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import torch

from medcontour.calibration import calibrated
from medcontour.classifier import Classifier, takes_volumes, target_index
from medcontour.errors import MedcontourError
from medcontour.explain.choices import (
    LARGEST_AREA,
    LEAST_AREA,
    Background,
    BackgroundName,
    ObjectiveName,
    Precision,
    PresetName,
)
from medcontour.limits import peak_memory_mb
from medcontour.pipeline.allowance import Allowance, most_a_slice
from medcontour.pipeline.calibrating import AnyCalibration, calibration_for, calibration_key
from medcontour.pipeline.explainer import Explained, Explainer
from medcontour.pipeline.findings import linked_findings
from medcontour.pipeline.found import POSITIVE
from medcontour.pipeline.inputs import AnyClassifier, AnyScan, given_classifier, given_scan
from medcontour.pipeline.notes import run_out
from medcontour.pipeline.planes import plane_batches
from medcontour.pipeline.promptables import licence_notes
from medcontour.pipeline.references import (
    classifier_reference,
    run_record,
    scan_reference,
    settings_record,
)
from medcontour.pipeline.settings import DEFAULTS, OutlineChoice, Settings
from medcontour.pipeline.shortcut import shortcut_notes
from medcontour.pipeline.slices import Slices, pick_slices
from medcontour.pipeline.together import outlined_together
from medcontour.pipeline.volume import suggest_volume
from medcontour.progress import Progress
from medcontour.results import FindingSlice, Suggestion
from medcontour.results.all_positive import all_positive
from medcontour.scan import Scan

__all__ = ["suggest", "suggest_with", "uncalibrated"]

BATCH = 7
"""Slices searched together. Their fourteen preserved and deleted images stay under the sixteen from
which PyTorch computes some convolutions otherwise on one thread: contours would depend on it."""


def suggest(
    scan: AnyScan,
    classifier: AnyClassifier,
    target: str | int | None = DEFAULTS.target,
    *,
    labels: Sequence[str] | None = None,
    preset: PresetName = DEFAULTS.preset,
    contours: int | Literal["auto"] = DEFAULTS.contours,
    area: float | None = DEFAULTS.area,
    area_mm2: float | None = DEFAULTS.area_mm2,
    area_weight: float | None = None,
    slices: Slices | None = None,
    background: BackgroundName | Background | None = None,
    objective: ObjectiveName = DEFAULTS.objective,
    outline: OutlineChoice = DEFAULTS.outline,
    precision: Precision = DEFAULTS.precision,
    most_evaluations: float | None = DEFAULTS.most_evaluations,
    most_seconds: float | None = DEFAULTS.most_seconds,
    seed: int = DEFAULTS.seed,
    calibration: AnyCalibration | None = None,
    progress: Progress | None = None,
) -> Suggestion:
    """Find, place and judge contours on every slice that the classifier calls positive.

    A classifier of volumes takes the whole stack as one input. Where it calls that positive, one
    closed surface explains it: the finding's `evidence_surface`, whose cuts by the slices are its
    evidence contours. From these the image is followed to the outlines.

    Parameters
    ----------
    scan
        What to look at: a `Scan`, or what `read_scan` reads.
    classifier
        A `Classifier` of planes or volumes, or what `load_classifier` takes: a MONAI bundle's
        folder, a TorchScript file, a network.
    target, preset, contours, area, area_mm2, area_weight, slices, background, objective, outline, \
precision, most_evaluations, most_seconds, seed
        As `Settings` says; None for `area_weight` and `background` is the preset's own. A
        background may be any callable from (B, C, H, W) images to their backgrounds, such as
        `medcontour.explain.GaussianBackground`.
    labels
        Names of the classes, for a network that comes without.
    calibration
        What `calibrate` made for this classifier and class, or its file; by default the
        ``calibration.json`` in the classifier's folder, if there is one. It gives findings their
        `conformal_p_value` and `trust`.
    progress
        Called as the work goes on.

    Raises
    ------
    MedcontourError
        For a setting that is not there or out of reach, a class or slice that is not there, a
        scan that does not fit the classifier, or a calibration of another one.

    Examples
    --------
    >>> import medcontour as mc
    >>> mc.suggest("study/", "bundle/", slices=range(10, 20))  # doctest: +SKIP
    >>> mc.suggest("head.nii.gz", network, labels=["no lesion", "lesion"])  # doctest: +SKIP
    """
    settings = Settings(
        target=target,
        preset=preset,
        contours=contours,
        area=area,
        area_mm2=area_mm2,
        area_weight=area_weight,
        slices=slices,
        background=background,
        objective=objective,
        outline=outline,
        precision=precision,
        most_evaluations=most_evaluations,
        most_seconds=most_seconds,
        seed=seed,
    )
    read = given_scan(scan, progress)
    loaded = given_classifier(classifier, labels)
    return suggest_with(read, loaded, settings, progress, calibration)


def suggest_with(
    scan: Scan,
    classifier: Classifier,
    settings: Settings,
    progress: Progress | None = None,
    calibration: AnyCalibration | None = None,
) -> Suggestion:
    """As `suggest`, with all that decides how contours are found as one `Settings`.

    Examples
    --------
    >>> suggest_with(scan, classifier, Settings(preset="paper"))  # doctest: +SKIP
    """
    target = target_index(classifier, settings.target)
    known, notes = calibration_for(calibration, classifier, target)
    polarity = 0.0 if known is None or known.polarity is None else known.polarity.expected
    found = uncalibrated(scan, classifier, settings, progress, polarity)
    if known is not None:
        found = calibrated(found, known, calibration_key(settings))
    return replace(found, notes=(*found.notes, *notes))


def uncalibrated(
    scan: Scan,
    classifier: Classifier,
    settings: Settings,
    progress: Progress | None = None,
    polarity: float = 0.0,
) -> Suggestion:
    """As `suggest_with`, whatever calibration there is; `polarity` is as `Explainer` has it."""
    if takes_volumes(classifier):
        return suggest_volume(scan, classifier, settings, progress)
    begun = time.perf_counter()
    target = target_index(classifier, settings.target)
    picked = pick_slices(settings.slices_notation, scan.slices)
    area = _area_fraction(scan, settings)
    until = None if settings.most_seconds is None else begun + settings.most_seconds
    allowance = Allowance(settings.most_evaluations, until, most_a_slice(settings))
    report = progress or (lambda *_: None)
    scores = _scores(scan, classifier, target, picked, report)
    positive = [k for k in picked if scores[k] > POSITIVE]
    explainer = Explainer(scan, classifier, target, settings, area, polarity=polarity)
    explained: list[Explained] = []
    waiting = positive
    while chosen := allowance.next(waiting, scores, BATCH):
        waiting = [k for k in waiting if k not in chosen]
        for batch in plane_batches(scan, classifier, chosen, BATCH):
            before, count = len({each.part.slice for each in explained}), len(batch.slices)

            def step(done: int, steps: int, before: int = before, count: int = count) -> None:
                report("optimise", before * steps + done * count, steps * len(positive))

            fresh = list(explainer.explain(batch, scores, step))
            allowance.pay(_costs([each.part for each in fresh], batch.slices))
            explained.extend(fresh)
            report("judge", before + count, len(positive))
    found = outlined_together(explained, explainer, scores)
    odd = all_positive(scores, POSITIVE, classifier.name, classifier.labels[target])
    spent = [part.evidence.evaluations for part in found if part.evidence]
    return Suggestion(
        scan=scan_reference(scan),
        classifier=classifier_reference(classifier, target),
        settings=settings_record(settings, classifier, target),
        findings=linked_findings(found, scan),
        slice_scores=scores,
        run={
            **run_record(begun),
            "peak_memory_mb": peak_memory_mb(),
            "slices_looked_at": len(picked),
            "evaluations_per_contour": round(float(np.mean(spent)), 2) if spent else None,
        },
        notes=(
            *scan.notes,
            *classifier.notes,
            *([odd] if odd else []),
            *shortcut_notes(scan, found),
            *run_out(found),
            *(licence_notes(settings.outline, classifier) if found else ()),
            *allowance.left_out(waiting, classifier.labels[target]),
        ),
        source=scan,
    )


def _costs(found: Sequence[FindingSlice], slices: Sequence[int]) -> list[float]:
    """What each slice cost, all its results together."""
    return [sum(part.cost for part in found if part.slice == k) for k in slices]


def _scores(
    scan: Scan, classifier: Classifier, target: int, slices: Sequence[int], report: Progress
) -> dict[int, float]:
    """Probability of the target for each slice."""
    scores: dict[int, float] = {}
    for batch in plane_batches(scan, classifier, slices, BATCH):
        with torch.no_grad():
            probability = classifier.score(batch.inputs)[:, target].sigmoid()
        scores.update(zip(batch.slices, probability.tolist(), strict=True))
        report("classify", len(scores), len(slices))
    return scores


def _area_fraction(scan: Scan, settings: Settings) -> float | None:
    """Give the fraction of the slice that a contour is to cover, None where it is free."""
    if settings.area_mm2 is None:
        return settings.area
    if scan.units != "mm":
        raise MedcontourError(
            "The image has no physical size, so an area in mm2 means nothing; give the area as a "
            "fraction of the image."
        )
    row, column = scan.pixel_spacing
    whole = scan.rows * row * scan.columns * column
    if not LEAST_AREA <= settings.area_mm2 / whole <= LARGEST_AREA:
        raise MedcontourError(
            f"An area of {settings.area_mm2:g} mm2 is out of reach: one contour on a slice of "
            f"{whole:.0f} mm2 covers from {LEAST_AREA * whole:.0f} to "
            f"{LARGEST_AREA * whole:.0f} mm2; ask for one in that range."
        )
    return settings.area_mm2 / whole
