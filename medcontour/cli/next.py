"""The command `next`: which scans a reader should correct next."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import medcontour as mc
from medcontour.cli.app import app
from medcontour.cli.options import (
    ClassifierOption,
    DeviceOption,
    JsonOption,
    LabelsOption,
    OutputsOption,
    names,
)
from medcontour.cli.progress import progress_bars
from medcontour.learning.constants import NEXT
from medcontour.privacy import discreet
from medcontour.results.numbering import COUNTED

__all__ = ["next_"]

REASONS = {
    "typical": "like {count} of the others",
    "uncertain": "its outline changes most when it is mirrored and zoomed",
}


@app.command("next")
def next_(
    scans: Annotated[
        str, typer.Argument(help="A folder of scans, or a list (CSV), as `learn` takes them.")
    ],
    classifier: ClassifierOption,
    outliner: Annotated[Path, typer.Option(help="The file that `medcontour learn` wrote.")],
    edits: Annotated[
        Path | None, typer.Option(help="A folder with what readers corrected already.")
    ] = None,
    count: Annotated[int, typer.Option(help="So many scans at most.", min=1)] = NEXT,
    target: Annotated[
        str | None,
        typer.Option(help="The class, by name or index. Default: the only one that is a finding."),
    ] = None,
    labels: LabelsOption = None,
    outputs: OutputsOption = None,
    device: DeviceOption = "cpu",
    as_json: JsonOption = False,
) -> None:
    """Say which scans to correct next, and why.

    The most typical ones first, until ten are corrected; then those whose learned outlines change
    most when the scan is mirrored and zoomed. Corrected cases go into `learn --edits`. For example:

        medcontour next scans --classifier bundle --outliner outliner.safetensors --edits corrected
    """
    loaded = mc.load_classifier(classifier, labels=names(labels), outputs=outputs, device=device)
    with progress_bars(quiet=as_json) as progress:
        found, notes = mc.next_scans(
            scans, loaded, outliner, edits=edits, count=count, target=target, progress=progress
        )
    if as_json:
        rows = [{**asdict(each), "path": discreet(str(each.path))} for each in found]
        print(json.dumps({"scans": rows, "notes": list(notes)}))
        return
    console = Console(soft_wrap=True, highlight=False)
    if not found:
        console.print("All scans with the finding are corrected.")
    table = Table("", "scan", "slice", "why", "stability", box=None)
    for n, each in enumerate(found, start=1):
        why = REASONS[each.reason].format(count=each.stands_for)
        stable = f"{each.stability:.2f}"
        table.add_row(str(n), escape(discreet(str(each.path))), str(each.slice + 1), why, stable)
    if found:
        console.print(table)
        console.print(COUNTED)
    for note in notes:
        console.print(f"Note: {escape(note)}")
