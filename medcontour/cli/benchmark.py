"""The benchmark commands."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from medcontour.benchmark import (
    Speed,
    find_work,
    measure_overhead,
    measure_speed,
    measure_warm_start,
    slice_runs,
    table,
    write_speed,
)
from medcontour.benchmark.speed.step_cost import peak_memory_mb
from medcontour.cli.app import app
from medcontour.cli.progress import progress_bars
from medcontour.files import make_folder

__all__ = ["speed"]

benchmark = typer.Typer(no_args_is_help=True)
app.add_typer(benchmark, name="benchmark", help="Compare presets, methods and networks.")


@benchmark.callback()
def _benchmark() -> None:
    """Compare presets, methods and networks on the same images, by the same protocol."""


@benchmark.command()
def speed(
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for table.md, table.json, per_image.csv and figures. A run that was "
            "stopped goes on there."
        ),
    ],
    images: Annotated[
        int, typer.Option(min=1, help="Images of each kind of work. 100 for the full table.")
    ] = 6,
    sample: Annotated[
        Path,
        typer.Option(
            help="The repository's sample_data. Its phantom.py is run, its bundles are loaded."
        ),
    ] = Path("sample_data"),
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder of real images and classifiers (brain_mri, busi, imagenet_val, "
            "classifiers); what is not there is left out. Its flatnet.py is run. Default: "
            "MEDCONTOUR_SHARED_DATA, or ../shared/data."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Compare the paper preset with the fast one: evaluations, objective, failures, time.

    Both run on the same images and are judged alike. The paper preset spends 1000 evaluations a
    contour: with the default number of images it all ends within 20 minutes on two cores.

        medcontour benchmark speed --out speed --images 6
    """
    folder = data or Path(os.environ.get("MEDCONTOUR_SHARED_DATA", "../shared/data"))
    work = find_work(sample, folder, images)
    make_folder(out)
    with progress_bars(quiet=as_json) as progress:
        records = measure_speed(work, out, progress)
        measured = Speed(
            records=records,
            overhead={kind.name: measure_overhead(kind) for kind in work},
            warm_start=measure_warm_start(slice_runs(sample, max(1, images // 4))),
            peak_memory_mb=peak_memory_mb(),
        )
    files = write_speed(measured, out)
    if as_json:
        print(json.dumps(measured.to_dict()))
        return
    console = Console(soft_wrap=True, highlight=False)
    console.print(table(measured), markup=False)
    console.print(f"Wrote {', '.join(files)} in {escape(str(out))}.")
