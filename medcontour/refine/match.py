"""Which edited shape belongs to which contour of the suggestion, and what became of it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage
from shapely import LinearRing, MultiPolygon

from medcontour.export import Label, label_volume, labels
from medcontour.export.rasterise import pixel_mask
from medcontour.refine.regions import (
    deviation_mm,
    distances,
    keyhole,
    mask_polygons,
    plane_mm,
    region,
    union,
)
from medcontour.refine.shapes import Edited, EditedShape, FloatArray
from medcontour.scan import Scan
from medcontour.suggestion import PlacedContour, Suggestion

__all__ = ["Drawn", "Matched", "SliceEdit", "match"]

LEAST_OVERLAP = 0.25
"""Dice over the scan from which a shape of an unknown name is taken for a suggested one."""

WITH_NUMBER = 0.05
"""How much less is enough where the number is the label's own."""

_MARKUP = re.compile(r"^(.*?)(?: slice \d+)?(?: \(\d+\))?$", re.DOTALL)

Change = Literal["unchanged", "moved", "new"]


@dataclass(frozen=True)
class Drawn:
    """One outline after the edit.

    Attributes
    ----------
    change
        ``"unchanged"``: `before` as it was. ``"moved"``: `before`, drawn otherwise. ``"new"``:
        nothing suggested lies there.
    polygon_lps_mm
        (n, 3) exactly as edited; of an unchanged one, exactly as suggested.
    before
        The suggested contour.
    handles_lps_mm
        What a person drags: corners or control points; None where pixels were painted.
    """

    change: Change
    polygon_lps_mm: FloatArray
    before: PlacedContour | None = None
    handles_lps_mm: FloatArray | None = None


@dataclass(frozen=True)
class SliceEdit:
    """What became of one label's outlines on one slice.

    Attributes
    ----------
    label
        The suggestion's label, or the file's own name of a shape that was not suggested.
    slice
        Index of the slice.
    before
        What was suggested for editing.
    after
        What is there now.
    deleted
        What was suggested and is gone.
    """

    label: str
    slice: int
    before: tuple[PlacedContour, ...]
    after: tuple[Drawn, ...]
    deleted: tuple[PlacedContour, ...]

    @property
    def changed(self) -> bool:
        """Whether the reader did anything here."""
        return bool(self.deleted) or any(drawn.change != "unchanged" for drawn in self.after)


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
        label = found or _unnamed(shapes, name, number, known, numbers, suggestion, scan)
        if label is None and known:
            notes.append("A shape of the file belongs to nothing that was suggested: it is new.")
        target = label.name if label else (name or f"label {number}")
        for shape in shapes:
            of_evidence = (shape.kind or kind) == "evidence" and suggestion.editable == "outline"
            if of_evidence and label is not None:
                evidence.append((label.name, shape))
            else:
                groups[target, shape.slice].append(shape)
    notes += _evidence_notes(evidence, known, scan, edited.drawn)
    edits = [
        edit
        for label in known.values()
        for k in sorted({f.slice for f in label.findings})
        if (edit := _edit(label, k, groups.pop((label.name, k), []), edited, suggestion, scan))
    ]
    for (name, k), shapes in groups.items():
        drawn = _assemble(shapes, [], edited, scan, k)
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
            k: union(_placed_region(c, scan) for c in contours if c.slice == k)
            for k in {c.slice for c in contours}
        }
        shared = sum(drawn[k].intersection(theirs[k]).area for k in drawn.keys() & theirs.keys())
        areas = sum(r.area for r in (*drawn.values(), *theirs.values()))
        overlap = 2 * shared / areas if areas else 0.0
        overlap += WITH_NUMBER if shared and numbers.get(number or 0) == label.name else 0.0
        if overlap >= score:
            best, score = label, overlap
    return best


