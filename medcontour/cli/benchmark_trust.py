"""The command `benchmark trust`: a calibration on scans that it has not seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

import medcontour as mc
from medcontour import checked
from medcontour.cli.benchmark import benchmark
from medcontour.cli.options import (
    ClassifierOption,
    DeviceOption,
    JsonOption,
    LabelsOption,
    OutputsOption,
    names,
    with_settings,
)
from medcontour.cli.progress import progress_bars
from medcontour.pipeline.settings import Settings
from medcontour.privacy import discreet

if TYPE_CHECKING:
    from medcontour.checked import TrustBenchmark

__all__ = ["trust"]


@benchmark.command()
@with_settings()
def trust(
    scans: Annotated[
        str, typer.Argument(help="A checked list with masks, as medcontour calibrate takes it.")
    ],
    classifier: ClassifierOption,
    calibration: Annotated[
        Path, typer.Option(help="What medcontour calibrate wrote, from other scans than these.")
    ],
    out: Annotated[
        Path,
        typer.Option(help="Folder for trust.json and trust.png. A stopped run goes on there."),
    ],
    settings: Settings,
    labels: LabelsOption = None,
    outputs: OutputsOption = None,
    device: DeviceOption = "cpu",
    as_json: JsonOption = False,
) -> None:
    """Hold a calibration against checked scans that it has not seen.

    Trust: whether it tells right from wrong (AUC), whether it is right about how often
    (calibration error, reliability diagram), and what accepting the most trusted unseen costs
    (risk-coverage curve, AURC), with 95 % intervals over groups. Conformal p values: how often they
    are small where there is no finding, and where there is one. For example:

        medcontour benchmark trust others.csv --classifier bundle
        --calibration bundle/calibration.json --out trust
    """
    known = mc.Calibration.read(calibration)
    loaded = mc.load_classifier(classifier, labels=names(labels), outputs=outputs, device=device)
    with progress_bars(quiet=as_json) as progress:
        found = checked.benchmark_trust(scans, loaded, known, settings, out, progress)
    if as_json:
        print(json.dumps(found.to_dict()))
        return
    _tell(found, out)


def _tell(found: TrustBenchmark, out: Path) -> None:
    console = Console(soft_wrap=True, highlight=False)
    if (known := found.reliability) is None:
        console.print("Trust: not calibrated, or nothing was suggested.")
    else:
        console.print(
            f"{known.findings} suggested findings of {known.groups} groups; {known.kept} are right."
        )
        figures = {
            "AUC": known.auc,
            "calibration error": known.calibration_error,
            "AURC": known.aurc,
        }
        for name, figure in figures.items():
            if figure is None:
                console.print(f"  {name}: all are right, or none is")
                continue
            console.print(f"  {name} {figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})")
        console.print(
            f"  (AURC without an order {known.aurc_unordered:.3f}, at best {known.aurc_best:.3f})"
        )
    for level in found.as_small:
        small, right = found.as_small[level], found.found[level]
        if small is not None:
            of = "–" if right is None else f"{right:.3f}"
            console.print(
                f"Conformal p <= {level}: {small:.3f} of {found.without_finding} without a "
                f"finding, {of} of the suggestions that are right"
            )
    for note in found.notes:
        console.print(f"Note: {escape(note)}")
    files = "trust.json" if known is None else "trust.json, trust.png"
    console.print(f"Wrote {files} in {escape(discreet(str(out)))}.")
