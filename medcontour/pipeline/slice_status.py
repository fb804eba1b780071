"""What the result of a slice is called, and what a reader should know of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from medcontour.pipeline.alone import status_of
from medcontour.pipeline.found import POSITIVE
from medcontour.pipeline.placement import UNSTABLE
from medcontour.results import Evidence
from medcontour.results.status import Status

__all__ = ["evidence_notes", "slice_status"]

LEAST_PIXELS = 4
LARGEST_FRACTION = 0.7
LEAST_EFFECT = 0.1


def slice_status(fraction: float, pixels: float, evidence: Evidence, effect: float) -> Status:
    """Say what contours of a slice, or a surface in a stack, are.

    Parameters
    ----------
    fraction
        Share of the slice, or of the stack, that lies inside.
    pixels
        How many pixels, or voxels, that is.
    evidence
        What was measured of them.
    effect
        The objective's preserved minus its deleted value.
    """
    # One of several places that each keep the score: taking it away alone changes little.
    one_of_several = evidence.preserved > POSITIVE >= evidence.background
    explains = effect >= LEAST_EFFECT or one_of_several
    if pixels < LEAST_PIXELS or fraction > LARGEST_FRACTION or not explains:
        return "collapsed"
    return status_of(evidence.deleted, evidence.p_value)


def evidence_notes(
    evidence: Evidence,
    status: Status,
    warnings: Sequence[str],
    label: str,
    background: str,
    pruned: int = 0,
    idle: int = 0,
) -> Iterator[str]:
    """Give what a reader should know of the evidence of one result.

    Parameters
    ----------
    evidence, status
        What was measured, and what it is called.
    warnings
        Of the check for shortcuts.
    label
        Name of the class.
    background
        Name of the background.
    pruned, idle
        Contours that were dropped because they add nothing, or keep the class no better by
        themselves than random places do.
    """
    yield from warnings
    if pruned:
        yield f"Contours looked for and dropped because they add nothing: {pruned}."
    if idle:
        yield (
            "Contours left out because by themselves they do not keep the class better than "
            f"random places do: {idle}."
        )
    if evidence.background > POSITIVE:
        yield (
            f"The background ({background}) alone is still called {label}: taking evidence away "
            "changes little."
        )
    if not evidence.stable_under_mirroring:
        yield UNSTABLE
    if status == "collapsed":
        yield "The contour collapsed: it explains nothing and is not a suggestion."
