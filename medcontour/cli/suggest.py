"""The command `suggest`: contours on every slice that a classifier calls positive."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import medcontour as mc
from medcontour import edits, pipeline, results
from medcontour.cli.app import app
from medcontour.cli.archive import formats_to_push, push_written, tell_stored
from medcontour.cli.formats import chosen_formats
from medcontour.cli.options import (
    CalibrationOption,
    ClassifierOption,
    DeviceOption,
    ExportOption,
    JsonOption,
    LabelsOption,
    MergeOption,
    OutOption,
    OutputsOption,
    ScanArgument,
    SeriesOption,
    WeakOption,
    names,
    with_settings,
)
from medcontour.cli.progress import progress_bars
from medcontour.errors import MedcontourError
from medcontour.files import make_folder
from medcontour.pipeline.settings import Settings
from medcontour.privacy import discreet
from medcontour.results.numbering import COUNTED, slice_numbers

if TYPE_CHECKING:
    from medcontour.dicomweb import Stored
    from medcontour.results import Saved

__all__ = ["suggest"]


@app.command()
@with_settings()
def suggest(
    scan: ScanArgument,
    classifier: ClassifierOption,
    out: OutOption,
    settings: Settings,
    export: ExportOption = None,
    include_weak: WeakOption = False,
    merge_findings: MergeOption = False,
    calibration: CalibrationOption = None,
    series: SeriesOption = None,
    push: Annotated[
        bool,
        typer.Option(
            "--push",
            help="Store the result in the archive that SCAN is in: SEG, RTSTRUCT and SR, or the "
            "DICOM objects among --export. What it has already is not sent again.",
        ),
    ] = False,
    labels: LabelsOption = None,
    outputs: OutputsOption = None,
    device: DeviceOption = "cpu",
    as_json: JsonOption = False,
) -> None:
    """Suggest contours on every slice that a classifier calls positive.

    A classifier of volumes takes the whole stack as one input: one closed surface explains it,
    whose cuts by the slices are the contours.

    For example:

        medcontour suggest sample_data/ct_study --classifier sample_data/nodule_classifier --out out
    """
    formats = chosen_formats(export)
    edits.check_no_edit(out)
    given = None if calibration is None else mc.Calibration.read(calibration)
    pushed = formats_to_push(formats, scan) if push else []
    loaded = mc.load_classifier(classifier, labels=names(labels), outputs=outputs, device=device)
    if given is not None:
        from medcontour.classifier import target_index
        from medcontour.pipeline.calibrating import calibration_for

        calibration_for(given, loaded, target_index(loaded, settings.target))
    with progress_bars(quiet=as_json) as progress:
        read = mc.read_scan(scan, series=series, progress=progress)
    # What cannot be written is said before the work, not after it.
    for name in {*(formats or []), *pushed}:
        if sentence := results.refusal(read, name):
            raise MedcontourError(sentence)
    make_folder(out)
    with progress_bars(quiet=as_json) as progress:
        suggestion = pipeline.suggest_with(read, loaded, settings, progress, given)
    saved = suggestion.save(
        out, formats=formats, include_weak=include_weak, merge_findings=merge_findings
    )
    stored = push_written(saved, out, scan) if push else None
    if as_json:
        print(json.dumps(_document(suggestion, saved, out, stored)))
        return
    _tell(suggestion, saved, out, include_weak)
    if stored is not None:
        tell_stored(stored)


def _document(
    suggestion: mc.Suggestion, saved: Saved, out: Path, stored: list[Stored] | None
) -> dict[str, object]:
    findings = [
        {
            "number": finding.number,
            "label": finding.label,
            "score": finding.score,
            "status": finding.status,
            "conformal_p_value": finding.conformal_p_value,
            "trust": finding.trust,
            "volume_mm3": finding.volume_mm3,
            "longest_diameter_mm": finding.longest_diameter_mm,
            "evidence_volume_mm3": finding.evidence_surface.volume_mm3
            if finding.evidence_surface
            else None,
            "slices": [
                {
                    "slice": part.slice,
                    "score": part.score,
                    "status": part.status,
                    "p_value": part.evidence.p_value if part.evidence else None,
                    "views_held": part.evidence.views_held if part.evidence else None,
                }
                for part in finding.slices
            ],
        }
        for finding in suggestion.findings
    ]
    return {
        "out": discreet(str(out)),
        "files": saved.files,
        "left_out": saved.left_out,
        "notes": [*suggestion.notes, *saved.notes],
        "findings": findings,
        "run": suggestion.run,
        "stored": None if stored is None else [asdict(each) for each in stored],
    }


def _tell(
    suggestion: mc.Suggestion,
    saved: Saved,
    out: Path,
    include_weak: bool,
) -> None:
    console = Console(soft_wrap=True, highlight=False)
    name = escape(suggestion.classifier.target_name)
    if not suggestion.findings:
        best = max(suggestion.slice_scores, key=lambda k: suggestion.slice_scores[k])
        score = f"{suggestion.slice_scores[best]:.2f}"
        console.print(
            f"Nothing was found: the score of the stack for {name} is {score}."
            if suggestion.of_volume
            else f"Nothing was found: the highest score of {name} is {score}, on slice "
            f"{slice_numbers([best])}."
        )
    else:
        console.print(_table(suggestion))
        weak = sum(not finding.exported for finding in suggestion.findings)
        if weak and not include_weak:
            console.print(
                f"{weak} of {len(suggestion)} are no better than random places or collapsed: "
                "marked in the report and left out of the exports (--include-weak keeps them)."
            )
    if suggestion.scan.shape[0] > 1:
        console.print(COUNTED)
    for note in (*suggestion.notes, *saved.notes):
        console.print(f"Note: {escape(note)}")
    for format_name, reason in saved.left_out.items():
        console.print(f"Left out {format_name}: {escape(reason)}")
    console.print(f"Wrote {', '.join(saved.files)} in {escape(discreet(str(out)))}.")
    run = suggestion.run
    console.print(f"It took {run['seconds']} s, and {run['peak_memory_mb']} MB of memory at most.")


def _table(suggestion: mc.Suggestion) -> Table:
    """One line a finding."""
    unit = "mm" if suggestion.scan.units == "mm" else "px"
    given = any(finding.conformal_p_value is not None for finding in suggestion.findings)
    trusted = any(finding.trust is not None for finding in suggestion.findings)
    figures = [*(["conformal p"] if given else []), *(["trust"] if trusted else [])]
    head = ("finding", "slices", "score", "p", *figures, f"longest, {unit}", "volume, mm3")
    table = Table(*head, "status")
    for finding in suggestion.findings:
        p_values = [part.evidence.p_value for part in finding.slices if part.evidence]
        longest, volume = finding.longest_diameter_mm, finding.volume_mm3
        table.add_row(
            escape(finding.name),
            slice_numbers(part.slice for part in finding.slices),
            f"{finding.score:.3f}",
            f"{min(p_values):.2f}" if p_values else "–",
            *(["–" if (p := finding.conformal_p_value) is None else f"{p:.2g}"] if given else []),
            *(["–" if (t := finding.trust) is None else f"{t:.2f}"] if trusted else []),
            "no outline" if longest is None else f"{longest:.1f}",
            "–" if volume is None else f"{volume:.0f}",
            finding.status,
        )
    return table
