"""The files that clients show: one label map, or one file of curves."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np

from medcontour.errors import MedcontourError
from medcontour.files import replacing
from medcontour.formats.nrrd.writer import encode, header_on
from medcontour.formats.rasterise import file_grid, label_volume
from medcontour.results import NothingToWrite, Suggestion, export, refusal
from medcontour.scan import Scan

__all__ = ["LABEL_MAP_ENDINGS", "NothingToWrite", "write_curves", "write_label_map"]

LABEL_MAP_ENDINGS = (".seg.nrrd", ".nrrd", ".nii.gz", ".nii")
VOXELS = ("uint8", "uint16", "int16")


def write_label_map(
    suggestion: Suggestion, path: Path, *, voxels: str = "uint8", packed: bool = True
) -> None:
    """Write the labels on the scan's own grid, whole; without findings all voxels are 0.

    Parameters
    ----------
    suggestion
        What is to be seen in it, with its scan.
    path
        Ends in ``.nii.gz``, ``.nii`` (names are in a ``.txt`` beside it), ``.nrrd`` or
        ``.seg.nrrd``.
    voxels, packed
        For ``.nrrd``: the type of a voxel (uint8, uint16 or int16), and whether it is packed;
        some readers want to know both.

    Raises
    ------
    MedcontourError
        For another ending or type, or slices that are not evenly spaced.
    """
    scan = _scan(suggestion)
    ending = next((e for e in LABEL_MAP_ENDINGS if path.name.endswith(e)), None)
    if ending is None:
        raise MedcontourError(
            f"A label map cannot be written as {''.join(path.suffixes) or 'that'}; ask for "
            f"{', '.join(LABEL_MAP_ENDINGS)}."
        )
    if voxels not in VOXELS:
        raise MedcontourError(
            f"A label map cannot hold voxels of {voxels}; ask for {', '.join(VOXELS)}."
        )
    if ending == ".seg.nrrd":
        try:
            export(suggestion, scan, "nrrd", path)
            return
        except NothingToWrite:
            pass  # a map of zeros, then
    if not ending.endswith(".nrrd"):
        export(suggestion, scan, "labelmap", path)
        return
    refused = refusal(scan, "labelmap")
    if refused:
        raise MedcontourError(refused)
    grid = file_grid(scan)
    volume = grid.from_scan(label_volume(suggestion, scan)).astype(np.dtype(voxels))
    with replacing(path) as temporary:
        temporary.write_bytes(encode(volume, header_on(grid, packed=packed)))


def write_curves(suggestion: Suggestion, path: Path) -> None:
    """Write all closed curves as one ``.mrk.json``.

    Raises
    ------
    NothingToWrite
        When there is none.
    """
    with tempfile.TemporaryDirectory() as folder:
        export(suggestion, _scan(suggestion), "markups", Path(folder) / "markups")
        curves = [
            json.loads(each.read_text(encoding="utf-8"))
            for each in sorted(Path(folder, "markups").iterdir())
        ]
    whole = {**curves[0], "markups": [markup for one in curves for markup in one["markups"]]}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(whole, ensure_ascii=False), encoding="utf-8")


def _scan(suggestion: Suggestion) -> Scan:
    if suggestion.source is None:
        raise MedcontourError("This suggestion holds no scan; give it one (source).")
    return suggestion.source
