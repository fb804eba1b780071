"""What an edit is compared with where nothing was suggested: all of it is new."""

from __future__ import annotations

from typing import Any

from medcontour.pipeline.references import scan_reference
from medcontour.results import ClassifierReference, Suggestion
from medcontour.scan import Scan

__all__ = ["nothing_suggested"]

NO_CLASSIFIER = ClassifierReference("none", "", 0, "finding", ("finding",))


def nothing_suggested(
    scan: Scan,
    classifier: ClassifierReference = NO_CLASSIFIER,
    settings: dict[str, Any] | None = None,
) -> Suggestion:
    """Give a suggestion without findings, with its scan.

    Parameters
    ----------
    scan
        The scan.
    classifier, settings
        What it is to say that it was made with; by default no classifier was at work.

    Examples
    --------
    >>> drawn = medcontour.refine(
    ...     nothing_suggested(scan), "rtstruct.dcm", scan, include_other=True
    ... )  # doctest: +SKIP
    >>> drawn.suggestion.findings  # doctest: +SKIP
    """
    return Suggestion(
        scan=scan_reference(scan),
        classifier=classifier,
        settings={"scan": None} if settings is None else settings,  # where the scan is, once saved
        findings=(),
        slice_scores={},
        run={},
        source=scan,
    )
