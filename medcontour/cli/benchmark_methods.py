"""The benchmark commands that compare explanation methods."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape

import medcontour as mc
from medcontour import benchmark as bench
from medcontour.benchmark.methods.names import DEFAULT_METHODS, METHODS
from medcontour.cli.benchmark import benchmark
from medcontour.cli.options import with_settings
from medcontour.cli.progress import progress_bars
from medcontour.errors import MedcontourError
from medcontour.files import make_folder
from medcontour.pipeline.settings import Settings
from medcontour.privacy import discreet

__all__ = ["coco", "folder", "imagenet", "randomise"]

Model = Annotated[
    str,
    typer.Option(
        help="A name (torchvision:resnet50, timm:resnet50, dino-vitb16), a MONAI bundle's folder "
        "or a TorchScript file. The last two can run code: use only those you trust."
    ),
]
Out = Annotated[
    Path,
    typer.Option(help="Folder for the tables and figures. A run that was stopped goes on there."),
]
Methods = Annotated[
    str,
    typer.Option(
        help=f"Comma separated: {', '.join(METHODS)}. Or default, which is the first "
        f"{len(DEFAULT_METHODS)} of them, or all, of which some take long.",
        metavar="A,B|default|all",
    ),
]
Images = Annotated[int, typer.Option(min=1, help="How many, drawn by the seed.")]
Seed = Annotated[int, typer.Option(help="Of the images drawn and of the methods.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...")]
Json = Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")]
Runs = Annotated[
    int, typer.Option(min=1, help="Times each method is run; 2 or more give their agreement.")
]
Stability = Annotated[
    int,
    typer.Option(
        min=0,
        help="Times each image is explained once more with 1 % of noise: how alike maps stay.",
    ),
]
Fidelity = Annotated[
    int, typer.Option(min=0, help="Images of the fidelity-area figure; each costs 8 contours.")
]
LargestBox = Annotated[
    float,
    typer.Option(
        "--largest-box",
        min=0.0,
        max=1.0,
        help="Leave out images of which the object covers this share or more, e.g. 0.5.",
    ),
]
Target = Annotated[
    str | None,
    typer.Option(help="The class to explain in every image, by name or index; no labels needed."),
]


@benchmark.command()
@with_settings("area_weight", "background")
def imagenet(
    data: Annotated[
        Path,
        typer.Option(
            help="Validation images with the official box XML, or with Kaggle's "
            "LOC_val_solution.csv, or images/ with a labels.csv."
        ),
    ],
    out: Out,
    *,
    settings: Settings,
    model: Model = "resnet50",
    methods: Methods = "default",
    images: Images = 100,
    largest_box: LargestBox = 1.0,
    runs: Runs = 1,
    stability: Stability = 0,
    fidelity: Fidelity = 0,
    seed: Seed = 0,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Compare explanation methods on ImageNet validation images and their boxes.

    For example:

        medcontour benchmark imagenet --data ILSVRC2012 --model resnet50 --out imagenet
    """
    _compare(
        bench.read_imagenet(data), model, methods, out, images, largest_box, runs, stability,
        fidelity, seed, device, as_json, settings,
    )  # fmt: skip


