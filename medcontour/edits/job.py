"""From a suggestion and a reader's edit to the edited suggestion and its report."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medcontour.contour.polygons import polygon_area
from medcontour.dicomweb import is_address
from medcontour.edits.edit_report import EditReport, edit_report
from medcontour.edits.match import Matched, match
from medcontour.edits.slice_edit import Drawn, SliceEdit
from medcontour.errors import MedcontourError
from medcontour.formats.dicom.written import written_objects
from medcontour.formats.labels import labels
from medcontour.formats.place import plane_mm
from medcontour.formats.reader import read_edited
from medcontour.formats.shapes import Edited
from medcontour.pipeline.findings import linked_slices
from medcontour.results import (
    Finding,
    FindingSlice,
    ObjectReference,
    PlacedContour,
    Suggestion,
    make_finding,
    slice_numbers,
    with_figures_of,
)
from medcontour.scan import Scan, read_scan

if TYPE_CHECKING:
    from medcontour.edits.fitted import Fitted

__all__ = ["Refined", "changed_slices", "refine", "scan_of"]

HARMONICS = 5


@dataclass(frozen=True)
class Refined:
    """What `refine` gives.

    Attributes
    ----------
    suggestion
        As the reader left it. `edited` is True when any outline differs from what was suggested;
        what is exported from it then says SEMIAUTOMATIC. An edited outline's `polygon_lps_mm` is
        exactly the edit, its `parameters` are the star-convex curve fitted to it (more of them
        under ``further`` where one does not reach a Dice of 0.95), and its `quality` says
        ``edit`` (``"moved"`` or ``"new"``), ``fit_dice`` and ``fit_curves``.
    report
        How far the edit lies from the suggestion.
    before
        The suggestion as it was.
    """

    suggestion: Suggestion
    report: EditReport
    before: Suggestion


def changed_slices(edited: Suggestion) -> tuple[FindingSlice, ...]:
    """Give the findings' slices that have an outline of the reader's."""
    return tuple(
        part
        for part in edited.slices
        if any("edit" in contour.quality for contour in part.outlines)
    )


def refine(
    suggestion: Suggestion | str | os.PathLike[str],
    edited: str | os.PathLike[str] | Edited,
    scan: Scan | None = None,
    *,
    include_other: bool = False,
) -> Refined:
    """Take over a reader's edit, whichever format it comes in, and measure it.

    Curves are known by their shape, then by number and name. What the reader did not touch stays
    the analytic curve that was suggested; what was moved or drawn anew is kept exactly, with a
    star-convex fit beside it; what was removed is gone, and said so, unless something of the file
    could not be taken over there. Evidence is never edited.

    Parameters
    ----------
    suggestion
        What was suggested, or the path of its ``suggestion.json``. DICOM objects beside that file
        are named as predecessors in what is exported of the edit.
    edited
        The edited file: RTSTRUCT, DICOM SEG, DICOM SR, NIfTI or NRRD label map, ``.seg.nrrd``,
        Markups (a file or their folder), COCO JSON, label PNG, or ``suggestion.json``; or what such
        a file holds.
    scan
        The scan; by default the suggestion's own, read again from where it was.
    include_other
        Whether structures that nothing was suggested of (a body, other organs) become findings
        and count in the total. By default a note names them.

    Raises
    ------
    MedcontourError
        For a file that cannot be read, or one that does not belong to the scan.

    Examples
    --------
    >>> import medcontour as mc
    >>> refined = mc.refine("out/suggestion.json", "edited/rtstruct.dcm")  # doctest: +SKIP
    >>> refined.report.total.dice  # doctest: +SKIP
    0.93
    >>> refined.suggestion.save("refined/", formats=["seg"])  # doctest: +SKIP
    """
    predecessors: dict[str, ObjectReference] = {}
    if not isinstance(suggestion, Suggestion):
        path = Path(suggestion)
        suggestion = Suggestion.read_json(path)
        written = written_objects(path if path.is_dir() else path.parent, suggestion)
        predecessors = {name: found.reference for name, found in written.items() if found.current}
    scan = scan or scan_of(suggestion)
    if tuple(suggestion.scan.shape) != tuple(scan.voxels.shape[:3]):
        raise MedcontourError(
            "The scan has another number of slices, rows or columns than the one that the "
            "suggestion was made for; give the scan that it was made for."
        )
    read = edited if isinstance(edited, Edited) else read_edited(edited, scan)
    matched = match(read, suggestion, scan, include_other=include_other)
    outlines, fits = _outlines(matched, suggestion, scan)
    notes = [
        f"An outline on slice {slice_numbers([matched.edits[place].slice])} is no star: {curves} "
        f"curves together reach Dice {dice:.3f} with it. The edit itself is kept exactly."
        for place, (dice, curves) in fits.items()
        if curves > 1 or dice < 0.95
    ]
    changed = any(edit.changed for edit in matched.edits)
    settings = suggestion.settings
    if changed and suggestion.editable == "evidence":
        settings = settings | {"outline": "edited"}
    after = replace(
        suggestion,
        findings=tuple(_findings(suggestion, matched, outlines, scan)),
        settings=settings,
        edited=suggestion.edited or changed,
        predecessors=predecessors if changed else suggestion.predecessors,
        source=scan,
    )
    report = edit_report(suggestion, after, matched, scan, read.format, fits, notes)
    return Refined(after, report, suggestion)


def scan_of(suggestion: Suggestion, where: str | os.PathLike[str] | None = None) -> Scan:
    """Read the scan that a suggestion was made for, from where it was or where it is said to be.

    Raises
    ------
    MedcontourError
        When the suggestion does not say, or the scan cannot be read.
    """
    if suggestion.source is not None and where is None:
        return suggestion.source
    path = where or suggestion.scan_path
    if not path:
        raise MedcontourError(
            "The suggestion does not say where its scan is, since names of its folders could be a "
            "person's; give the scan (--scan)."
        )
    series = suggestion.scan.series_instance_uid
    if is_address(path):
        return read_scan(path, series=series)
    if not Path(path).expanduser().is_dir():
        return read_scan(path)
    return read_scan(path, series=series)


def _outlines(
    matched: Matched, suggestion: Suggestion, scan: Scan
) -> tuple[list[list[PlacedContour]], dict[int, tuple[float, int]]]:
    """Each edit's outlines, and by its place the least Dice and the most curves of its fits."""
    outlines: list[list[PlacedContour]] = []
    fits: dict[int, tuple[float, int]] = {}
    for place, edit in enumerate(matched.edits):
        here = []
        for drawn in edit.after:
            if drawn.change == "unchanged":
                if drawn.before is not None and drawn.before.kind == "outline":
                    here.append(drawn.before)
                continue
            fitted = _fit(drawn, edit, scan)
            dice, curves = fits.get(place, (1.0, 1))
            fits[place] = min(dice, fitted.dice), max(curves, len(fitted.curves))
            here.append(_placed(drawn, fitted, edit, scan))
        outlines.append(here)
    return outlines, fits


