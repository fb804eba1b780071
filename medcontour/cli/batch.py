"""The command `batch`: every series of an archive, with a worklist that can be killed."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape

import medcontour as mc
from medcontour import batches
from medcontour.cli.app import app
from medcontour.cli.formats import chosen_formats
from medcontour.cli.options import (
    CLASSIFIER,
    CalibrationOption,
    DeviceOption,
    ExportOption,
    JsonOption,
    LabelsOption,
    MergeOption,
    OutOption,
    OutputsOption,
    WeakOption,
    names,
    with_settings,
)
from medcontour.cli.progress import goes_on, rate_lines
from medcontour.pipeline.settings import Settings
from medcontour.privacy import discreet

__all__ = ["batch"]

SHOWN = 5
"""Reasons that are told; all are in the summary."""


@app.command()
@with_settings()
def batch(
    out: OutOption,
    settings: Settings,
    root: Annotated[
        str | None,
        typer.Argument(
            help="A folder, searched with its subfolders for DICOM series, NIfTI, NRRD and "
            "MetaImage files and pictures."
        ),
    ] = None,
    classifier: Annotated[str | None, CLASSIFIER] = None,
    dicomweb: Annotated[
        str | None,
        typer.Option(
            help="In place of ROOT an archive, dicomweb+https://HOST/ROOT, with --modality, "
            "--description and --date.",
            metavar="URL",
        ),
    ] = None,
    modality: Annotated[str | None, typer.Option(help="Of series in an archive, as CT.")] = None,
    description: Annotated[
        str | None,
        typer.Option(
            help="SeriesDescription of series in an archive; * is anything.", metavar="TEXT"
        ),
    ] = None,
    date: Annotated[
        str | None,
        typer.Option(
            help="StudyDate of series in an archive: 20240131, or 20240101-20241231.",
            metavar="DATE",
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            help="The I-th of N parts, from 1, as 3/8. Parts may run at once, and share --out.",
            metavar="I/N",
        ),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(
            help="Processes that look at series at once, each with a classifier of its own: as "
            "many as there are cores, or two to four on an accelerator.",
            min=1,
        ),
    ] = 1,
    engine: Annotated[
        Literal["local", "ray"],
        typer.Option(help="Where the workers are: on this machine, or on a Ray cluster."),
    ] = "local",
    gpus: Annotated[
        float, typer.Option(help="With ray: the share of an accelerator that each worker takes.")
    ] = 0.0,
    retry_failed: Annotated[
        bool,
        typer.Option("--retry-failed", help="Look again at series that failed before."),
    ] = False,
    paths: Annotated[
        Path | None,
        typer.Option(
            help="A table (CSV) to write, of each series' path by its key. Paths may hold "
            "names: it is the only file that shows them.",
        ),
    ] = None,
    push: Annotated[
        bool,
        typer.Option(
            "--push",
            help="Store each series' DICOM objects in the archive that it is in, each once.",
        ),
    ] = False,
    pseudonymise: Annotated[
        Path | None,
        typer.Option(
            help="A file with a key of 16 bytes or more: patients in DICOM objects are replaced by "
            "pseudonyms, the same for the same patient and key. UIDs stay.",
            metavar="KEYFILE",
        ),
    ] = None,
    watch: Annotated[
        float | None,
        typer.Option(
            help="Look again every so many seconds, for ever; a series is taken when it was the "
            "same at two looks.",
            metavar="SECONDS",
        ),
    ] = None,
    merge: Annotated[
        bool,
        typer.Option(
            "--merge",
            help="Look at nothing: write one summary of all shards that lie in --out or in folders "
            "in it.",
        ),
    ] = False,
    export: ExportOption = None,
    include_weak: WeakOption = False,
    merge_findings: MergeOption = False,
    calibration: CalibrationOption = None,
    labels: LabelsOption = None,
    outputs: OutputsOption = None,
    device: DeviceOption = "cpu",
    as_json: JsonOption = False,
) -> None:
    """Suggest contours for every series in a folder, and write a summary of all.

    A worklist says what is done: the same command goes on where it was killed, and does nothing
    twice. A series that cannot be done is written down with the reason and stops nothing: the exit
    code is 0 then, and the number is said. For example:

        medcontour batch archive --classifier bundle --out results
    """
    from medcontour.dicomweb import SeriesQuery
    from medcontour.formats.dicom.pseudonym import read_key

    if merge:
        for folder in batches.write_summaries(out):
            print(f"Summary: {discreet(str(folder / 'summary.html'))}")
        return
    if (root is None) == (dicomweb is None):
        raise typer.BadParameter("give it, or --dicomweb, and not both", param_hint="ROOT")
    if classifier is None:
        raise typer.BadParameter("it is missing", param_hint="--classifier")
    formats = chosen_formats(export)
    shared = batches.shard_of(shard)
    given = None if calibration is None else mc.Calibration.read(calibration)
    folder = out.expanduser().absolute()
    query = SeriesQuery(modality, description, date)
    where = root or _address(dicomweb or "")
    source = batches.source_of(where, folder, query)
    load = partial(
        mc.load_classifier, classifier, labels=names(labels), outputs=outputs, device=device
    )
    to = batches.push_to(where) if push else None
    key = None if pseudonymise is None else read_key(pseudonymise)
    chosen = (settings, formats, include_weak, merge_findings, given, to, key)
    run = partial(batches.run_of, load, *chosen)
    with goes_on(), rate_lines(quiet=as_json) as progress:
        made = batches.batch_with(
            source,
            run,
            folder,
            shared,
            workers,
            retry_failed,
            watch,
            progress,
            batches.Engine(engine, gpus),
            paths,
        )
    if as_json:
        print(json.dumps(_document(made)))
        return
    _tell(made)


def _address(url: str) -> str:
    """An archive's address, also where it is given as a plain URL."""
    return url if url.startswith("dicomweb+") else f"dicomweb+{url}"


def _document(made: mc.Batch) -> dict[str, object]:
    return {
        "folder": discreet(str(made.folder)),
        "found": made.found,
        "before": made.before,
        "done": made.done,
        "failed": made.failed,
        "changed": list(made.changed),
        "skipped": made.skipped,
        "notes": list(made.notes),
    }


def _tell(made: mc.Batch) -> None:
    console = Console(soft_wrap=True, highlight=False)
    console.print(
        f"{made.found} series: {made.done} done now, {made.before} before, "
        f"{len(made.failed)} could not be done."
    )
    for key, reason in list(made.failed.items())[:SHOWN]:
        console.print(f"{key}: {escape(reason)}")
    if len(made.failed) > SHOWN:
        console.print(f"The other {len(made.failed) - SHOWN} reasons are in the summary.")
    if made.skipped:
        console.print(f"{made.skipped} failed before and were left (--retry-failed).")
    if made.changed:
        console.print(
            f"{len(made.changed)} changed while they were read: the same command looks again."
        )
    for note in made.notes:
        console.print(f"Note: {escape(note)}")
    console.print(f"Summary: {escape(discreet(str(made.folder / 'summary.html')))}")
