"""The command `map`: the best contour of each area on one slice."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

import medcontour as mc
from medcontour.cli.app import app
from medcontour.cli.one_slice import print_json, tell
from medcontour.cli.options import (
    ClassifierOption,
    DeviceOption,
    JsonOption,
    LabelsOption,
    OutOption,
    OutputsOption,
    ScanArgument,
    SeriesOption,
    SliceOption,
    names,
    numbers,
    with_settings,
)
from medcontour.cli.progress import progress_bars
from medcontour.explain.choices import AREAS, CIRCLES
from medcontour.files import make_folder
from medcontour.pipeline.settings import Settings

__all__ = ["contour_map"]


@app.command("map")
@with_settings("target", "preset", "background", "seed")
def contour_map(
    scan: ScanArgument,
    classifier: ClassifierOption,
    slice_index: SliceOption,
    out: OutOption,
    areas: Annotated[
        str,
        typer.Option(help="Fractions of the slice, comma separated, each from 0.001 to 0.785."),
    ] = ",".join(map(str, AREAS)),
    *,
    settings: Settings,
    circles: Annotated[
        int, typer.Option(min=1, max=1000, help="Random circles for each area, to compare with.")
    ] = CIRCLES,
    series: SeriesOption = None,
    labels: LabelsOption = None,
    outputs: OutputsOption = None,
    device: DeviceOption = "cpu",
    as_json: JsonOption = False,
) -> None:
    """Map what speaks for a class on one slice: the best contour of each area, nested.

    Writes **map.png** (the contours on the slice), **fidelity.png** (the probability of the class
    with only the contour kept, and with it taken away, against the area; random circles of the
    same areas beside it) and **map.json**. A contour that lies well keeps more than the circles
    do, and takes away more. For example:

        medcontour map sample_data/ct_study --classifier sample_data/nodule_classifier --slice 13
        --areas 0.01,0.02,0.05,0.1,0.2 --out map
    """
    from medcontour.report import write_map

    chosen = numbers(areas, "--areas", "0.1,0.2,0.3")
    loaded = mc.load_classifier(classifier, labels=names(labels), outputs=outputs, device=device)
    with progress_bars(quiet=as_json) as progress:
        read = mc.read_scan(scan, series=series, progress=progress)
    make_folder(out)
    with progress_bars(quiet=as_json) as progress:
        result = mc.contour_map(
            read,
            loaded,
            slice_index,
            chosen,
            settings.target,
            preset=settings.preset,
            background=settings.background,
            circles=circles,
            seed=settings.seed,
            progress=progress,
        )
    files = write_map(result, read, out)
    if as_json:
        print_json(result, files, out)
        return
    table = Table("area", "reached", "kept", "taken away", "circles kept", "circles taken away")
    for level in result.levels:
        table.add_row(
            f"{100 * level.area_asked:.3g} %",
            f"{100 * level.area_fraction:.3g} %",
            f"{level.preserved:.3f}",
            f"{level.deleted:.3f}",
            f"{level.random_preserved:.3f}",
            f"{level.random_deleted:.3f}",
        )
    tell(result, table, files, out)
