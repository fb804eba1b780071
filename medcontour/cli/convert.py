"""The command `convert`: a suggestion in another format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

import medcontour as mc
from medcontour.cli.app import app
from medcontour.cli.options import MergeOption
from medcontour.errors import MedcontourError
from medcontour.privacy import discreet
from medcontour.results.exporter import find_exporter, format_names

__all__ = ["convert"]


@app.command()
def convert(
    suggestion: Annotated[Path, typer.Argument(help="A suggestion.json, or its folder.")],
    to: Annotated[str, typer.Option(help=f"The format: {', '.join(format_names())}.")],
    out: Annotated[Path, typer.Option(help="The file (markups: the folder) to write.")],
    scan: Annotated[
        str | None,
        typer.Option(help="The scan that it was made for, where it has moved since."),
    ] = None,
    include_weak: Annotated[
        bool,
        typer.Option("--include-weak", help="Write contours no better than random places as well."),
    ] = False,
    merge_findings: MergeOption = False,
) -> None:
    """Write a suggestion in another format."""
    from medcontour.results.save import nothing_to_edit

    loaded = mc.Suggestion.read_json(suggestion)
    where = scan or loaded.scan_path
    if not where:
        raise MedcontourError(
            f"{suggestion} does not say where its scan is, since names of its folders could be a "
            "person's; give it with --scan."
        )
    read = mc.read_scan(where, series=loaded.scan.series_instance_uid)
    found = find_exporter(to)
    # As in a result folder: what people read shows every finding, marked.
    exported = loaded.for_export(
        include_weak=include_weak or found.for_people, merge_findings=merge_findings
    )
    mc.export(exported, read, to, out)
    console = Console(highlight=False, soft_wrap=True)
    empty = None if found.for_people else nothing_to_edit(exported)
    for note in (found.leaves_empty(read), empty):
        if note:
            console.print(f"Note: {escape(note)}")
    console.print(f"Wrote {escape(discreet(str(out)))}.")
