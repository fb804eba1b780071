"""What napari saves of an outline layer: RTSTRUCT, SEG, suggestion.json, from the curves."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medcontour_napari.layers import METADATA, OUTLINES, Shown, outlines_of

if TYPE_CHECKING:
    import medcontour as mc

__all__ = ["write_rtstruct", "write_seg", "write_suggestion"]


def write_rtstruct(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write outlines as an RTSTRUCT."""
    return _write(path, data, attributes, "rtstruct")


def write_seg(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write outlines as a DICOM SEG."""
    return _write(path, data, attributes, "seg")


def write_suggestion(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write outlines, with the evidence as it was, as suggestion.json."""
    suggestion, _ = _edited(data, attributes)
    suggestion.write_json(path)
    return [path]


def _write(path: str, data: Any, attributes: dict[str, Any], format: str) -> list[str]:
    import medcontour as mc

    suggestion, scan = _edited(data, attributes)
    mc.export(suggestion.for_export(), scan, format, Path(path))
    return [path]


def _edited(data: Any, attributes: dict[str, Any]) -> tuple[mc.Suggestion, mc.Scan]:
    """The suggestion that the layer began as, with the reader's curves taken over."""
    import medcontour as mc
    from medcontour.workspace import Curve, edited_curves

    shown = attributes.get("metadata", {}).get(METADATA)
    if not isinstance(shown, Shown) or shown.what != OUTLINES or shown.document is None:
        raise mc.MedcontourError(
            "This layer holds no outlines of medcontour; save the layer of outlines."
        )
    if shown.place is None:
        raise mc.MedcontourError(
            "The scan of these outlines is on a server; save them by the Findings panel."
        )
    scan = mc.read_scan(shown.place)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "suggestion.json"
        file.write_text(json.dumps(shown.document), encoding="utf-8")
        before = mc.Suggestion.read_json(file)
    curves = [
        Curve(one.finding, one.label or shown.label, one.slice, one.corners_lps_mm)
        for one in outlines_of(shown, data, attributes["features"])
    ]
    refined = mc.refine(before, edited_curves(before, scan, curves), scan, include_other=True)
    return refined.suggestion, scan
