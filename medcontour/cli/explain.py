"""The command that explains one photograph."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

import medcontour as mc
from medcontour.cli.app import app
from medcontour.cli.options import (
    DeviceOption,
    JsonOption,
    LabelsOption,
    OutOption,
    OutputsOption,
    names,
    with_settings,
)
from medcontour.files import make_folder
from medcontour.pipeline.settings import Settings
from medcontour.privacy import discreet

__all__ = ["explain"]


@app.command()
@with_settings("preset", "area_weight", "background", "seed")
def explain(
    image: Annotated[str, typer.Argument(help="A photograph: a PNG, JPEG or TIFF.")],
    model: Annotated[
        str,
        typer.Option(
            help="A name (torchvision:resnet50, timm:resnet50, "
            "torchxrayvision:densenet121-res224-all, dino-vitb16), a MONAI bundle's folder or a "
            "TorchScript file. The last two can run code: use only those you trust."
        ),
    ],
    out: OutOption,
    target: Annotated[
        str | None,
        typer.Option(help="The class, by name or index. Default: the one it gives."),
    ] = None,
    *,
    settings: Settings,
    labels: LabelsOption = None,
    outputs: OutputsOption = None,
    device: DeviceOption = "cpu",
    as_json: JsonOption = False,
) -> None:
    """Show what in a photograph speaks for a class: the evidence contour.

    Writes **overlay.png** (the photograph with the contour) and **explanation.json** (the class,
    what the contour keeps and takes away of its probability, how random places compare, and the
    contour as (column, row) pixel index, pixel centres are integers). Of a network without
    classes, such as dino-vitb16, its embedding is explained. For example:

        medcontour explain dog.jpg --model resnet50 --out dog
    """
    from medcontour.report import write_photograph

    scan = mc.read_scan(image)
    classifier = mc.load_classifier(model, labels=names(labels), outputs=outputs, device=device)
    found = mc.explain_photograph(
        scan,
        classifier,
        target,
        preset=settings.preset,
        area_weight=settings.area_weight,
        background=settings.background,
        seed=settings.seed,
    )
    make_folder(out)
    files = write_photograph(found, scan, out)
    if as_json:
        print(json.dumps({"out": discreet(str(out)), "files": files, **asdict(found)}))
        return
    evidence = found.evidence
    console = Console(soft_wrap=True, highlight=False)
    console.print(
        f"{escape(found.title)}: {evidence.measure} {evidence.original:.3f}; with only the contour "
        f"kept {evidence.preserved:.3f}, with it taken away {evidence.deleted:.3f} (at random "
        f"places {evidence.random_preserved:.3f} and {evidence.random_deleted:.3f}; it holds in "
        f"{evidence.views_held} of {evidence.views_tested} altered views, p "
        f"{evidence.p_value:.2f}). It covers {100 * found.area_fraction:.3g} % of what the network "
        "is shown."
    )
    for note in found.notes:
        console.print(f"Note: {note}")
    console.print(f"Wrote {', '.join(files)} in {escape(discreet(str(out)))}.")
