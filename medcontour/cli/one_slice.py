"""The commands on one slice: `map` and `robustness`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import medcontour as mc
from medcontour.cli.app import app
from medcontour.cli.progress import progress_bars
from medcontour.explain import MOST_HARMONICS, check_areas
from medcontour.files import make_folder
from medcontour.pipeline import AREAS, WEIGHTS
from medcontour.report import write_map, write_robustness
from medcontour.results import SliceResult

__all__ = ["contour_map", "robustness"]

ScanArgument = Annotated[
    str, typer.Argument(help="A DICOM folder or file, a NIfTI file, a PNG, JPEG or TIFF.")
]
ClassifierOption = Annotated[
    str,
    typer.Option(
        help="A MONAI bundle's folder or a TorchScript file. Both can run code: use only those "
        "you trust."
    ),
]
SliceOption = Annotated[
    int, typer.Option("--slice", help="Which slice, counted from 0 (an image has slice 0).")
]
OutOption = Annotated[Path, typer.Option(help="Folder for the results; made if it is not there.")]
TargetOption = Annotated[
    str | None,
    typer.Option(help="The class, by name or index. Default: the only one naming a finding."),
]
PresetOption = Annotated[
    Literal["fast", "paper"], typer.Option(help="How contours are searched; see suggest.")
]
BackgroundOption = Annotated[
    Literal["auto", "blur", "gaussian", "wide", "mean"],
    typer.Option(help="What stands where evidence is taken away; see suggest."),
]
SeriesOption = Annotated[
    str | None, typer.Option(help="SeriesInstanceUID, where a folder holds several.")
]
DeviceOption = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.command("map")
def contour_map(
    scan: ScanArgument,
    classifier: ClassifierOption,
    slice_index: SliceOption,
    out: OutOption,
    areas: Annotated[
        str,
        typer.Option(help="Fractions of the slice, comma separated, each from 0.001 to 0.785."),
    ] = ",".join(map(str, AREAS)),
    target: TargetOption = None,
    circles: Annotated[
        int, typer.Option(min=1, max=1000, help="Random circles for each area, to compare with.")
    ] = 32,
    preset: PresetOption = "fast",
    background: BackgroundOption = "auto",
    series: SeriesOption = None,
    device: DeviceOption = "cpu",
    seed: Annotated[int, typer.Option(help="Seed of the random circles.")] = 0,
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
    asked = check_areas(_numbers(areas, "--areas", "0.1,0.2,0.3"))
    loaded = mc.load_classifier(classifier, device=device)
    with progress_bars(quiet=as_json) as progress:
        read = mc.read_scan(scan, series=series, progress=progress)
    make_folder(out)
    with progress_bars(quiet=as_json) as progress:
        result = mc.contour_map(
            read,
            loaded,
            slice_index,
            asked,
            target,
            preset=preset,
            background=background,
            circles=circles,
            seed=seed,
            progress=progress,
        )
    files = write_map(result, read, out)
    if as_json:
        _print_json(result, files, out)
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
    _tell(result, table, files, out)


@app.command()
def robustness(
    scan: ScanArgument,
    classifier: ClassifierOption,
    slice_index: SliceOption,
    out: OutOption,
    target: TargetOption = None,
    weights: Annotated[
        str, typer.Option(help="Spectral weights (lambda_r), comma separated, from 0.")
    ] = ",".join(map(str, WEIGHTS)),
    harmonics: Annotated[
        int, typer.Option(min=1, max=MOST_HARMONICS, help="K, harmonics of these contours.")
    ] = MOST_HARMONICS,
    preset: PresetOption = "fast",
    background: BackgroundOption = "auto",
    series: SeriesOption = None,
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
    asked = _numbers(weights, "--weights", "0.01,0.1")
    loaded = mc.load_classifier(classifier, device=device)
    with progress_bars(quiet=as_json) as progress:
        read = mc.read_scan(scan, series=series, progress=progress)
    make_folder(out)
    with progress_bars(quiet=as_json) as progress:
        result = mc.robustness(
            read,
            loaded,
            slice_index,
            target,
            weights=asked,
            harmonics=harmonics,
            preset=preset,
            background=background,
            progress=progress,
        )
    files = write_robustness(result, read, out)
    if as_json:
        _print_json(result, files, out)
        return
    unit = "mm" if read.units == "mm" else "pixels"
    table = Table("contours", "mean IoU", f"centers apart, {unit}", "objective", "its spread")
    for name, figures in (
        ("nine starts", result.starts_agreement),
        (f"{len(asked)} spectral weights", result.spectrum_agreement),
    ):
        if figures:
            table.add_row(name, *(f"{value:.2f}" for value in figures.values()))
    _tell(result, table, files, out)


def _numbers(text: str, option: str, example: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(
            f"give numbers with commas between, for example {example}", param_hint=option
        ) from None


def _print_json(result: SliceResult, files: Sequence[Path], out: Path) -> None:
    names = [path.name for path in files]
    document: dict[str, Any] = json.loads(result.to_json())
    print(json.dumps({"out": str(out), "files": names, **document}))


def _tell(result: SliceResult, table: Table, files: Sequence[Path], out: Path) -> None:
    console = Console(soft_wrap=True, highlight=False)
    console.print(table)
    for note in result.notes:
        console.print(f"Note: {escape(note)}")
    console.print(f"Wrote {', '.join(path.name for path in files)} in {escape(str(out))}.")
