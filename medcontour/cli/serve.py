"""The command `serve`: suggestions, edits and files over HTTP, with a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import medcontour as mc
from medcontour import server, workspace
from medcontour.cli.app import app
from medcontour.cli.options import (
    ClassifierOption,
    DeviceOption,
    LabelsOption,
    OutputsOption,
    names,
    with_settings,
)
from medcontour.errors import MedcontourError
from medcontour.pipeline.settings import Settings

__all__ = ["serve"]


@app.command()
@with_settings()
def serve(
    classifier: ClassifierOption,
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for what is suggested, edited and uploaded; made if it is not there."
        ),
    ],
    settings: Settings,
    studies: Annotated[
        Path | None,
        typer.Option(help="A folder whose scans clients may open; nothing outside it is read."),
    ] = None,
    archive: Annotated[
        list[str] | None,
        typer.Option(
            help="A DICOMweb service that clients may open series of, as "
            "dicomweb+https://HOST/ROOT; may be given several times.",
            metavar="ADDRESS",
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(help="Address to listen on. On any but this machine's own a key is needed."),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Port to listen on; 0 is any that is free.", min=0, max=65535)
    ] = 8765,
    key_file: Annotated[
        Path | None,
        typer.Option(
            help="A file with the key that clients have to show. Default: the environment variable "
            "MEDCONTOUR_KEY, or no key on this machine's own address."
        ),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(
            help="A further name that clients call this machine by; may be given several times."
        ),
    ] = None,
    labels: LabelsOption = None,
    outputs: OutputsOption = None,
    device: DeviceOption = "cpu",
) -> None:
    """Serve suggestions and edits over HTTP, with a page for a browser.

    It needs the extra "server": pip install "medcontour[server]". Jobs, suggestions and edits are
    kept in --out: a server that was stopped goes on where it was. For example:

        medcontour serve --classifier bundle --studies scans --out served
    """
    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise MedcontourError(
            "The server needs FastAPI and uvicorn, which are not installed here: run pip install "
            '"medcontour[server]".'
        ) from error
    options = server.ServerOptions(
        folder=out.expanduser().absolute(),
        studies=None if studies is None else studies.expanduser().absolute(),
        archives=tuple(archive or ()),
        host=host,
        port=port,
        key=server.read_key(key_file),
        names=tuple(name or ()),
    )
    loaded = mc.load_classifier(classifier, labels=names(labels), outputs=outputs, device=device)
    setup = workspace.Setup(loaded, settings)
    server.serve(setup, options, lambda address: print(f"Serving on {address}", flush=True))
