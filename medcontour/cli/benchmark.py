"""The benchmark commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

import medcontour as mc
from medcontour.cli.app import app
from medcontour.cli.options import (
    ClassifierOption,
    DeviceOption,
    JsonOption,
    LabelsOption,
    OutputsOption,
    ScanArgument,
    SeriesOption,
    names,
    with_settings,
)
from medcontour.cli.progress import progress_bars
from medcontour.files import make_folder
from medcontour.pipeline.settings import Settings
from medcontour.privacy import discreet

__all__ = ["speed"]

benchmark = typer.Typer(no_args_is_help=True)
app.add_typer(benchmark, name="benchmark", help="Compare presets, methods and networks.")


@benchmark.callback()
def _benchmark() -> None:
    """Compare presets, methods and networks on the same images, by the same protocol."""


@benchmark.command()
@with_settings("target")
def speed(
    scan: ScanArgument,
    classifier: ClassifierOption,
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for table.md, table.json, per_image.csv and figures. A run that was "
            "stopped goes on there."
        ),
    ],
    settings: Settings,
    images: Annotated[
        int, typer.Option(min=1, help="At most so many slices that the classifier calls positive.")
    ] = 6,
    series: SeriesOption = None,
    labels: LabelsOption = None,
    outputs: OutputsOption = None,
    device: DeviceOption = "cpu",
    as_json: JsonOption = False,
) -> None:
    """Compare the paper preset with the fast one: evaluations, objective, failures, time.

    Both search on the same slices and are judged alike. The paper preset spends 1000 evaluations a
    contour, which is about half a minute on a processor. For example:

        medcontour benchmark speed sample_data/ct_study --classifier sample_data/nodule_classifier
        --out speed
    """
    from medcontour.benchmark import measure_speed, scan_runs, scan_workload, table, write_speed

    loaded = mc.load_classifier(classifier, labels=names(labels), outputs=outputs, device=device)
    with progress_bars(quiet=as_json) as progress:
        read = mc.read_scan(scan, series=series, progress=progress)
    workload = scan_workload(read, loaded, settings.target, images)
    make_folder(out)
    with progress_bars(quiet=as_json) as progress:
        runs = scan_runs(read, loaded, settings.target, images)
        measured = measure_speed([workload], runs, out, progress)
    files = write_speed(measured, out)
    if as_json:
        print(json.dumps(measured.to_dict()))
        return
    console = Console(soft_wrap=True, highlight=False)
    console.print(table(measured), markup=False)
    console.print(f"Wrote {', '.join(files)} in {escape(discreet(str(out)))}.")
