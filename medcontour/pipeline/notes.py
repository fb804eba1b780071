"""What the reader of a whole scan is told first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from medcontour.pipeline.outlines import far_larger
from medcontour.results import FindingSlice, slice_numbers

__all__ = ["run_out"]


def run_out(findings: Sequence[FindingSlice]) -> Iterator[str]:
    """Say which outlines are to be looked at first: those far larger than their evidence."""
    slices = [
        finding.slice
        for finding in findings
        for evidence in [sum(contour.area_mm2 for contour in finding.evidence_contours)]
        if evidence and any(far_larger(c.area_mm2, evidence) for c in finding.outlines)
    ]
    if slices:
        where = f"slice{'s' * (len(slices) > 1)} {slice_numbers(slices)}"
        yield (
            f"The outline on {where} is far larger than its evidence and may have run out into "
            "what surrounds the object: look there first."
        )
