"""The files of an answer, written by medcontour itself: MONAI Label's writers misplace some."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import nibabel
import nrrd
import numpy as np

import medcontour as mc
from medcontour.results import NothingToWrite

__all__ = ["curves_file", "label_map_file"]

ENDINGS = (".nii.gz", ".nii", ".nrrd", ".seg.nrrd")


def label_map_file(
    suggestion: mc.Suggestion, ending: str | None, dtype: str | None, compress: bool
) -> str:
    """Write the labels on the scan's own grid, whole, and give the file's path.

    Parameters
    ----------
    suggestion
        What is to be seen in it, with its scan.
    ending
        ``.nii.gz`` (the default), ``.nii``, ``.nrrd`` or ``.seg.nrrd``.
    dtype, compress
        For ``.nrrd``: the type of a voxel (uint8 by default), and whether it is packed; the
        reader in OHIF wants to know both.

    Raises
    ------
    MedcontourError
        For another ending or type, or slices that are not evenly spaced.
    """
    ending = ending or ".nii.gz"
    if ending not in ENDINGS:
        raise mc.MedcontourError(
            f"A label map cannot be written as {ending}; ask for {', '.join(ENDINGS)} "
            "(result_extension)."
        )
    assert suggestion.source is not None
    path = _new(ending)
    if ending == ".seg.nrrd":
        try:
            mc.export(suggestion, suggestion.source, "nrrd", path)
            return str(path)
        except NothingToWrite:
            pass  # a map of zeros, then
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / ("label.nii" if ending == ".nii" else "label.nii.gz")
        mc.export(suggestion, suggestion.source, "labelmap", made)
        if not ending.endswith(".nrrd"):
            path.write_bytes(made.read_bytes())
            return str(path)
        image: Any = nibabel.load(made)
        voxels = np.asarray(image.dataobj).astype(_voxel_type(dtype))
    affine_lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine
    header = {
        "space": "left-posterior-superior",
        "kinds": ["domain"] * 3,
        "space directions": affine_lps[:3, :3].T,
        "space origin": affine_lps[:3, 3],
        "encoding": "gzip" if compress else "raw",
    }
    nrrd.write(str(path), voxels, header)
    return str(path)


def curves_file(suggestion: mc.Suggestion) -> str | None:
    """Write all closed curves as one ``.mrk.json``, and give its path; None without any."""
    assert suggestion.source is not None
    with tempfile.TemporaryDirectory() as folder:
        try:
            mc.export(suggestion, suggestion.source, "markups", Path(folder) / "markups")
        except NothingToWrite:
            return None
        curves = [
            json.loads(path.read_text(encoding="utf-8"))
            for path in sorted(Path(folder, "markups").iterdir())
        ]
    whole = {**curves[0], "markups": [markup for one in curves for markup in one["markups"]]}
    path = _new(".mrk.json")
    path.write_text(json.dumps(whole, ensure_ascii=False), encoding="utf-8")
    return str(path)


def _new(ending: str) -> Path:
    """Give the path of a new, empty file; MONAI Label removes it once it is sent."""
    with tempfile.NamedTemporaryFile(suffix=ending, delete=False) as file:
        return Path(file.name)


def _voxel_type(name: str | None) -> np.dtype[Any]:
    if name not in (None, "uint8", "uint16", "int16"):
        raise mc.MedcontourError(
            f"A label map cannot hold voxels of {name}; ask for uint8, uint16 or int16 "
            "(result_dtype)."
        )
    return np.dtype(name or "uint8")
