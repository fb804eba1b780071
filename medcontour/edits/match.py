"""Which edited shape belongs to which contour of the suggestion, and what became of it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from shapely import MultiPolygon

from medcontour.contour.polygons import mask_polygons, region, union
from medcontour.edits.slice_edit import (
    Drawn,
    SliceEdit,
    assemble,
    edit_of_slice,
    is_as_drawn,
    placed_region,
)
from medcontour.formats import Label, labels
from medcontour.formats.place import plane_mm
from medcontour.formats.shapes import Edited, EditedShape
from medcontour.results import Suggestion
from medcontour.scan import Scan

__all__ = ["Matched", "match"]

LEAST_OVERLAP = 0.25
"""Dice over the scan from which a shape of an unknown name is taken for a suggested one."""

WITH_NUMBER = 0.05
"""How much less is enough where the number is the label's own."""

_MARKUP = re.compile(r"^(.*?)(?: slice \d+)?(?: \(\d+\))?$", re.DOTALL)


@dataclass(frozen=True)
class Matched:
    """The whole file, matched: by slice within each label, and what is to be said of it."""

    edits: tuple[SliceEdit, ...]
    notes: tuple[str, ...]


def match(edited: Edited, suggestion: Suggestion, scan: Scan) -> Matched:
    """Match shapes by name, else by number or by overlap, and say what became of each outline."""
    known = {label.name: label for label in labels(suggestion)}
    numbers = _numbers(suggestion)
    names = {(s.name, s.number): _named(s, known) for s in edited.shapes}
    groups: dict[tuple[str, int], list[EditedShape]] = defaultdict(list)
    evidence: list[tuple[str, EditedShape]] = []
    notes = list(edited.notes)
    for (name, number), (found, kind) in names.items():
        shapes = [s for s in edited.shapes if (s.name, s.number) == (name, number)]
        owner = found or _unnamed(shapes, name, number, known, numbers, suggestion, scan)
        if owner is None and known:
            notes.append("A shape of the file belongs to nothing that was suggested: it is new.")
        target = owner.name if owner else (name or f"label {number}")
        for shape in shapes:
            of_evidence = (shape.kind or kind) == "evidence" and suggestion.editable == "outline"
            if of_evidence and owner is not None:
                evidence.append((owner.name, shape))
            else:
                groups[target, shape.slice].append(shape)
    notes += _evidence_notes(evidence, known, scan, edited.drawn)
    edits = []
    for label in known.values():
        for k in sorted({finding.slice for finding in label.findings}):
            shapes = groups.pop((label.name, k), [])
            edit = edit_of_slice(label, k, shapes, edited, suggestion, scan)
            edits += [edit] if edit else []
    for (name, k), shapes in groups.items():
        drawn = assemble(shapes, [], edited, scan, k)
        edits.append(
            SliceEdit(name, k, (), tuple(Drawn("new", p, None, h) for p, h in drawn[1]), ())
        )
    if edited.shapes and known and not any(e.before and e.after for e in edits):
        notes.append(
            "Nothing in the file belongs to a suggested outline: check that it is the right file."
        )
    return Matched(tuple(sorted(edits, key=lambda e: e.slice)), tuple(dict.fromkeys(notes)))


def _numbers(suggestion: Suggestion) -> dict[int, str]:
    """Label values of the exports, which leave weak findings out unless asked for."""
    numbers: dict[int, str] = {}
    for version in (suggestion.for_export(), suggestion):
        for label in labels(version):
            numbers.setdefault(label.value, label.name)
    return numbers


def _plain(name: str) -> str:
    return " ".join(name.split()).casefold()


def _named(
    shape: EditedShape, known: dict[str, Label]
) -> tuple[Label | None, Literal["outline", "evidence"]]:
    """The label that a shape's name is of, and which of its two kinds."""
    plain = {_plain(name): label for name, label in known.items()}
    plain |= {_plain(name)[:64]: label for name, label in known.items()}
    stem = _MARKUP.match(" ".join(shape.name.split()))
    for name in (shape.name, stem[1] if stem else ""):
        if (found := plain.get(_plain(name))) is not None:
            return found, "outline"
        bare = _plain(name).removesuffix(" evidence")
        if bare != _plain(name):
            return plain.get(bare), "evidence"
    return None, "outline"


def _unnamed(
    shapes: Sequence[EditedShape],
    name: str,
    number: int | None,
    known: dict[str, Label],
    numbers: dict[int, str],
    suggestion: Suggestion,
    scan: Scan,
) -> Label | None:
    """By its number where the format has no names, else by overlap."""
    if not name and number in numbers:
        return known[numbers[number]]
    drawn: dict[int, MultiPolygon] = {}
    for k in {s.slice for s in shapes}:
        drawn[k] = union(_region_of(s, scan) for s in shapes if s.slice == k)
    best, score = None, LEAST_OVERLAP
    for label in known.values():
        contours = list(label.contours(suggestion.editable))
        theirs = {
            k: union(placed_region(c, scan) for c in contours if c.slice == k)
            for k in {c.slice for c in contours}
        }
        shared = sum(drawn[k].intersection(theirs[k]).area for k in drawn.keys() & theirs.keys())
        areas = sum(r.area for r in (*drawn.values(), *theirs.values()))
        overlap = 2 * shared / areas if areas else 0.0
        overlap += WITH_NUMBER if shared and numbers.get(number or 0) == label.name else 0.0
        if overlap >= score:
            best, score = label, overlap
    return best


def _evidence_notes(
    evidence: Sequence[tuple[str, EditedShape]],
    known: dict[str, Label],
    scan: Scan,
    drawn: float,
) -> list[str]:
    for name, shape in evidence:
        theirs = [c for c in known[name].contours("evidence") if c.slice == shape.slice]
        polygon = shape.polygon_lps_mm
        if polygon is None or not any(is_as_drawn(shape, c, drawn, scan) for c in theirs):
            return [
                "Evidence contours were changed in the file. Evidence is what the classifier goes "
                "by and is not edited: it is kept as it was."
            ]
    return []


def _region_of(shape: EditedShape, scan: Scan) -> MultiPolygon:
    row, column = scan.pixel_spacing
    if shape.values is not None:
        return union(region(p * (column, row)) for p in mask_polygons(shape.values))
    assert shape.polygon_lps_mm is not None
    return region(plane_mm(shape.polygon_lps_mm, scan, shape.slice))