def _edit(
    label: Label,
    k: int,
    shapes: list[EditedShape],
    edited: Edited,
    suggestion: Suggestion,
    scan: Scan,
) -> SliceEdit | None:
    findings = [f for f in label.findings if f.slice == k]
    before = [c for c in label.contours(suggestion.editable) if c.slice == k]
    if not shapes:
        # What was never in the file cannot have been removed from it.
        absent = not edited.complete or all(f.status != "suggested" for f in findings)
        if not before or absent or _too_small(before, edited, scan):
            kept = tuple(Drawn("unchanged", c.polygon_lps_mm, c) for c in before)
            return SliceEdit(label.name, k, tuple(before), kept, ()) if before else None
        return SliceEdit(label.name, k, tuple(before), (), tuple(before))
    if shapes[0].values is not None and _as_exported(shapes, label, k, suggestion, scan):
        kept = tuple(Drawn("unchanged", c.polygon_lps_mm, c) for c in before)
        return SliceEdit(label.name, k, tuple(before), kept, ())
    same, others = _assemble(shapes, before, edited, scan, k)
    waiting = [c for c in before if all(c is not s for s in same)]
    after = [Drawn("unchanged", c.polygon_lps_mm, c) for c in same]
    moved, rest = _pair(others, waiting, scan, k)
    gone = [c for c in waiting if all(d.before is not c for d in moved)]
    if not edited.complete or (shapes[0].values is not None):
        small = [c for c in gone if not edited.complete or _too_small([c], edited, scan)]
        after += [Drawn("unchanged", c.polygon_lps_mm, c) for c in small]
        gone = [c for c in gone if all(c is not s for s in small)]
    after += moved + [Drawn("new", polygon, None, handles) for polygon, handles in rest]
    return SliceEdit(label.name, k, tuple(before), tuple(after), tuple(gone))


Polygons = list[tuple[FloatArray, FloatArray | None]]


def _assemble(
    shapes: Iterable[EditedShape],
    before: Sequence[PlacedContour],
    edited: Edited,
    scan: Scan,
    k: int,
) -> tuple[list[PlacedContour], Polygons]:
    """Which suggested contours are there as they were, and all else as polygons with handles."""
    same: list[PlacedContour] = []
    others: Polygons = []
    for shape in shapes:
        if shape.values is not None:
            _add_mask(shape, before, scan, k, same, others)
            continue
        assert shape.polygon_lps_mm is not None
        handles = shape.polygon_lps_mm if shape.handles_lps_mm is None else shape.handles_lps_mm
        found = next(
            (
                c
                for c in before
                if all(c is not s for s in same) and is_as_drawn(shape, c, edited.drawn, scan)
            ),
            None,
        )
        if found is not None:
            same.append(found)
        elif region(plane_mm(shape.polygon_lps_mm, scan, k)).area > 0:
            others.append((shape.polygon_lps_mm, handles))
    return same, _with_holes(others, scan, k)


def _add_mask(
    shape: EditedShape,
    before: Sequence[PlacedContour],
    scan: Scan,
    k: int,
    same: list[PlacedContour],
    others: Polygons,
) -> None:
    values = shape.values
    assert values is not None
    parts, count = ndimage.label(values >= 0.5)
    rasters = [(c, pixel_mask(c.polygon_lps_mm, scan, k)) for c in before]
    for number in range(1, count + 1):
        part = parts == number
        found = next((c for c, raster in rasters if np.array_equal(raster, part)), None)
        if found is not None:
            same.append(found)
            continue
        # Fractions just outside the part still say where its boundary lies.
        own = np.where(part | (values < 0.5), values, 0.0)
        near = ndimage.binary_dilation(part, np.ones((3, 3)))
        for polygon in mask_polygons(np.where(near, own, 0.0)):
            others.append((scan.to_lps(polygon, k), None))


def is_as_drawn(shape: EditedShape, contour: PlacedContour, drawn: float, scan: Scan) -> bool:
    """Whether a polygon is a suggested contour as the format holds it, untouched."""
    assert shape.polygon_lps_mm is not None
    k = shape.slice
    if k != contour.slice:
        return False
    edited, before = (plane_mm(p, scan, k) for p in (shape.polygon_lps_mm, contour.polygon_lps_mm))
    if len(edited) == len(before) and np.abs(edited - before).max() <= drawn / 2:
        return True
    reach = (
        np.abs(edited.max(0) - before.max(0)).max() + np.abs(edited.min(0) - before.min(0)).max()
    )
    if reach > 4 * drawn + 0.1:
        return False
    if shape.handles_lps_mm is not None:
        handles = plane_mm(shape.handles_lps_mm, scan, k)
        if distances(handles, LinearRing(before)).max() > 0.01:
            return False
    return deviation_mm(edited, before) <= drawn


