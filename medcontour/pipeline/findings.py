"""Findings made of what was found slice by slice."""

from __future__ import annotations

from collections.abc import Sequence

from medcontour.pipeline.link import Extent, link
from medcontour.results import Finding, FindingSlice, make_finding
from medcontour.scan import Scan

__all__ = ["linked_findings", "linked_slices"]


def linked_findings(parts: Sequence[FindingSlice], scan: Scan) -> tuple[Finding, ...]:
    """Join what belongs to one object, and number the findings by their first slice.

    A collapsed contour is no object: it stays a finding of its own.
    """
    solid = [part for part in parts if part.status != "collapsed"]
    groups = [[solid[n] for n in group] for group in linked_slices(solid, scan)]
    groups += [[part] for part in parts if part.status == "collapsed"]
    groups.sort(key=lambda group: group[0].slice)
    return tuple(make_finding(group, number, scan) for number, group in enumerate(groups, start=1))


def linked_slices(parts: Sequence[FindingSlice], scan: Scan) -> list[tuple[int, ...]]:
    """Places in `parts` of each object's slices: by their outlines, or their evidence.

    Of several curves that only together are what was found, the largest stands for the slice.
    """
    extents = [
        Extent(
            part.slice,
            max(part.outlines or part.evidence_contours, key=lambda c: c.area_mm2).polygon_lps_mm,
            stands_in=not part.outlines,
        )
        for part in parts
    ]
    return link(extents, scan)