@benchmark.command()
@with_settings("area_weight", "background")
def coco(
    data: Annotated[
        Path, typer.Option(help="val2017/ with annotations/instances_val2017.json beside it.")
    ],
    out: Out,
    *,
    settings: Settings,
    model: Model = "resnet50",
    methods: Methods = "default",
    images: Images = 100,
    categories: Annotated[
        Path | None,
        typer.Option(
            help="A JSON file of the model's classes (by index) that mean a COCO category (by "
            "name). Then a category's instances are the object, on images where the model names "
            "it; otherwise all instances, and the class that the model gives is explained."
        ),
    ] = None,
    largest_box: LargestBox = 1.0,
    runs: Runs = 1,
    stability: Stability = 0,
    fidelity: Fidelity = 0,
    seed: Seed = 0,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Compare explanation methods on COCO images and their instance masks.

    For example:

        medcontour benchmark coco --data coco --model dino-vitb16 --out coco
    """
    _compare(
        bench.read_coco(data, categories), model, methods, out, images, largest_box, runs,
        stability, fidelity, seed, device, as_json, settings,
    )  # fmt: skip


@benchmark.command()
@with_settings("area_weight", "background")
def folder(
    data: Annotated[
        Path,
        typer.Option(
            help="images/ with masks/, boxes.csv, boxes.json, or a labels.csv with polygon_xy or "
            "bbox; labels from a labels.csv with file and label."
        ),
    ],
    out: Out,
    model: Model,
    *,
    settings: Settings,
    methods: Methods = "default",
    images: Images = 100,
    largest_box: LargestBox = 1.0,
    target: Target = None,
    runs: Runs = 1,
    stability: Stability = 0,
    fidelity: Fidelity = 0,
    seed: Seed = 0,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Compare explanation methods on your own images with masks or boxes.

    Where a reader drew masks or polygons, the outline that the image offers at each method's peak
    is held against them: Dice, Hausdorff distance, and the drawing that it saves.

    For example:

        medcontour benchmark folder --data scans --model bundle --target lesion --out table
    """
    _compare(
        bench.read_folder(data, target), model, methods, out, images, largest_box, runs,
        stability, fidelity, seed, device, as_json, settings, outlines=True,
    )  # fmt: skip


@benchmark.command()
def randomise(
    data: Annotated[Path, typer.Option(help="A folder as of the command of that kind of data.")],
    out: Out,
    model: Model,
    kind: Annotated[
        Literal["imagenet", "coco", "folder"], typer.Option(help="How the folder is laid out.")
    ] = "folder",
    methods: Methods = "extremal-contour",
    images: Images = 10,
    largest_box: LargestBox = 1.0,
    target: Target = None,
    layers: Annotated[
        int | None, typer.Option(min=1, help="Layers, from the last; default: all.")
    ] = None,
    seed: Seed = 0,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Check that maps move away when the network's weights are made random, layer by layer.

    For example:

        medcontour benchmark randomise --data scans --model bundle --target lesion --out check
    """
    data_set = (
        bench.read_folder(data, target)
        if kind == "folder"
        else {"imagenet": bench.read_imagenet, "coco": bench.read_coco}[kind](data)
    )
    chosen = _methods(methods)
    loaded = mc.load_classifier(model, device=device)
    make_folder(out)
    with progress_bars(quiet=as_json) as progress:
        found = bench.randomise(
            loaded, data_set, out, chosen, images=images, seed=seed, largest=largest_box,
            layers=layers, progress=progress,
        )  # fmt: skip
    files = bench.write_randomised(found, out)
    if as_json:
        print(json.dumps(found.to_dict() | {"files": files}))
        return
    _say(bench.randomise_table(found), files, out)


def _compare(
    data: bench.Dataset,
    model: str,
    methods: str,
    out: Path,
    images: int,
    largest: float,
    runs: int,
    stability: int,
    fidelity: int,
    seed: int,
    device: str,
    as_json: bool,
    settings: Settings,
    outlines: bool = False,
) -> None:
    """Compare by the settings of the extremal contours."""
    chosen = _methods(methods)
    contour = bench.ExtremalContour(
        background=settings.background, area_weight=settings.area_weight
    )
    loaded = mc.load_classifier(model, device=device)
    make_folder(out)
    with progress_bars(quiet=as_json) as progress:
        results = bench.run(
            loaded, data, out, chosen, images=images, seed=seed, largest=largest, runs=runs,
            stability=stability, contour=contour, outlines=outlines, progress=progress,
        )  # fmt: skip
    files = ["images.csv", *bench.write_results(results, out)]
    files += bench.write_figures(results, loaded, out, fidelity)
    if as_json:
        print(json.dumps(bench.summary(results) | {"files": files}))
        return
    _say(bench.method_table(results), files, out)


def _methods(text: str) -> list[str]:
    sets = {"default": DEFAULT_METHODS, "all": METHODS}
    names = [*sets.get(text, [name.strip() for name in text.split(",")])]
    for name in names:
        if name not in METHODS:
            raise MedcontourError(f'There is no method "{name}"; choose from {", ".join(METHODS)}.')
    return names


def _say(table: str, files: list[str], out: Path) -> None:
    console = Console(soft_wrap=True, highlight=False)
    console.print(table, markup=False)
    console.print(f"Wrote {', '.join(files)} in {escape(discreet(str(out)))}.")
