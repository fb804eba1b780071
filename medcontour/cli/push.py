"""The command `push`: a result folder's DICOM objects to an archive."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

import medcontour as mc
from medcontour.cli.app import app
from medcontour.cli.archive import tell_stored

__all__ = ["push"]


@app.command()
def push(
    out: Annotated[Path, typer.Argument(help="The folder that suggest or refine wrote.")],
    to: Annotated[
        str | None,
        typer.Option(
            help="The archive, dicomweb+https://HOST/ROOT. Default: the one of the scan.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what is stored as JSON.")] = False,
) -> None:
    """Store a result's DICOM objects (SEG, RTSTRUCT, SR) in an archive, by DICOMweb.

    What the archive has already is not sent again, so that a second run changes nothing and a
    run after a fault stores the rest. Names, passwords, tokens and certificates come from the
    environment or a netrc file; see docs/how-to/dicomweb.md.

    For example:

        medcontour push out --to dicomweb+https://pacs.example/dicom-web
    """
    stored = mc.push(out, to)
    if as_json:
        print(json.dumps({"stored": [asdict(each) for each in stored]}))
        return
    tell_stored(stored)