def _fit(drawn: Drawn, edit: SliceEdit, scan: Scan) -> Fitted:
    """Curves of as many harmonics as the suggested one has."""
    from medcontour.edits.fitted import fit_outline  # PyTorch, which reading does without

    parameters = drawn.before.parameters if drawn.before else {}
    harmonics = len(parameters.get("harmonics", ())) or HARMONICS
    return fit_outline(scan.to_index(drawn.polygon_lps_mm, edit.slice), scan, harmonics=harmonics)


def _placed(drawn: Drawn, fitted: Fitted, edit: SliceEdit, scan: Scan) -> PlacedContour:
    quality: dict[str, Any] = {
        "edit": drawn.change,
        "fit_dice": fitted.dice,
        "fit_curves": len(fitted.curves),
    }
    return PlacedContour(
        kind="outline",
        slice=edit.slice,
        parameters=fitted.parameters(),
        polygon_lps_mm=drawn.polygon_lps_mm,
        area_mm2=polygon_area(plane_mm(drawn.polygon_lps_mm, scan, edit.slice)),
        quality=quality,
    )


def _findings(
    suggestion: Suggestion,
    matched: Matched,
    outlines: Sequence[Sequence[PlacedContour]],
    scan: Scan,
) -> list[Finding]:
    """The findings after the edit: those that were, less what is gone, and the reader's own."""
    by_place: dict[tuple[str, int], tuple[SliceEdit, Sequence[PlacedContour]]] = {
        (edit.label, edit.slice): (edit, drawn)
        for edit, drawn in zip(matched.edits, outlines, strict=True)
    }
    findings: list[Finding] = []
    for label in labels(suggestion):
        parts = []
        for k in sorted({part.slice for part in label.finding.slices}):
            own = [part for part in label.finding.slices if part.slice == k]
            edit, drawn = by_place.pop((label.name, k), (None, ()))
            parts += own if edit is None or not edit.changed else _edited(own, edit, drawn)
        mine = sorted((place for place in by_place if place[0] == label.name), key=lambda p: p[1])
        for place in mine:  # on slices where it was not suggested
            edit, drawn = by_place.pop(place)
            if drawn:
                parts.append(_drawn(edit, label.finding.label, drawn, suggestion, scan))
        made = make_finding(parts, label.finding.number, scan, label.finding.id)
        findings.append(with_figures_of(label.finding, made))
    fresh = _new_findings(by_place, findings, suggestion, scan)  # some carry on one of `findings`
    return [*findings, *fresh]


