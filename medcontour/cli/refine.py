"""The command `refine`: a reader's edit back into the suggestion."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import medcontour as mc
from medcontour import edits, results
from medcontour.cli.app import app
from medcontour.cli.archive import formats_to_push, push_written, tell_stored
from medcontour.cli.formats import chosen_formats
from medcontour.cli.options import LabelsOption, MergeOption, OutputsOption, names
from medcontour.cli.progress import progress_bars
from medcontour.errors import MedcontourError
from medcontour.files import make_folder
from medcontour.privacy import discreet
from medcontour.results.numbering import COUNTED

if TYPE_CHECKING:
    from medcontour.edits import EditReport
    from medcontour.results import Saved

__all__ = ["refine"]


@app.command()
def refine(
    suggestion: Annotated[Path, typer.Argument(help="The suggestion.json, or its folder.")],
    edited: Annotated[
        Path,
        typer.Argument(
            help="The edited file: RTSTRUCT, DICOM SEG, DICOM SR, NIfTI or NRRD label map, "
            ".seg.nrrd, .mrk.json (or a folder of them), COCO JSON, label PNG, suggestion.json."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the results; made if it is not there.")],
    scan: Annotated[
        str | None,
        typer.Option(help="The scan that it was made for, where it has moved since."),
    ] = None,
    resume_search: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Search on from each edited outline with --classifier. The new contours go into "
            "OUT/resumed, with a suggestion.json of their own; the edit in OUT stays as it is.",
        ),
    ] = False,
    classifier: Annotated[
        str | None,
        typer.Option(
            help="With --resume: the classifier of the suggestion. It can run code: use only one "
            "you trust."
        ),
    ] = None,
    export: Annotated[
        str | None,
        typer.Option(help="Formats to write the edit in, comma separated; see suggest."),
    ] = None,
    include_other: Annotated[
        bool,
        typer.Option(
            "--include-other",
            help="Take over, as new findings, structures of the file that nothing was suggested "
            "of (a body, other organs) too; by default a note names them.",
        ),
    ] = False,
    merge_findings: MergeOption = False,
    push: Annotated[
        bool,
        typer.Option(
            "--push",
            help="Store the edit in the archive that the scan is in, as new objects that refer to "
            "those they began from: SEG, RTSTRUCT and SR, or the DICOM objects among --export.",
        ),
    ] = False,
    labels: LabelsOption = None,
    outputs: OutputsOption = None,
    device: Annotated[str, typer.Option(help="With --resume: cpu, cuda, cuda:1, ...")] = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Take over a reader's edit, whatever tool it was made in, and measure it.

    Writes suggestion.json as the reader left it, edit_report.json and .md, and a picture of each
    changed slice. The edit is kept exactly; a smooth curve is fitted beside it. What is exported
    afterwards says SEMIAUTOMATIC.

    For example:

        medcontour refine out out/rtstruct.dcm --out refined --export rtstruct,seg
    """
    chosen = chosen_formats(export)
    if resume_search and classifier is None:
        raise typer.BadParameter("--resume searches with a classifier; give --classifier")
    edits.check_out(out, suggestion, edited)
    before = mc.Suggestion.read_json(suggestion)
    formats = chosen or []
    where = scan or before.scan_path
    if push:
        pushed = formats_to_push(chosen, where)
        formats = [*formats, *(name for name in pushed if name not in formats)]
    read = edits.scan_of(before, scan)
    for name in formats:
        if sentence := results.refusal(read, name):
            raise MedcontourError(sentence)
    refined = mc.refine(suggestion, edited, read, include_other=include_other)
    again = None
    if resume_search and classifier is not None:
        loaded = mc.load_classifier(
            classifier, labels=names(labels), outputs=outputs, device=device
        )
        with progress_bars(quiet=as_json) as progress:
            again = edits.resume(refined.suggestion, loaded, progress)
    make_folder(out)
    saved = refined.suggestion.save(out, formats, merge_findings=merge_findings)
    files = [*saved.files, *edits.write_report(refined, out)]
    if again is not None:
        resumed = again.save(out / "resumed", formats, merge_findings=merge_findings)
        files += [f"resumed/{name}" for name in resumed.files]
    stored = push_written(saved, out, where) if push else None
    if as_json:
        document: dict[str, Any] = json.loads(refined.report.to_json())
        document |= {"out": discreet(str(out)), "files": files, "left_out": saved.left_out}
        document["notes"] = [*refined.report.notes, *saved.notes]
        document["stored"] = None if stored is None else [asdict(each) for each in stored]
        print(json.dumps(document))
        return
    _tell(refined.report, files, saved, out)
    if stored is not None:
        tell_stored(stored)


def _tell(report: EditReport, files: list[str], saved: Saved, out: Path) -> None:
    console = Console(soft_wrap=True, highlight=False)
    wanted = ("finding", "slices", "change", "Dice", "HD95", "added path", "volume change")
    head, *rows = report.rows()  # all of it is in edit_report.md; a terminal is narrow
    columns = [head.index(name) for name in wanted]
    table = Table(*wanted)
    for row in rows:
        table.add_row(*(escape(row[column]) for column in columns))
    console.print(table)
    if any(part.slice for part in report.slices):
        console.print(COUNTED)
    for note in (*report.notes, *saved.notes):
        console.print(f"Note: {escape(note)}")
    for name, reason in saved.left_out.items():
        console.print(f"Left out {name}: {escape(reason)}")
    console.print(f"Wrote {', '.join(files)} in {escape(discreet(str(out)))}.")
