"""Options that commands share, declared once: of `Settings`, of files and of output."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer

from medcontour.errors import MedcontourError
from medcontour.explain.choices import MOST_CONTOURS
from medcontour.pipeline.settings import DEFAULTS, Settings
from medcontour.pipeline.slices import slice_notation
from medcontour.plugins import OUTLINERS, found
from medcontour.results.exporter import format_names

__all__ = [
    "CLASSIFIER",
    "CalibrationOption",
    "ClassifierOption",
    "DeviceOption",
    "ExportOption",
    "JsonOption",
    "LabelsOption",
    "MergeOption",
    "OutOption",
    "OutputsOption",
    "ScanArgument",
    "SeriesOption",
    "SliceOption",
    "WeakOption",
    "names",
    "numbers",
    "with_settings",
]

ScanArgument = Annotated[
    str,
    typer.Argument(
        help="A DICOM folder or file, a NIfTI, NRRD or MetaImage file, a PNG, JPEG or TIFF; or a "
        "series in an archive: dicomweb+https://HOST/ROOT#SERIES_UID."
    ),
]
CLASSIFIER = typer.Option(
    help="A MONAI bundle's folder, a TorchScript file, or a name (torchvision:resnet50, "
    "timm:resnet50, torchxrayvision:densenet121-res224-all). The first two can run code: use "
    "only those you trust."
)
ClassifierOption = Annotated[str, CLASSIFIER]
LabelsOption = Annotated[
    str | None,
    typer.Option(
        help="Names of the classes, with commas between, in the order of the network's outputs. "
        "Default: the classifier's own, or their numbers.",
        metavar="NAME,...",
    ),
]
OutputsOption = Annotated[
    Literal["softmax", "sigmoid", "probabilities"] | None,
    typer.Option(
        help="What the network gives: logits of classes that exclude each other, logits of those "
        "that do not, or probabilities. Default: found out."
    ),
]
SliceOption = Annotated[
    int, typer.Option("--slice", help="Index of the slice, from 0 (0 for an image).")
]
OutOption = Annotated[Path, typer.Option(help="Folder for the results; made if it is not there.")]
SeriesOption = Annotated[
    str | None, typer.Option(help="SeriesInstanceUID, where a folder holds several.")
]
DeviceOption = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...")]
MergeOption = Annotated[
    bool,
    typer.Option(
        "--merge-findings",
        help="Write one structure a class instead of one a finding. suggestion.json keeps them "
        "apart.",
    ),
]
ExportOption = Annotated[
    str | None,
    typer.Option(
        help=f"Formats, comma separated: {', '.join(format_names())}. Default: all that the "
        "scan allows but seg-labelmap and seg-fractional, coco and png for pictures alone, "
        "surfaces for classifiers of volumes alone."
    ),
]
WeakOption = Annotated[
    bool,
    typer.Option("--include-weak", help="Export contours no better than random places as well."),
]
CalibrationOption = Annotated[
    Path | None,
    typer.Option(
        help="What `medcontour calibrate` wrote for this classifier and target: gives each "
        "finding a conformal p value and trust. Default: calibration.json in the bundle's "
        "folder, if it is there."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]

PANEL = "What is looked for, and how"
METAVARS = {
    "target": "NAME",
    "contours": "N|auto",
    "slices": "A:B,...",
    "area": "FRACTION",
    "outline": "|".join((*found(OUTLINERS), "learned:FILE", "prompted:NAME", "none")),
}


def with_settings(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command options for some of `Settings`; it takes them as its argument ``settings``.

    Name, default and help of each option are those of the setting.

    Parameters
    ----------
    *names
        Which settings, in the order of the help; all by default.
    """
    chosen = names or tuple(get_type_hints(Settings))

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        parameters: list[inspect.Parameter] = []
        for parameter in signature.parameters.values():
            own = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            parameters += [_option(n) for n in chosen] if own.name == "settings" else [own]

        @functools.wraps(command)
        def run(**given: Any) -> None:
            values = {name: given.pop(name) for name in chosen}
            if isinstance(many := values.get("contours"), str) and many != "auto":
                values["contours"] = int(many)
            command(settings=Settings(**values), **given)

        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        return run

    return decorate


def names(text: str | None) -> list[str] | None:
    """Names with commas between; None of none."""
    return None if text is None else [name.strip() for name in text.split(",")]


def numbers(text: str, option: str, example: str) -> list[float]:
    """Numbers with commas between; wrong usage otherwise."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(
            f"give numbers with commas between, for example {example}", param_hint=option
        ) from None


def _option(name: str) -> inspect.Parameter:
    hint = get_type_hints(Settings)[name]
    default = getattr(DEFAULTS, name)
    if "Default:" in _help()[name]:  # it depends on the preset, or is that there is none
        default = None
    callback = {"slices": _slices, "contours": _contours, "outline": _outline}.get(name)
    option = typer.Option(
        help=_help()[name], metavar=METAVARS.get(name), callback=callback, rich_help_panel=PANEL
    )
    kind = Annotated[_command_line_type(name, hint), option]  # type: ignore[valid-type]
    if name == "contours":
        default = str(default)
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)


def _command_line_type(name: str, hint: Any) -> Any:
    """What the command line reads: names, numbers or text."""
    if get_origin(hint) is Literal or hint in (int, float):
        return hint
    if name == "contours":
        return str
    options = [option for option in get_args(hint) if option is not type(None)]
    for option in options if str not in options else ():
        if get_origin(option) is Literal:
            return option | None
    for kind in (str, float, int):
        if kind in options:
            return kind | None
    return str | None


@functools.cache
def _help() -> dict[str, str]:
    """The help of each setting, from the docstring of `Settings`."""
    text = inspect.getdoc(Settings) or ""
    attributes = text.partition("Attributes\n----------\n")[2].partition("\n\nRaises")[0]
    found = re.findall(r"^(\w+)\n((?:    .*\n?)+)", attributes, flags=re.MULTILINE)
    return {name: " ".join(words.split()) for name, words in found}


def _slices(text: str | None) -> str | None:
    try:
        return None if text is None else slice_notation(text)
    except MedcontourError as error:
        raise typer.BadParameter(str(error)) from None


def _outline(text: str) -> str:
    try:
        return str(Settings(outline=text).outline)
    except MedcontourError as error:
        raise typer.BadParameter(str(error)) from None


def _contours(text: str) -> str:
    if text != "auto" and not (text.isdecimal() and 1 <= int(text) <= MOST_CONTOURS):
        raise typer.BadParameter(f"give a number of contours from 1 to {MOST_CONTOURS}, or auto")
    return text
