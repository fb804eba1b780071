"""The command `info`: what a path is, in facts that hold no patient data."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import medcontour as mc
from medcontour.classifier.describe import describe_files
from medcontour.cli.app import app
from medcontour.errors import MedcontourError

__all__ = ["describe", "info"]


def describe(where: str, series: str | None = None) -> dict[str, Any]:
    """Facts about a scan, a MONAI bundle, a suggestion or an archive.

    A folder of several DICOM series is listed, and an archive, unless one of its series is chosen
    by its UID.

    Raises
    ------
    MedcontourError
        When the path is none of them.
    """
    from medcontour.dicomweb import is_address, list_remote, parse_address
    from medcontour.scan import list_series
    from medcontour.scan.quiet import quietly

    if is_address(where):
        address = parse_address(where, series)
        if address.series is None:
            with quietly():
                listed = [asdict(found) for found in list_remote(address)]
            return {"kind": "archive", "series": listed}
        return _scan(mc.read_scan(where, series=series))
    path = Path(where)
    if path.suffix == ".json" or (path / "suggestion.json").is_file():
        return _suggestion(mc.Suggestion.read_json(path))
    if (path / "configs").is_dir():
        return _classifier(path)
    if path.exists() and path.suffix in {".ts", ".pt", ".pth"}:
        return _classifier(path)
    if path.is_dir() and series is None:
        several, notes = list_series(path)
        if len(several) > 1:
            listed = [asdict(found) for found in several]
            return {"kind": "several series", "series": listed, "notes": list(notes)}
    return _scan(mc.read_scan(path, series=series))


def _scan(scan: mc.Scan) -> dict[str, Any]:
    row, column = scan.pixel_spacing
    return {
        "kind": "scan",
        "modality": scan.modality,
        "slices": scan.slices,
        "rows": scan.rows,
        "columns": scan.columns,
        "units": scan.units,
        "row_spacing": row,
        "column_spacing": column,
        "slice_spacing": scan.slice_spacing if scan.slices > 1 else None,
        "evenly_spaced": scan.regular,
        "affine_lps": scan.affine_lps.tolist(),
        "frame_of_reference": scan.frame_of_reference_uid is not None,
        "values": [float(scan.voxels.min()), float(scan.voxels.max())],
        "formats": [
            name for name, exporter in mc.exporters().items() if exporter.refuses(scan) is None
        ],
        "notes": list(scan.notes),
    }


def _classifier(path: Path) -> dict[str, Any]:
    return {"kind": "classifier", **describe_files(path)}


def _suggestion(suggestion: mc.Suggestion) -> dict[str, Any]:
    if not suggestion.scan.shape:
        raise MedcontourError("The suggestion names no scan; run `medcontour suggest` again.")
    return {
        "kind": "suggestion",
        "modality": suggestion.scan.modality,
        "shape": list(suggestion.scan.shape),
        "classifier": suggestion.classifier.name,
        "target": suggestion.classifier.target_name,
        "findings": len(suggestion),
        "suggested": sum(finding.suggested for finding in suggestion.findings),
        "deletion_keeps_the_class": sum(
            finding.status == "suggested, deletion keeps the class"
            for finding in suggestion.findings
        ),
        "slices": sorted({part.slice for part in suggestion.slices}),
        "edited": suggestion.edited,
        "run": suggestion.run,
    }


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