def _with_holes(polygons: Polygons, scan: Scan, k: int) -> Polygons:
    """Rings within rings are holes (even-odd); partly overlapping ones stand side by side."""
    regions = [region(plane_mm(p, scan, k)) for p, _ in polygons]
    order = sorted(range(len(polygons)), key=lambda i: -regions[i].area)
    parents: dict[int, list[int]] = {
        i: [
            j
            for j in order
            if regions[j].area > regions[i].area and regions[j].contains(regions[i])
        ]
        for i in order
    }
    out: Polygons = []
    row, column = scan.pixel_spacing
    for i in order:
        if len(parents[i]) % 2:
            continue
        holes = [j for j in order if len(parents[j]) == len(parents[i]) + 1 and i in parents[j]]
        if not holes:
            out.append(polygons[i])
            continue
        left = regions[i].difference(union(regions[j] for j in holes))
        handles = [h for j in (i, *holes) if (h := polygons[j][1]) is not None]
        for part in getattr(left, "geoms", [left]):
            corners = scan.to_lps(keyhole(part) / (column, row), k)
            out.append((corners, np.vstack(handles) if handles else None))
    return out


def _pair(
    polygons: Polygons, before: Sequence[PlacedContour], scan: Scan, k: int
) -> tuple[list[Drawn], Polygons]:
    """Pair what overlaps most first; the rest is new."""
    drawn = [region(plane_mm(p, scan, k)) for p, _ in polygons]
    theirs = [_placed_region(c, scan) for c in before]
    shared = {
        (i, j): a.intersection(b).area for i, a in enumerate(drawn) for j, b in enumerate(theirs)
    }
    moved: dict[int, int] = {}
    for (i, j), area in sorted(shared.items(), key=lambda item: -item[1]):
        if area > 0 and i not in moved and j not in moved.values():
            moved[i] = j
    free_polygons = [i for i in range(len(polygons)) if i not in moved]
    free_before = [j for j in range(len(before)) if j not in moved.values()]
    if len(free_polygons) == len(free_before) == 1:  # carried off as a whole
        moved[free_polygons[0]] = free_before[0]
    pairs = [
        Drawn("moved", polygons[i][0], before[j], polygons[i][1]) for i, j in sorted(moved.items())
    ]
    return pairs, [polygons[i] for i in range(len(polygons)) if i not in moved]


def _as_exported(
    shapes: Sequence[EditedShape], label: Label, k: int, suggestion: Suggestion, scan: Scan
) -> bool:
    """Whether a mask is the suggestion's own, by itself or with others painted over it."""
    mask = np.zeros((scan.rows, scan.columns), dtype=np.bool_)
    for shape in shapes:
        if shape.values is not None:
            mask |= shape.values >= 0.5
    own = np.zeros_like(mask)
    for contour in label.contours(suggestion.editable):
        if contour.slice == k:
            own |= pixel_mask(contour.polygon_lps_mm, scan, k)
    if np.array_equal(mask, own):
        return True
    for version in (suggestion.for_export(), suggestion):
        here = [f for f in version.findings if f.slice == k]
        values = {entry.name: entry.value for entry in labels(version)}
        if len({f.label for f in here}) > 1 and label.name in values:
            painted = label_volume(version, scan)[k] == values[label.name]
            if np.array_equal(mask, painted):
                return True
    return False


def _too_small(before: Sequence[PlacedContour], edited: Edited, scan: Scan) -> bool:
    """Whether a format of voxels holds nothing of contours: none has a pixel's centre in it."""
    voxels = not edited.shapes or edited.shapes[0].values is not None
    return voxels and not any(pixel_mask(c.polygon_lps_mm, scan, c.slice).any() for c in before)


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


def _placed_region(contour: PlacedContour, scan: Scan) -> MultiPolygon:
    return region(plane_mm(contour.polygon_lps_mm, scan, contour.slice))
