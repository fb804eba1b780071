"""The command `learn`: outlines learned from a set of scans."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

import medcontour as mc
from medcontour import learning
from medcontour.cli.app import app
from medcontour.cli.options import (
    ClassifierOption,
    DeviceOption,
    JsonOption,
    LabelsOption,
    OutputsOption,
    names,
    with_settings,
)
from medcontour.cli.progress import goes_on, progress_bars
from medcontour.learning.constants import EXPLAINED
from medcontour.pipeline.settings import Settings
from medcontour.privacy import discreet

__all__ = ["learn"]


@app.command()
@with_settings()
def learn(
    scans: Annotated[
        str,
        typer.Argument(
            help="A folder of scans (pictures, NIfTI, DICOM series), or a list: a CSV with the "
            "column scan and, where a reader drew one, mask (a label map or picture). Scans that "
            "are to be outlined later may be among them."
        ),
    ],
    classifier: ClassifierOption,
    out: Annotated[
        Path,
        typer.Option(help="The file to write (safetensors). A run that was stopped goes on."),
    ],
    settings: Settings,
    edits: Annotated[
        Path | None,
        typer.Option(
            help="A folder with what readers corrected (label maps, SEG, RTSTRUCT, pictures), each "
            "file named as its scan is. They count as much as all other images together."
        ),
    ] = None,
    images: Annotated[
        int, typer.Option(help="So many images are explained at most.", min=1)
    ] = EXPLAINED,
    labels: LabelsOption = None,
    outputs: OutputsOption = None,
    device: DeviceOption = "cpu",
    as_json: JsonOption = False,
) -> None:
    """Train networks to outline, from a classifier and scans without masks.

    A sample of the scans is explained, and small networks that start from the classifier's own
    encoder learn the outlines found there: their single faults average out. It takes minutes on
    a processor. Where the file is there already and scans were corrected, its networks are trained
    on with these, for a minute. For example:

        medcontour learn scans --classifier bundle --out outliner.safetensors

        medcontour suggest scan.png --classifier bundle --outline learned:outliner.safetensors \
--out out

        medcontour learn scans --classifier bundle --out outliner.safetensors --edits corrected
    """
    loaded = mc.load_classifier(classifier, labels=names(labels), outputs=outputs, device=device)
    with goes_on(), progress_bars(quiet=as_json) as progress:
        made = learning.learn_with(scans, loaded, settings, out, edits, images, progress)
    shown = discreet(str(out))
    if as_json:
        print(json.dumps({"out": shown, **made.card, "notes": list(made.notes)}))
        return
    console = Console(soft_wrap=True, highlight=False)
    card = made.card
    console.print(
        f"{card['images']} images, of which the classifier finds {escape(card['target_name'])} on "
        f"{card['positive']}; {card['explained']} were explained, {card['corrected']} corrected."
    )
    console.print(
        f"On images that they left out, networks find the outlines again with Dice "
        f"{card['agreement']:.2f}; they confirm {card['confirmed']:.0%} of them."
    )
    for note in made.notes:
        console.print(f"Note: {escape(note)}")
    console.print(f"Wrote {escape(shown)}; use it with --outline learned:{escape(shown)}.")