def _edited(
    own: Sequence[FindingSlice], edit: SliceEdit, drawn: Sequence[PlacedContour]
) -> list[FindingSlice]:
    """One slice of a finding as the reader left it; its outlines are one edit."""
    first, *others = own
    note = first.note
    if edit.deleted:
        note = f"{note} The reader removed {_count(len(edit.deleted))}.".strip()
    changed = replace(first, outlines=tuple(drawn), note=note)
    return [changed, *(replace(part, outlines=()) for part in others)]


def _new_findings(
    left: Mapping[tuple[str, int], tuple[SliceEdit, Sequence[PlacedContour]]],
    findings: list[Finding],
    suggestion: Suggestion,
    scan: Scan,
) -> list[Finding]:
    """Findings that the reader drew: one of each name, or what hangs together of a class.

    What carries on a finding of the class on the next slice is joined to it, in `findings`.
    """
    named: dict[str, list[FindingSlice]] = defaultdict(list)
    categories = {label.category: label.finding.label for label in labels(suggestion)}
    for (name, _), (edit, drawn) in left.items():
        if drawn:
            # Each curve of a class may be another object.
            each = [[curve] for curve in drawn] if name in categories else [drawn]
            label = categories.get(name, name)
            named[name] += [_drawn(edit, label, own, suggestion, scan) for own in each]
    number = max((finding.number or 0 for finding in findings), default=0)
    fresh = []
    for name, parts in named.items():
        groups = _joined(parts, findings, scan) if name in categories else [parts]
        for group in groups:
            number += 1
            fresh.append(make_finding(group, number, scan))
    return fresh


def _joined(
    parts: Sequence[FindingSlice], findings: list[Finding], scan: Scan
) -> list[list[FindingSlice]]:
    """Groups of new slices that hang together; those that a finding goes on in are put there."""
    owners = [
        (place, part)
        for place, finding in enumerate(findings)
        if finding.label == parts[0].label
        for part in finding.slices
        if part.outlines
    ]
    groups = []
    for group in linked_slices([*(part for _, part in owners), *parts], scan):
        new = [parts[n - len(owners)] for n in group if n >= len(owners)]
        of = [owners[n] for n in group if n < len(owners)]
        if new and of:
            place, _ = min(of, key=lambda own: min(abs(own[1].slice - p.slice) for p in new))
            owner = findings[place]
            whole = _gone_on(owner.slices, new)
            findings[place] = with_figures_of(
                owner, make_finding(whole, owner.number, scan, owner.id)
            )
        elif new:
            groups.append(new)
    return groups


def _gone_on(slices: Sequence[FindingSlice], new: Sequence[FindingSlice]) -> list[FindingSlice]:
    """The slices of a finding with new ones; one that the reader had emptied takes its outlines."""
    parts = list(slices)
    for part in new:
        emptied = (n for n, p in enumerate(parts) if p.slice == part.slice and not p.outlines)
        place = next(emptied, None)
        if place is None:
            parts.append(part)
        else:
            parts[place] = replace(parts[place], outlines=part.outlines)
    return parts


def _drawn(
    edit: SliceEdit,
    label: str,
    drawn: Sequence[PlacedContour],
    suggestion: Suggestion,
    scan: Scan,
) -> FindingSlice:
    """A slice of a finding that the classifier did not make."""
    looked_at = edit.slice in suggestion.slice_scores
    return FindingSlice(
        slice=edit.slice,
        sop_instance_uid=scan.sop_instance_uid(edit.slice),
        label=label,
        score=suggestion.slice_scores.get(edit.slice, 0.0),
        status="drawn by a reader",
        evidence=None,
        evidence_contours=(),
        outlines=tuple(drawn),
        note="Drawn by a reader; nothing was suggested here."
        + ("" if looked_at else " The classifier did not look at this slice: score 0."),
    )


def _count(number: int) -> str:
    return "the outline" if number == 1 else f"{number} outlines"
