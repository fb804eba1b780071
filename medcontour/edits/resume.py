"""Optimises on from an edited outline: new evidence and a new outline, beside the edit."""

from __future__ import annotations

from dataclasses import replace

from medcontour.classifier import Classifier
from medcontour.edits.job import changed_slices
from medcontour.errors import MedcontourError
from medcontour.pipeline.findings import linked_findings
from medcontour.pipeline.from_start import explain_from, largest_part, start_curve
from medcontour.pipeline.settings import DEFAULTS, LEARNED_PREFIX, PROMPTED_PREFIX, Settings
from medcontour.progress import Progress
from medcontour.results import FindingSlice, PlacedContour, Suggestion
from medcontour.scan import Scan

__all__ = ["resume"]


def resume(
    edited: Suggestion, classifier: Classifier, progress: Progress | None = None
) -> Suggestion:
    """Look for new evidence from each edited outline on, and follow the image from there again.

    Each slice that the reader changed is looked at by itself, with the suggestion's own
    settings: the search starts at the curve fitted to its largest outline. The edit is not
    touched: what comes out stands in a suggestion of its own.

    Parameters
    ----------
    edited
        The suggestion as the reader left it, with its scan: `Refined.suggestion`.
    classifier
        The one that the suggestion was made with.
    progress
        Called as the work goes on.

    Returns
    -------
    Suggestion
        The new findings alone, of the changed slices that still have an outline; not
        `edited`, since nobody has touched them.

    Raises
    ------
    MedcontourError
        When the classifier is another one, or nothing was changed that could be gone on from.
    """
    scan, reference = edited.source, edited.classifier
    assert scan is not None
    same = classifier.weights_sha256 == reference.sha256
    if not same or reference.target_name not in classifier.labels:
        raise MedcontourError(
            f"The suggestion was made with the weights {reference.sha256[:12]} of "
            f"{reference.name}, and the classifier given has {classifier.weights_sha256[:12]}; "
            "give the same one."
        )
    changed = [f for f in changed_slices(edited) if f.label == reference.target_name]
    if not changed:
        raise MedcontourError(
            f"No outline of {reference.target_name} was changed, so there is nothing to resume "
            "from; leave --resume out."
        )
    done = []
    for number, part in enumerate(changed):
        outline = max(part.outlines, key=lambda c: c.area_mm2)
        done.append(_again(edited, scan, classifier, part, outline))
        if progress:
            progress("optimise", number + 1, len(changed))
    return replace(edited, findings=linked_findings(done, scan), edited=False, source=scan)


def _again(
    suggestion: Suggestion,
    scan: Scan,
    classifier: Classifier,
    part: FindingSlice,
    outline: PlacedContour,
) -> FindingSlice:
    outliner = str(suggestion.settings.get("outline"))
    # Where the file of a learned outliner, or a promptable network, is, is not known.
    if outliner in ("none", "edited") or outliner.startswith((LEARNED_PREFIX, PROMPTED_PREFIX)):
        outliner = str(DEFAULTS.outline)
    own = {"outline": outliner, "contours": 1, "area": None, "area_mm2": None, "slices": None}
    settings = Settings.from_dict({**suggestion.settings, **own})
    return explain_from(
        scan,
        classifier,
        classifier.labels.index(suggestion.classifier.target_name),
        part.slice,
        start_curve(largest_part(outline.polygon_lps_mm, scan, part.slice), settings),
        settings,
    )
