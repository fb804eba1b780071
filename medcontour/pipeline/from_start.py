"""Evidence and outline from where a reader points to: a click or a rough contour."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy.typing as npt
import torch
from torch import Tensor

from medcontour.classifier import Classifier, target_index
from medcontour.contour import FourierContour, fit_polygon
from medcontour.contour.polygons import region
from medcontour.errors import MedcontourError
from medcontour.explain import PRESETS
from medcontour.explain.choices import (
    Background,
    BackgroundName,
    ObjectiveName,
    Precision,
    PresetName,
)
from medcontour.pipeline.explainer import Explainer
from medcontour.pipeline.findings import linked_findings
from medcontour.pipeline.found import POSITIVE
from medcontour.pipeline.inputs import AnyClassifier, AnyScan, given_classifier, given_scan
from medcontour.pipeline.planes import plane_batches, plane_geometry
from medcontour.pipeline.promptables import licence_notes
from medcontour.pipeline.references import (
    classifier_reference,
    run_record,
    scan_reference,
    settings_record,
)
from medcontour.pipeline.settings import DEFAULTS, OutlineChoice, Settings
from medcontour.progress import Progress
from medcontour.results import FindingSlice, Suggestion, slice_numbers
from medcontour.scan import Scan

__all__ = ["explain_from", "largest_part", "snap", "snap_with", "start_curve"]


def snap(
    scan: AnyScan,
    classifier: AnyClassifier,
    starts: Mapping[int, npt.ArrayLike],
    target: str | int | None = DEFAULTS.target,
    *,
    preset: PresetName = DEFAULTS.preset,
    area_weight: float | None = None,
    background: BackgroundName | Background | None = None,
    objective: ObjectiveName = DEFAULTS.objective,
    outline: OutlineChoice = DEFAULTS.outline,
    precision: Precision = DEFAULTS.precision,
    seed: int = DEFAULTS.seed,
    progress: Progress | None = None,
) -> Suggestion:
    """Look for evidence from a reader's rough contours on, and follow the image from there.

    The search of each slice begins at the curve fitted to the contour given for it; where that
    leads to a contour that holds little of the score for its area, it begins anew, as `suggest`
    does. The slice need not be one that the classifier calls positive.

    Parameters
    ----------
    scan, classifier
        As of `suggest`: what was drawn on, and the classifier.
    starts
        By slice index: (n, 3) corners of a closed contour in the slice's plane, LPS mm; the first
        is not repeated. For a click, a small circle about it.
    target, preset, area_weight, background, objective, outline, precision, seed
        As `Settings` says.
    progress
        Called as the work goes on.

    Returns
    -------
    Suggestion
        One result a slice, joined to findings.

    Raises
    ------
    MedcontourError
        For a class, preset or slice that is not there, or no start at all.

    Examples
    --------
    >>> import medcontour as mc
    >>> about = [[x, y, z], [x + 5, y, z], [x, y + 5, z]]  # doctest: +SKIP
    >>> mc.snap(scan, classifier, {13: about}).findings[0].outlines  # doctest: +SKIP
    """
    settings = Settings(
        target=target,
        preset=preset,
        area_weight=area_weight,
        background=background,
        objective=objective,
        outline=outline,
        precision=precision,
        seed=seed,
    )
    read = given_scan(scan, progress)
    return snap_with(read, given_classifier(classifier), starts, settings, progress)


def snap_with(
    scan: Scan,
    classifier: Classifier,
    starts: Mapping[int, npt.ArrayLike],
    settings: Settings,
    progress: Progress | None = None,
) -> Suggestion:
    """As `snap`, with all that can be chosen as one `Settings`."""
    begun = time.perf_counter()
    choice = target_index(classifier, settings.target)
    if not starts:
        raise MedcontourError("No place to start from was given; click, or draw a rough contour.")
    found: list[FindingSlice] = []
    notes = list(scan.notes)
    for number, (k, polygon) in enumerate(sorted(starts.items())):
        if not 0 <= k < scan.slices:
            raise MedcontourError(
                f"There is no slice of index {k}: the scan has {scan.slices}, of index 0 to "
                f"{scan.slices - 1}."
            )
        index = torch.from_numpy(scan.to_index(polygon, k))
        start = start_curve(plane_geometry(scan).from_index(index), settings)
        part = explain_from(scan, classifier, choice, k, start, settings)
        found.append(part)
        if part.score <= POSITIVE:
            notes.append(
                f"The classifier does not call slice {slice_numbers([k])} "
                f"{classifier.labels[choice]} (probability {part.score:.2f}): the contour shows "
                "what speaks for it all the same."
            )
        if progress:
            progress("optimise", number + 1, len(starts))
    return Suggestion(
        scan=scan_reference(scan),
        classifier=classifier_reference(classifier, choice),
        settings={**settings_record(settings, classifier, choice), "start": "reader"},
        findings=linked_findings(found, scan),
        slice_scores={part.slice: part.score for part in found},
        run=run_record(begun),
        notes=(*notes, *licence_notes(settings.outline, classifier)),
        source=scan,
    )


def explain_from(
    scan: Scan,
    classifier: Classifier,
    target: int,
    k: int,
    start: FourierContour,
    settings: Settings,
    as_it_is: bool = False,
) -> FindingSlice:
    """Explain slice `k`, the search going on from one curve, and follow the image from there.

    A curve that is to be judged `as_it_is` is the evidence itself.
    """
    [batch] = plane_batches(scan, classifier, [k], 1)
    with torch.no_grad():
        score = float(classifier.score(batch.inputs)[0, target].sigmoid())
    start = start.to(batch.inputs.device)
    explainer = Explainer(scan, classifier, target, settings, start=start, as_it_is=as_it_is)
    [explained] = explainer.explain(batch, {k: score}, lambda *_: None)
    return explained.part


def start_curve(corners: Tensor, settings: Settings) -> FourierContour:
    """Fit the preset's own kind of curve to (n, 2) corners in plane coordinates."""
    kind = PRESETS[settings.preset]
    fitted = fit_polygon(
        corners.to(torch.float64),
        harmonics=kind.harmonics,
        frame=kind.frame,
        parametrisation=kind.parametrisation,
    )
    return fitted.to(torch.float32)


def largest_part(corners_lps: npt.ArrayLike, scan: Scan, k: int) -> Tensor:
    """(n, 2) corners of the largest part of a closed curve of slice `k`, plane coordinates."""
    index = torch.from_numpy(scan.to_index(corners_lps, k))
    parts = region(plane_geometry(scan).from_index(index).numpy()).geoms
    ring = max(parts, key=lambda part: part.area).exterior
    return torch.tensor(list(ring.coords)[:-1], dtype=torch.float64)
