"""The commands and how they end: 0 done, 1 an error in one sentence, 2 wrong usage."""

from __future__ import annotations

import json
import sys
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import medcontour as mc
from medcontour.cli.archive import formats_to_push, push_written, tell_stored
from medcontour.cli.info import describe
from medcontour.cli.progress import progress_bars
from medcontour.errors import MedcontourError
from medcontour.explain import MOST
from medcontour.files import make_folder
from medcontour.results import export as export_to
from medcontour.results import format_names, refusal

app = typer.Typer(
    name="medcontour",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _medcontour() -> None:
    """From a trained image classifier to editable contours, in patient space.

    An **evidence contour** is the smallest smooth curve that by itself keeps the classifier's
    answer and whose removal takes it away. From there an **outline** follows the image to the
    boundary, for a reader to edit.
    """


@app.command()
def suggest(
    scan: Annotated[
        str,
        typer.Argument(
            help="A DICOM folder or file, a NIfTI file, a PNG, JPEG or TIFF; or a series in an "
            "archive: dicomweb+https://HOST/ROOT#SERIES_UID (who you are: docs/how-to/dicomweb.md)."
        ),
    ],
    classifier: Annotated[
        str,
        typer.Option(
            help="A MONAI bundle's folder or a TorchScript file. Both can run code: use only "
            "those you trust."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the results; made if it is not there.")],
    target: Annotated[
        str | None,
        typer.Option(help="The class, by name or index. Default: the only one naming a finding."),
    ] = None,
    preset: Annotated[
        Literal["fast", "paper"],
        typer.Option(help="fast: at most 50 evaluations a contour; paper: 1000."),
    ] = "fast",
    contours: Annotated[
        str,
        typer.Option(
            metavar="N|auto",
            help="At most so many evidence contours a slice, 1 to 8, found together; those that "
            "add nothing are dropped. auto: as many as add something.",
        ),
    ] = "1",
    area: Annotated[
        float | None,
        typer.Option(help="Fraction of the slice the evidence contour covers, e.g. 0.05."),
    ] = None,
    area_mm2: Annotated[
        float | None,
        typer.Option(help="The same in square millimetres, e.g. 400."),
    ] = None,
    slices: Annotated[
        str | None, typer.Option(help="A:B, slices A up to but not including B, from 0.")
    ] = None,
    export: Annotated[
        str | None,
        typer.Option(
            help=f"Formats, comma separated: {', '.join(format_names())}. Default: all that the "
            "scan allows but seg-labelmap and seg-fractional, coco and png for pictures alone."
        ),
    ] = None,
    background: Annotated[
        Literal["auto", "blur", "gaussian", "inpaint", "wide", "texture", "mean"],
        typer.Option(
            help="What stands where evidence is taken away. auto: for each slice the mildest "
            "that takes the answer away.",
        ),
    ] = "auto",
    objective: Annotated[
        Literal["target", "embedding"],
        typer.Option(
            help="target: the class; embedding: the paper's cosine, blind to the class.",
        ),
    ] = "target",
    outline: Annotated[
        Literal["region", "none"],
        typer.Option(
            help="region follows the image; none leaves outlines out.",
        ),
    ] = "region",
    include_weak: Annotated[
        bool,
        typer.Option("--include-weak", help="Export contours no better than chance as well."),
    ] = False,
    precision: Annotated[
        Literal["float32", "bfloat16"],
        typer.Option(
            help="bfloat16: search in half precision; faster on some machines and networks, "
            "slower on others. Everything is judged in float32.",
        ),
    ] = "float32",
    most_evaluations: Annotated[
        int | None,
        typer.Option(help="What the scan may cost; the surest slices come first. Default: all."),
    ] = None,
    series: Annotated[
        str | None, typer.Option(help="SeriesInstanceUID, where a folder holds several.")
    ] = None,
    push: Annotated[
        bool,
        typer.Option(
            "--push",
            help="Store the result in the archive that SCAN is in: SEG and RTSTRUCT, or the DICOM "
            "objects among --export. What it has already is not sent again.",
        ),
    ] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...")] = "cpu",
    seed: Annotated[int, typer.Option(help="Seed of the chance curves.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Suggest contours on every slice that a classifier calls positive.

    For example:

        medcontour suggest sample_data/ct_study --classifier sample_data/nodule_classifier --out out
    """
    asked = asked_formats(export)
    pushed = formats_to_push(asked, scan) if push else []
    chosen = _slices(slices)
    many = _contours(contours)
    loaded = mc.load_classifier(classifier, device=device)
    with progress_bars(quiet=as_json) as progress:
        read = mc.read_scan(scan, series=series, progress=progress)
    # What cannot be written is said before the work, not after it.
    for name in {*(asked or []), *pushed}:
        if sentence := refusal(read, name):
            raise MedcontourError(sentence)
    make_folder(out)
    with progress_bars(quiet=as_json) as progress:
        suggestion = mc.suggest(
            read,
            loaded,
            target,
            preset=preset,
            contours=many,
            area=area,
            area_mm2=area_mm2,
            slices=chosen,
            background=background,
            objective=objective,
            outline=outline,
            precision=precision,
            most_evaluations=most_evaluations,
            seed=seed,
            progress=progress,
        )
    saved = suggestion.save(out, formats=asked, include_weak=include_weak)
    stored = push_written(saved, out, scan) if push else None
    if as_json:
        findings = [
            {
                "slice": finding.slice,
                "label": finding.label,
                "score": finding.score,
                "status": finding.status,
                "p_value": finding.evidence.p_value if finding.evidence else None,
            }
            for finding in suggestion.findings
        ]
        print(
            json.dumps(
                {
                    "out": str(out),
                    "files": saved.files,
                    "left_out": saved.left_out,
                    "findings": findings,
                    "run": suggestion.run,
                    "stored": None if stored is None else [asdict(each) for each in stored],
                }
            )
        )
        return
    _tell(suggestion, saved.files, saved.left_out, out, include_weak)
    if stored is not None:
        tell_stored(stored)


@app.command()
def convert(
    suggestion: Annotated[Path, typer.Argument(help="A suggestion.json, or its folder.")],
    to: Annotated[str, typer.Option(help=f"The format: {', '.join(format_names())}.")],
    out: Annotated[Path, typer.Option(help="The file (markups: the folder) to write.")],
    scan: Annotated[
        str | None,
        typer.Option(help="The scan that it was made for, where it has moved since."),
    ] = None,
    include_weak: Annotated[
        bool,
        typer.Option("--include-weak", help="Write contours no better than chance as well."),
    ] = False,
) -> None:
    """Write a suggestion in another format."""
    loaded = mc.Suggestion.read_json(suggestion)
    where = scan or loaded.settings.get("scan")
    if not where:
        raise MedcontourError(f"{suggestion} does not say where its scan is; give it with --scan.")
    read = mc.read_scan(where, series=loaded.scan.series_instance_uid)
    found = mc.exporters().get(to)
    # As in a result folder: what people read shows every finding, marked.
    whole = include_weak or (found is not None and found.for_people)
    export_to(loaded.for_export(include_weak=whole), read, to, out)
    Console().print(f"Wrote {escape(str(out))}.", highlight=False, soft_wrap=True)


@app.command()
def info(
    path: Annotated[
        str,
        typer.Argument(
            help="A scan, a MONAI bundle, a suggestion, or an archive (dicomweb+https://HOST/ROOT, "
            "whose series are listed)."
        ),
    ],
    series: Annotated[
        str | None,
        typer.Option(help="SeriesInstanceUID, where a folder holds several. Default: list them."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Say what a scan, a bundle or a suggestion is. Shows no patient data."""
    facts = describe(path, series)
    if as_json:
        print(json.dumps(facts))
        return
    table = Table(show_header=False, box=None)
    table.add_column(overflow="fold")  # a UID is of use as a whole only
    for name, value in facts.items():
        if name == "series":
            for found in value:
                shape = "{columns} x {rows} x {slices}" if "rows" in found else "{images} images"
                size = f"{{modality}}, {shape}".format(**found)
                table.add_row(escape(found["uid"] or "without a UID"), size)
        else:
            table.add_row(name.replace("_", " "), escape(str(value)))
    Console().print(table)


def asked_formats(text: str | None) -> list[str] | None:
    """Names of export formats, comma separated, each checked."""
    if text is None:
        return None
    asked = [name.strip() for name in text.split(",") if name.strip()]
    known = mc.exporters()
    for name in asked:
        if name not in known:
            raise MedcontourError(
                f'There is no export format "{name}"; choose from {", ".join(known)}.'
            )
    return asked


def _slices(text: str | None) -> slice | None:
    if text is None:
        return None
    first, colon, last = text.partition(":")
    try:
        start = int(first) if first else None
        stop = int(last) if last else None
    except ValueError:
        start = stop = -1
        colon = ""
    if not colon or (start or 0) < 0 or (stop or 0) < 0:
        raise typer.BadParameter("give A:B with slice numbers from 0, for example 10:20")
    return slice(start, stop)


def _contours(text: str) -> int | Literal["auto"]:
    if text == "auto":
        return "auto"
    if not text.isdecimal() or not 1 <= int(text) <= MOST:
        raise typer.BadParameter(f"give a number of contours from 1 to {MOST}, or auto")
    return int(text)


def _tell(
    suggestion: mc.Suggestion,
    files: list[str],
    left_out: dict[str, str],
    out: Path,
    include_weak: bool,
) -> None:
    console = Console(soft_wrap=True, highlight=False)
    name = escape(suggestion.classifier.target_name)
    if not suggestion.findings:
        best = max(suggestion.slice_scores, key=lambda k: suggestion.slice_scores[k])
        console.print(
            f"Nothing was found: the highest score of {name} is "
            f"{suggestion.slice_scores[best]:.2f}, on slice {best}."
        )
    else:
        table = Table("slice", "class", "score", "evidence p", "evidence", "outline", "status")
        unit = "mm2" if suggestion.scan.units == "mm" else "px"
        for finding in suggestion.findings:
            table.add_row(
                str(finding.slice),
                escape(finding.label),
                f"{finding.score:.3f}",
                f"{finding.evidence.p_value:.2f}" if finding.evidence else "–",
                ", ".join(f"{c.area_mm2:.0f} {unit}" for c in finding.evidence_contours),
                ", ".join(f"{c.area_mm2:.0f} {unit}" for c in finding.outlines) or "none",
                finding.status,
            )
        console.print(table)
        weak = sum(finding.status != "suggested" for finding in suggestion.findings)
        if weak and not include_weak:
            console.print(
                f"{weak} of {len(suggestion.findings)} are no better than chance or collapsed: "
                "marked in the report and left out of the exports (--include-weak keeps them)."
            )
    for note in suggestion.notes:
        console.print(f"Note: {escape(note)}")
    for format_name, reason in left_out.items():
        console.print(f"Left out {format_name}: {escape(reason)}")
    console.print(f"Wrote {', '.join(files)} in {escape(str(out))}.")


def main() -> None:
    """Run the command line."""
    warnings.simplefilter("ignore")
    try:
        app()
    except MedcontourError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    except (MemoryError, OSError) as error:
        print(f"The work stopped: {type(error).__name__}: {error}.", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        sys.exit(130)
