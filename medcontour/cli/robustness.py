"""The command `robustness`: one slice's contour from nine starts and at several smoothnesses."""

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
from medcontour.explain.choices import MOST_HARMONICS, SPECTRAL_WEIGHTS
from medcontour.files import make_folder
from medcontour.pipeline.settings import Settings

__all__ = ["robustness"]


@app.command()
@with_settings("target", "preset", "background")
def robustness(
    scan: ScanArgument,
    classifier: ClassifierOption,
    slice_index: SliceOption,
    out: OutOption,
    settings: Settings,
    weights: Annotated[
        str, typer.Option(help="Spectral weights (lambda_r), comma separated, from 0.")
    ] = ",".join(map(str, SPECTRAL_WEIGHTS)),
    harmonics: Annotated[
        int, typer.Option(min=1, max=MOST_HARMONICS, help="K, harmonics of these contours.")
    ] = MOST_HARMONICS,
    series: SeriesOption = None,
    labels: LabelsOption = None,
    outputs: OutputsOption = None,
    device: DeviceOption = "cpu",
    as_json: JsonOption = False,
) -> None:
    """Try how much the contour of one slice depends on its start and on its smoothness.

    Starts from nine circles across the slice (**starts.png**), and from the evidence under several
    spectral weights (**spectrum.png**), and says how closely the contours agree: their overlap,
    the distance between centers, and the spread of the objective (**robustness.json**). For
    example:

        medcontour robustness sample_data/ct_study --classifier sample_data/nodule_classifier
        --slice 13 --out robustness
    """
    from medcontour.report import write_robustness

    chosen = numbers(weights, "--weights", "0.01,0.1")
    loaded = mc.load_classifier(classifier, labels=names(labels), outputs=outputs, device=device)
    with progress_bars(quiet=as_json) as progress:
        read = mc.read_scan(scan, series=series, progress=progress)
    make_folder(out)
    with progress_bars(quiet=as_json) as progress:
        result = mc.robustness(
            read,
            loaded,
            slice_index,
            settings.target,
            weights=chosen,
            harmonics=harmonics,
            preset=settings.preset,
            background=settings.background,
            progress=progress,
        )
    files = write_robustness(result, read, out)
    if as_json:
        print_json(result, files, out)
        return
    unit = "mm" if read.units == "mm" else "pixels"
    table = Table("contours", "mean IoU", f"centers apart, {unit}", "objective", "its spread")
    for name, figures in (
        ("nine starts", result.starts_agreement),
        (f"{len(chosen)} spectral weights", result.spectrum_agreement),
    ):
        if figures:
            table.add_row(name, *(f"{value:.2f}" for value in figures.values()))
    tell(result, table, files, out)
