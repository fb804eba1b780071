"""What became of each finding, over all its slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from shapely import MultiPolygon

from medcontour.contour.measures import Figures, compare
from medcontour.edits.match import Matched
from medcontour.formats.labels import Label, labels
from medcontour.formats.place import placed_regions
from medcontour.pipeline.link import Extent, link
from medcontour.results import PlacedContour, Suggestion
from medcontour.results.finding import volume_mm3
from medcontour.scan import Scan

__all__ = ["CHANGES", "Change", "FindingEdit", "finding_edits"]

Change = Literal["kept", "moved", "grown", "shrunk", "split", "merged", "deleted", "new"]


@dataclass(frozen=True)
class ChangeConstants:
    """When a finding counts as what.

    Attributes
    ----------
    grown
        Share of the volume from which more of it, or less, is no mere move. Chosen by hand: less
        than readers differ by on small nodules.
    taken
        Share of a finding's area on a slice from which another's edit has taken it over.
    """

    grown: float = 0.1
    taken: float = 0.5


CHANGES = ChangeConstants()

Regions = Mapping[int, MultiPolygon]
"""What is enclosed, in mm of the slice's plane, by slice."""


@dataclass(frozen=True)
class FindingEdit:
    """What became of one finding.

    Attributes
    ----------
    number, name
        The finding's, after the edit.
    change
        ``"kept"``, ``"deleted"`` or ``"new"`` as a whole; ``"merged"`` with another, which one of
        the two has taken over; ``"split"`` into objects apart from each other; ``"grown"`` or
        ``"shrunk"`` by more than a tenth of its volume; else ``"moved"``.
    unchanged, moved, new, deleted
        Outlines, over its slices.
    volume_before_mm3, volume_after_mm3
        Area times the slices' thickness; of a single image the area in mm2 (or pixels).
    figures
        Of all its slices together.
    slices
        Those that held an outline before, or do after.
    """

    number: int | None
    name: str
    change: Change
    unchanged: int
    moved: int
    new: int
    deleted: int
    volume_before_mm3: float
    volume_after_mm3: float
    figures: Figures
    slices: tuple[int, ...]

    @property
    def volume_change_mm3(self) -> float:
        """After less before."""
        return self.volume_after_mm3 - self.volume_before_mm3


def finding_edits(
    before: Suggestion, after: Suggestion, matched: Matched, scan: Scan
) -> tuple[FindingEdit, ...]:
    """Say what became of each finding that has an outline before or after, by number.

    Parameters
    ----------
    before, after
        The suggestion and what the reader made of it; findings are the same by their `id`.
    matched
        What became of the outlines, slice by slice.
    scan
        The scan.
    """
    kind = before.editable
    was = {label.finding.id: label for label in labels(before)}
    now = {label.finding.id: label for label in labels(after)}
    old = {id: placed_regions(label.contours(kind), scan) for id, label in was.items()}
    edited = after.editable
    new = {id: placed_regions(label.contours(edited), scan) for id, label in now.items()}
    found = []
    for id, label in now.items():
        ours = {c.polygon_lps_mm.tobytes() for c in was[id].contours(kind)} if id in was else set()
        own = list(label.contours(edited))
        fresh = [c for c in own if c.polygon_lps_mm.tobytes() not in ours]
        name = was[id].name if id in was else label.name
        edits = [edit for edit in matched.edits if edit.label == name]
        slices = tuple(sorted({*old.get(id, {}), *new[id]}))
        if not slices:
            continue
        counts = {
            "unchanged": len(own) - len(fresh),
            "moved": sum(c.quality.get("edit") == "moved" for c in fresh),
            "new": sum(c.quality.get("edit") == "new" for c in fresh),
            "deleted": sum(len(edit.deleted) for edit in edits),
        }
        changed = bool(fresh) or counts["deleted"] > 0
        found.append(
            FindingEdit(
                number=label.finding.number,
                name=label.name,
                change=_change(id, old, new, changed, own, was.get(id), scan, kind),
                volume_before_mm3=_volume(old.get(id, {}), scan),
                volume_after_mm3=_volume(new[id], scan),
                figures=compare(
                    [
                        (old.get(id, {}).get(k, NOTHING), new[id].get(k, NOTHING), None)
                        for k in slices
                    ],
                    min(scan.pixel_spacing) / 2,
                ),
                slices=slices,
                **counts,
            )
        )
    return tuple(found)


NOTHING = MultiPolygon()


def _volume(regions: Regions, scan: Scan) -> float:
    areas = {k: own.area for k, own in regions.items()}
    volume = volume_mm3(areas, scan)
    return float(sum(areas.values())) if volume is None else volume


def _change(
    id: str,
    old: Mapping[str, Regions],
    new: Mapping[str, Regions],
    changed: bool,
    own: Sequence[PlacedContour],
    was: Label | None,
    scan: Scan,
    kind: Literal["evidence", "outline"],
) -> Change:
    before, after = old.get(id, {}), new[id]
    if not before:
        return "new"
    takers = [other for other in new if other != id and _taken(before, after, new[other])]
    if takers:
        return "merged" if any(old.get(other) for other in takers) else "split"
    if not after:
        return "deleted"
    if not changed:
        return "kept"
    if any(_taken(old[other], new.get(other, {}), after) for other in old if other != id):
        return "merged"
    assert was is not None
    if _objects(own, scan) > _objects(list(was.contours(kind)), scan):
        return "split"
    share = _volume(after, scan) / max(_volume(before, scan), 1e-9) - 1
    if abs(share) <= CHANGES.grown:
        return "moved"
    return "grown" if share > 0 else "shrunk"


def _taken(before: Regions, after: Regions, taker: Regions) -> bool:
    """Whether another finding now covers what one covered, on a slice where that one is gone."""
    return any(
        own.area > 0
        and after.get(k, NOTHING).intersection(own).area < CHANGES.taken * own.area
        and taker.get(k, NOTHING).intersection(own).area >= CHANGES.taken * own.area
        for k, own in before.items()
    )


def _objects(contours: Sequence[PlacedContour], scan: Scan) -> int:
    return len(link([Extent(c.slice, c.polygon_lps_mm) for c in contours], scan))
