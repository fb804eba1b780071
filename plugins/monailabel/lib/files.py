"""The files of a response, written by medcontour itself: MONAI Label's writers misplace some."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import medcontour as mc
from medcontour import workspace

__all__ = ["curves_file", "label_map_file"]


def label_map_file(suggestion: mc.Suggestion, request: dict[str, Any]) -> str:
    """Write the label map in the format of a request, and give its path."""
    ending = request.get("result_extension") or ".nii.gz"
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / Path(f"label{ending}").name
        workspace.write_label_map(
            suggestion,
            made,
            voxels=request.get("result_dtype") or "uint8",
            packed=bool(request.get("result_compress", True)),
        )
        return _kept(made)


def curves_file(suggestion: mc.Suggestion) -> str | None:
    """Write all closed curves as one ``.mrk.json``, and give its path; None without any."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "curves.mrk.json"
        try:
            workspace.write_curves(suggestion, made)
        except workspace.NothingToWrite:
            return None
        return _kept(made)


def _kept(made: Path) -> str:
    """Give a file the name of a temporary one; MONAI Label removes it once it is sent."""
    with tempfile.NamedTemporaryFile(suffix=f"-{made.name}", delete=False) as file:
        return str(made.replace(file.name))
