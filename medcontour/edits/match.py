"""What became of each suggested outline, over a whole edited file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from shapely import MultiPolygon

from medcontour.edits.identify import Known, identify, region_of
from medcontour.edits.merged import apart
from medcontour.edits.names import Key, Names
from medcontour.edits.slice_edit import SliceEdit, edit_of_slice, new_on_slice
from medcontour.edits.suggested import Painted, Suggested, is_as_drawn
from medcontour.formats import Label, labels
from medcontour.formats.labels import KINDS, structures
from medcontour.formats.place import placed_region
from medcontour.formats.shapes import Edited, EditedShape
from medcontour.results import Suggestion, slice_numbers
from medcontour.scan import Scan

__all__ = ["Matched", "match"]

SHOWN = 12
"""Names of other structures that a note tells."""

COPIED = 0.5
"""Dice from which a changed curve is the edit of the one that stands untouched elsewhere."""

LINES = "points and open lines"  # of these none is anybody's outline


@dataclass(frozen=True)
class Matched:
    """The whole file, matched: by slice within each label, and what is to be said of it."""

    edits: tuple[SliceEdit, ...]
    notes: tuple[str, ...]


def match(
    edited: Edited, suggestion: Suggestion, scan: Scan, *, include_other: bool = False
) -> Matched:
    """Say what became of each outline.

    Structures that nothing was suggested of are named in the notes; with `include_other` they are
    new outlines of their own names. Where something of the file was left out nothing counts as
    deleted.
    """
    suggested = Suggested(suggestion, scan)
    names = Names(_called(suggested, suggestion))
    numbers = _numbers(suggestion, edited)
    painted = Painted(edited.shapes, suggested)
    shapes = list(apart(edited.shapes, painted, suggested))
    known = identify(shapes, painted, suggested, names, numbers)
    notes = list(edited.notes)
    evidence = [e for e in known if e.key and _is_evidence(e.key, suggested)]
    notes += _evidence_notes(evidence, suggested)
    mine: dict[tuple[str, int], list[Known]] = defaultdict(list)
    others: dict[tuple[str, int], list[EditedShape]] = defaultdict(list)
    for each in known:
        if each.key is None:
            name = each.shape.name or f"label {each.shape.number}"
            others[name, each.shape.slice].append(each.shape)
        elif not _is_evidence(each.key, suggested):
            mine[each.key[0], each.shape.slice].append(each)
    if evidence and not mine and all(each.shape.values is not None for each in known):
        # Our masks hold outlines: these were made of the evidence alone.
        edited = replace(edited, complete=False)
        notes.append("The file holds the evidence alone; every outline stays as it was.")
    unsure = _unsure(edited, known, suggested, names, numbers)
    edits = []
    for label in suggested.labels.values():
        for k in sorted({part.slice for part in label.finding.slices}):
            here = _without_copies(mine.pop((label.name, k), []), label, k, suggested, notes)
            kept = (label.name, k) in unsure
            hidden = painted.hidden(k) & suggested.shared((label.name, suggested.editable), k)
            edit = edit_of_slice(label, k, here, edited, suggested, kept, hidden)
            if kept and edit is not None and edit.kept:
                notes.append(
                    f"Something of the file that was left out lies on slice "
                    f"{slice_numbers([k])}: what was "
                    "suggested there and is not found stays as it was."
                )
            edits += [edit] if edit else []
    notes += _other_notes(others, include_other)
    fresh = {key: [each.shape for each in here] for key, here in mine.items()}
    for (name, k), shapes in (fresh | (others if include_other else {})).items():
        edits.append(new_on_slice(name, k, shapes, suggested))
    if any(e.before for e in edits) and not (mine or any(e.before and e.after for e in edits)):
        notes.append(
            "Nothing in the file belongs to a suggested outline: check that it is the right file."
        )
    edits = [edit for edit in edits if edit.before or edit.after]
    return Matched(tuple(sorted(edits, key=lambda e: e.slice)), tuple(dict.fromkeys(notes)))


def _is_evidence(key: Key, suggested: Suggested) -> bool:
    """Whether a structure is not for editing."""
    return key[1] == "evidence" != suggested.editable


def _called(suggested: Suggested, suggestion: Suggestion) -> list[tuple[Key, str]]:
    """What files call the structures: by finding, and by class where that is all they say.

    The target is known also where it was not found.
    """
    called: list[tuple[Key, str]] = []
    editable = suggested.editable
    for label in suggested.labels.values():
        called.append(((label.name, editable), label.name))
        called.append(((label.name, "evidence"), label.called("evidence")))
    target = " ".join(suggestion.classifier.target_name.split())
    for name in dict.fromkeys((*suggested.categories, target)):
        if name and name not in suggested.labels:
            called.append(((name, editable), name))
    return called


def _numbers(suggestion: Suggestion, edited: Edited) -> dict[int, list[Key]]:
    """The structures that a number stands for in our files of a format.

    The exports leave weak findings out unless `include_weak` is set: a number may be of either.
    Label maps hold the findings' own numbers, segments are counted.
    """
    numbers: dict[int, list[Key]] = defaultdict(list)
    for version in (suggestion.for_export(), suggestion):
        every = labels(version)
        counted: list[tuple[int, Key]] = []
        if edited.numbered == "structures":
            keys = [(label.name, kind) for label, kind, _ in structures(version)]
            counted += enumerate(keys, start=1)
        elif edited.numbered == "categories":
            names = list(dict.fromkeys(label.category for label in every))
            for place, kind in enumerate(KINDS):
                for label in every:
                    number = names.index(label.category) + 1 + place * len(names)
                    counted.append((number, (label.name, kind)))
        else:
            counted += [(label.value, (label.name, suggestion.editable)) for label in every]
            counted += [
                (number, (label.name, suggestion.editable))
                for number, label in enumerate(every, start=1)
            ]
        for number, key in counted:
            if key not in numbers[number]:
                numbers[number].append(key)
    return dict(numbers)


def _evidence_notes(evidence: Sequence[Known], suggested: Suggested) -> list[str]:
    for each in evidence:
        assert each.key is not None
        if each.same:
            continue
        if each.shape.values is not None:
            share = suggested.coverage(each.key, each.shape.slice)
            differs = (each.shape.values >= 0.5) != suggested.mask(each.key, each.shape.slice)
            if not (differs & ((share <= 0) | (share >= 1))).any():
                continue  # the same curve, filled by another tool
        return [
            "Evidence contours were changed in the file. Evidence is what the classifier goes "
            "by and is not edited: it is kept as it was."
        ]
    return []


def _other_notes(
    others: dict[tuple[str, int], list[EditedShape]], include_other: bool
) -> list[str]:
    names = list(dict.fromkeys(name for name, _ in others))
    if not names:
        return []
    shown = ", ".join(name[:64] for name in names[:SHOWN])
    shown += f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    if include_other:
        return [f"Structures that nothing was suggested of are new: {shown}."]
    return [
        f"Structures of the file that nothing was suggested of are left out: {shown} "
        "(--include-other, or include_other=True, takes them over)."
    ]


def _without_copies(
    here: list[Known], label: Label, k: int, suggested: Suggested, notes: list[str]
) -> list[Known]:
    """Without untouched curves that another structure of the file holds changed: its edit."""
    kept = []
    for each in here:
        if each.same and each.shape.values is None:
            mine = [
                placed_region(c, suggested.scan)
                for c in suggested.contours((label.name, suggested.editable), k)
                if is_as_drawn(each.shape, c, suggested.scan)
            ]
            changed = [
                region_of(o.shape, suggested) for o in here if o.group != each.group and not o.same
            ]
            if any(_dice(a, b) >= COPIED for a in mine for b in changed):
                notes.append(
                    "The file holds curves both as suggested and changed; the changed are taken."
                )
                continue
        kept.append(each)
    return kept


def _dice(a: MultiPolygon, b: MultiPolygon) -> float:
    whole = a.area + b.area
    return float(2 * a.intersection(b).area / whole) if whole else 0.0


def _unsure(
    edited: Edited,
    known: Sequence[Known],
    suggested: Suggested,
    names: Names,
    numbers: dict[int, list[Key]],
) -> set[tuple[str, int]]:
    """Labels and slices of which something was left out: what is not found there is not gone."""
    groups: dict[tuple[str, int | None], set[Key | None]] = defaultdict(set)
    for each in known:
        groups[each.shape.name, each.shape.number].add(each.key)
    unsure: set[tuple[str, int]] = set()
    for left in edited.left_out:
        keys = groups.get((left.name, left.number))
        if keys is None:
            named = names.own(left.name) or names.likely(left.name)
            keys = {*(named or numbers.get(left.number or 0, []))}
            if not keys and left.what != LINES:
                keys = {*suggested.keys}
        slices = left.slices or range(suggested.scan.slices)
        unsure |= {(key[0], k) for key in keys if key is not None for k in slices}
    return unsure
