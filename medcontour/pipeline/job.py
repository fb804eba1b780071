"""The main job: from a scan and a classifier to a suggestion."""

from __future__ import annotations

import datetime
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from typing import Any, Literal, get_args

import numpy as np
import torch

from medcontour.classifier import Classifier, target_index
from medcontour.errors import MedcontourError
from medcontour.explain import (
    BACKGROUNDS,
    LARGEST_AREA,
    LEAST_AREA,
    MOST,
    PRESETS,
    Precision,
    check_area,
)
from medcontour.pipeline.allowance import Allowance, most_a_slice
from medcontour.pipeline.explainer import CHANCE_LEVEL, POSITIVE, Explainer, far_larger
from medcontour.pipeline.planes import plane_batches
from medcontour.pipeline.privacy import path_without_patient
from medcontour.pipeline.shortcut import shortcut_notes
from medcontour.results import (
    ClassifierReference,
    Finding,
    ScanReference,
    Suggestion,
    Views,
)
from medcontour.scan import Scan

__all__ = [
    "Progress",
    "check_choices",
    "classifier_reference",
    "run_record",
    "scan_reference",
    "suggest",
]

Progress = Callable[[str, int, int], None]
"""Called with what is done now, how much of it is done, and how much there is."""

BATCH = 8
MANY = 10


def suggest(
    scan: Scan,
    classifier: Classifier,
    target: str | int | None = None,
    *,
    preset: str = "fast",
    contours: int | Literal["auto"] = 1,
    area: float | None = None,
    area_mm2: float | None = None,
    slices: slice | None = None,
    background: str = "auto",
    objective: str = "target",
    outline: str = "region",
    precision: Precision = "float32",
    most_evaluations: float | None = None,
    most_seconds: float | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Suggestion:
    """Find, place and judge contours on every slice that the classifier calls positive.

    Parameters
    ----------
    scan
        What to look at.
    classifier
        Whom to ask.
    target
        The class, by name or index; by default the only one that names a finding.
    preset
        ``"fast"`` (at most 50 evaluations a contour) or ``"paper"`` (1000).
    contours
        At most so many evidence contours a slice, 1 to 8, found together (Eq. 11); those that add
        nothing are dropped. ``"auto"``: as many as add something, of 8. Each has its outline.
    area
        Fraction of the slice that the one evidence contour is to cover (Eq. 10); by default the
        smallest that keeps the answer.
    area_mm2
        The same as an area in square millimetres.
    slices
        Which slices to look at, by index; all by default.
    background
        What stands where evidence is taken away: one of `medcontour.explain.BACKGROUNDS`, or
        ``"auto"``: for each slice the mildest that takes the answer away, and where none does,
        the one that lowers it most.
    objective
        ``"target"``: the log-odds of the class; ``"embedding"``: the paper's cosine, which is
        blind to the class.
    outline
        ``"region"`` follows the image from each evidence contour; ``"none"`` leaves outlines out,
        and label maps then carry the evidence contours.
    precision
        ``"bfloat16"`` searches in half precision, which is faster on some machines and networks
        and slower on others; everything is judged in float32, for half an evaluation more.
    most_evaluations
        What the scan may cost, the tests against chance included: the slices with the highest
        scores come first, and a note names those that were not looked at. By default all are.
        Asking for the scores of the slices is not counted.
    most_seconds
        When to be done, at the pace of the slices looked at so far; as above. How many slices
        that gives depends on the machine.
    seed
        Of the chance curves, the only thing drawn at random.
    progress
        Called as the work goes on.

    Raises
    ------
    MedcontourError
        For a class, background or slice range that is not there, a number of contours, an area
        or a cost out of reach, or a scan that does not fit the classifier.
    """
    begun = time.perf_counter()
    choice = target_index(classifier, target)
    check_choices(preset, background)
    _check_name("objective", objective, ("target", "embedding"))
    _check_name("outline", outline, ("region", "none"))
    _check_name("precision", precision, get_args(Precision))
    _check_slices(slices, scan)
    many = _how_many(contours)
    fraction = _fraction(scan, area, area_mm2, many)
    until = None if most_seconds is None else begun + most_seconds
    allowance = Allowance(most_evaluations, until, most_a_slice(preset, many))
    report = progress or (lambda *_: None)
    looked_at = list(range(scan.slices))[slices or slice(None)]

    scores: dict[int, float] = {}
    for batch in plane_batches(scan, classifier, looked_at, BATCH):
        with torch.no_grad():
            probability = classifier.score(batch.inputs)[:, choice].sigmoid()
        scores.update(zip(batch.slices, probability.tolist(), strict=True))
        report("classify", len(scores), len(looked_at))

    positive = [k for k in looked_at if scores[k] > POSITIVE]
    job = Explainer(
        scan,
        classifier,
        choice,
        preset,
        many,
        fraction,
        background,
        objective,
        outline,
        seed,
        precision=precision,
    )
    found: list[tuple[Finding, Views]] = []
    waiting = positive
    while chosen := allowance.next(waiting, scores, BATCH):
        waiting = [k for k in waiting if k not in chosen]
        for batch in plane_batches(scan, classifier, chosen, BATCH):
            before, count = len(found), len(batch.slices)

            def step(done: int, steps: int, before: int = before, count: int = count) -> None:
                report("optimise", before * steps + done * count, steps * len(positive))

            fresh = list(job.explain(batch, scores, step))
            allowance.pay([finding.cost for finding, _ in fresh])
            found.extend(fresh)
            report("judge", len(found), len(positive))
    found.sort(key=lambda pair: pair[0].slice)
    findings = [finding for finding, _ in found]
    views = [view for _, view in found]

    evaluations = [f.evidence.evaluations for f in findings if f.evidence]
    return Suggestion(
        scan=scan_reference(scan),
        classifier=classifier_reference(classifier, choice),
        settings={
            "target": classifier.labels[choice],
            "preset": preset,
            "contours": contours,
            "area": area,
            "area_mm2": area_mm2,
            "slices": [slices.start, slices.stop] if slices else None,
            "scan": path_without_patient(scan),
            "background": background,
            "objective": objective,
            "outline": outline,
            "precision": precision,
            "most_evaluations": most_evaluations,
            "most_seconds": most_seconds,
            "seed": seed,
            "positive_above": POSITIVE,
            "chance_level": CHANCE_LEVEL,
        },
        findings=tuple(findings),
        slice_scores=scores,
        run={
            **run_record(begun),
            "peak_memory_mb": _peak_memory_mb(),
            "slices_looked_at": len(looked_at),
            "evaluations_per_contour": round(float(np.mean(evaluations)), 2) if findings else None,
        },
        views=tuple(views),
        notes=(
            *scan.notes,
            *_doubts(scores, classifier, choice),
            *shortcut_notes(scan, findings),
            *_run_out(findings),
            *allowance.left_out(waiting, classifier.labels[choice]),
        ),
        source=scan,
    )


def scan_reference(scan: Scan) -> ScanReference:
    """Say which scan, without patient data."""
    return ScanReference(
        modality=scan.modality,
        shape=(scan.slices, scan.rows, scan.columns),
        affine_lps=scan.affine_lps.tolist(),
        units=scan.units,
        study_instance_uid=scan.study_instance_uid,
        series_instance_uid=scan.series_instance_uid,
        frame_of_reference_uid=scan.frame_of_reference_uid,
    )


def classifier_reference(classifier: Classifier, target: int) -> ClassifierReference:
    """Say which classifier, and which class."""
    return ClassifierReference(
        name=classifier.name,
        sha256=classifier.weights_sha256,
        target=target,
        target_name=classifier.labels[target],
        labels=classifier.labels,
    )


def run_record(begun: float) -> dict[str, Any]:
    """Say by what the work was done, when, and in how many seconds since `time.perf_counter`."""
    return {
        "medcontour": version("medcontour"),
        "torch": torch.__version__,
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - begun, 1),
    }


