"""The command `calibrate`: what suggestions mean on scans that were checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

import medcontour as mc
from medcontour import calibration, checked
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
from medcontour.pipeline.settings import Settings
from medcontour.privacy import discreet

__all__ = ["calibrate"]


@app.command()
@with_settings()
def calibrate(
    scans: Annotated[
        str,
        typer.Argument(
            help="A folder of scans without a finding (pictures, NIfTI, DICOM series), or a "
            "checked list: a CSV with the column scan and, if known, finding (0 or 1), group (the "
            "patient) and mask (a label map or picture)."
        ),
    ],
    classifier: ClassifierOption,
    out: Annotated[
        Path,
        typer.Option(
            help="The file to write. As calibration.json in a bundle's folder it is found by "
            "itself. A run that was stopped goes on."
        ),
    ],
    settings: Settings,
    edits: Annotated[
        Path | None,
        typer.Option(
            help="A folder with what readers made of suggestions (label maps, SEG, RTSTRUCT, "
            "pictures), each file named as its scan is: its masks. Of a folder of scans only "
            "those count then."
        ),
    ] = None,
    labels: LabelsOption = None,
    outputs: OutputsOption = None,
    device: DeviceOption = "cpu",
    as_json: JsonOption = False,
) -> None:
    """Learn from checked scans what this classifier's findings mean.

    Scans without a finding give every later finding a conformal p value: how often one of them
    gives a suggestion at least as strong. Scans with masks give it trust: the probability that a
    reader keeps the outline. The classifier must not have been trained on them. The file holds
    numbers alone. For example:

        medcontour calibrate checked.csv --classifier bundle --out bundle/calibration.json

        medcontour calibrate scans --edits corrected --classifier bundle --out calibration.json
    """
    loaded = mc.load_classifier(classifier, labels=names(labels), outputs=outputs, device=device)
    with goes_on(), progress_bars(quiet=as_json) as progress:
        made = checked.calibrate_with(scans, loaded, settings, out, edits, progress)
    if as_json:
        print(json.dumps(_document(made, out)))
        return
    _tell(made, out)


def _document(made: mc.Calibration, out: Path) -> dict[str, object]:
    return {
        "out": discreet(str(out)),
        "images": made.images,
        "groups": len(made.without_finding),
        "least_p_value": calibration.least_p_value(len(made.without_finding)),
        "trust": None if made.trust is None else made.trust.to_dict(),
        "notes": list(made.notes),
    }


def _tell(made: mc.Calibration, out: Path) -> None:
    console = Console(soft_wrap=True, highlight=False)
    what = "image" if made.unit == "image" else "scan"
    groups, images = len(made.without_finding), made.images
    if images:
        nothing = sum(s == -float("inf") for group in made.without_finding for s in group)
        console.print(
            f"{images} {what}{'' if images == 1 else 's'} without a finding, of {groups} "
            f"group{'' if groups == 1 else 's'}: on {images - nothing} something is suggested."
        )
    if (trust := made.trust) is not None:
        console.print(
            f"Trust is fitted on {trust.findings} suggested findings of {trust.groups} groups, of "
            f"which {trust.kept} are right. Predicted without their groups, in "
            f"{len(trust.reliability)} parts from the least to the most trusted:"
        )
        for part in trust.reliability:
            console.print(
                f"  trust {part.predicted:.2f}: {part.kept:.2f} of {part.count} are right"
            )
    for note in made.notes:
        console.print(f"Note: {escape(note)}")
    console.print(f"Wrote {escape(discreet(str(out)))}.")
