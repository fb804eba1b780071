"""Writing a whole result folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from medcontour.errors import MedcontourError
from medcontour.files import make_folder
from medcontour.results.exporter import Exporter, NothingToWrite, export, exporters, refusal

if TYPE_CHECKING:
    from medcontour.results.model import Suggestion

__all__ = ["Saved", "nothing_to_edit", "save"]

JSON_NAME = "suggestion.json"


@dataclass(frozen=True)
class Saved:
    """What a result folder now holds.

    Attributes
    ----------
    files
        Names of the files and folders written, relative to the result folder.
    left_out
        By format: why it was not written, and whether a file of an earlier run is there. Formats
        that are only written on request are not in it, unless such a file is there.
    notes
        What a reader of the files should know: that label maps are empty, or which attributes
        of the scan are (`Exporter.leaves_empty`; the JSON and the report have these as well).
    """

    files: list[str]
    left_out: dict[str, str]
    notes: tuple[str, ...] = ()


def nothing_to_edit(exported: Suggestion) -> str | None:
    """Say so where what is exported holds nothing that label maps carry; None where it does."""
    if any(True for _ in exported.contours(exported.editable)):
        return None
    if any(True for _ in exported.contours("evidence")):
        return (
            "No exported finding has an outline: label maps are empty, structure sets and curves "
            "hold the evidence alone."
        )
    return "No finding is exported: label maps are empty."


def _older(
    folder: Path, known: dict[str, Exporter], formats: Sequence[str], left_out: dict[str, str]
) -> dict[str, str]:
    """Say which files of formats that are not written now are there, of an earlier run."""
    return {
        name: f"{left_out.get(name, 'It was not asked for.')} "
        f"The {exporter.filename} there is of an earlier run."
        for name, exporter in known.items()
        if name not in formats and (folder / exporter.filename).exists()
    }


def _check_not_its_own(suggestion: Suggestion, folder: Path) -> None:
    """Refuse to write an edit over the suggestion that it began from.

    A folder with an edit report is one of edits: the next edit may go there.
    """
    there = folder / JSON_NAME
    if not suggestion.edited or not there.is_file() or (folder / "edit_report.json").exists():
        return
    try:
        before = type(suggestion).read_json(there)
    except MedcontourError:
        return
    if not before.edited and before.scan == suggestion.scan:
        raise MedcontourError(
            f"{folder} holds the suggestion that was edited and would be written over; choose "
            "another folder."
        )


def save(
    suggestion: Suggestion,
    out: str | Path,
    formats: Sequence[str] | None,
    include_weak: bool,
    merge_findings: bool = False,
) -> Saved:
    """See `Suggestion.save`."""
    scan = suggestion.source
    if scan is None:
        raise MedcontourError(
            "This suggestion was read from a file and holds no scan; use `medcontour convert`, "
            "or medcontour.export with the scan."
        )
    known = exporters()
    left_out: dict[str, str] = {}
    if formats is None:
        formats = []
        for name, exporter in known.items():
            wanted = exporter.by_default(scan) or (exporter.for_surfaces and suggestion.of_volume)
            if not wanted:
                continue
            reason = exporter.refuses(scan)
            if reason is None:
                formats.append(name)
            else:
                left_out[name] = f"{reason}."
    else:
        for name in formats:  # before anything is written
            sentence = refusal(scan, name)
            if sentence is not None:
                raise MedcontourError(sentence)
    folder = make_folder(out)
    _check_not_its_own(suggestion, folder)
    lost = [sentence for name in formats if (sentence := known[name].leaves_empty(scan))]
    suggestion = replace(suggestion, notes=tuple(dict.fromkeys([*suggestion.notes, *lost])))
    suggestion.write_json(folder / JSON_NAME)
    files = [JSON_NAME]
    left_out |= _older(folder, known, formats, left_out)
    strong = suggestion.for_export(include_weak=include_weak, merge_findings=merge_findings)
    for name in formats:
        exporter = known[name]
        try:
            content = suggestion if exporter.for_people else strong
            export(content, scan, name, folder / exporter.filename)
        except NothingToWrite as reason:
            left_out[name] = str(reason)
            if (folder / exporter.filename).exists():
                left_out[name] += f" The {exporter.filename} there is of an earlier run."
        else:
            files.append(exporter.filename)
    empty = nothing_to_edit(strong)
    return Saved(files, left_out, tuple(dict.fromkeys([*lost, *([empty] if empty else [])])))