def check_choices(preset: str, background: str) -> None:
    """Refuse a preset or background that is not there."""
    _check_name("preset", preset, PRESETS)
    _check_name("background", background, ("auto", *BACKGROUNDS))


def _doubts(scores: dict[int, float], classifier: Classifier, target: int) -> Iterator[str]:
    """Say when a classifier calls every slice of a stack positive: it may not know such scans."""
    if len(scores) >= MANY and min(scores.values()) > POSITIVE:
        yield (
            f"{classifier.name} calls all {len(scores)} slices {classifier.labels[target]}: "
            "it may not be made for scans like this one."
        )


def _run_out(findings: list[Finding]) -> Iterator[str]:
    """Say which outlines are to be looked at first: those far larger than their evidence."""
    slices = [
        str(finding.slice)
        for finding in findings
        for evidence in [sum(contour.area_mm2 for contour in finding.evidence_contours)]
        if any(far_larger(outline.area_mm2, evidence) for outline in finding.outlines)
    ]
    if slices:
        where = f"slice{'s' * (len(slices) > 1)} {', '.join(slices)}"
        yield (
            f"The outline on {where} is far larger than its evidence and may have run out into "
            "what surrounds the object: look there first."
        )


def _how_many(contours: int | str) -> int:
    """Give the most contours a slice may have, from 1 to 8."""
    if contours == "auto":
        return MOST
    if not isinstance(contours, int) or not 1 <= contours <= MOST:
        raise MedcontourError(
            f"{contours} contours a slice cannot be looked for; give 1 to {MOST}, or auto."
        )
    return contours


def _fraction(
    scan: Scan, area: float | None, area_mm2: float | None, contours: int
) -> float | None:
    """Give the fraction of the slice that a contour is to cover, None where it is free."""
    if area is None and area_mm2 is None:
        return None
    if area is not None and area_mm2 is not None:
        raise MedcontourError("Both a fraction and square millimetres are given; choose one.")
    if contours > 1:
        raise MedcontourError("An area is held by one contour; ask for one, or for no area.")
    if area_mm2 is not None:
        if scan.units != "mm":
            raise MedcontourError(
                "The image has no physical size, so an area in mm2 means nothing; give the area "
                "as a fraction of the image."
            )
        row, column = scan.pixel_spacing
        whole = scan.rows * row * scan.columns * column
        if not LEAST_AREA <= area_mm2 / whole <= LARGEST_AREA:
            raise MedcontourError(
                f"An area of {area_mm2:g} mm2 is out of reach: one contour on a slice of "
                f"{whole:.0f} mm2 covers from {LEAST_AREA * whole:.0f} to "
                f"{LARGEST_AREA * whole:.0f} mm2; ask for one in that range."
            )
        return area_mm2 / whole
    assert area is not None
    check_area(area)
    return area


def _check_name(what: str, name: str, known: Iterable[str]) -> None:
    if name not in known:
        raise MedcontourError(f'There is no {what} "{name}"; choose from {", ".join(known)}.')


def _check_slices(slices: slice | None, scan: Scan) -> None:
    if slices is not None and not list(range(scan.slices))[slices]:
        raise MedcontourError(
            f"The slice range {slices.start}:{slices.stop} holds none of the scan's "
            f"{scan.slices} slices (0 to {scan.slices - 1}); choose A:B within them."
        )


def _peak_memory_mb() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1024 * 1024 if sys.platform == "darwin" else 1024))
