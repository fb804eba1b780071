"""DICOM objects as the tests write and judge them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset

from medcontour.results import Suggestion, export
from medcontour.scan import Scan

FILES = {
    "rtstruct": "rtstruct.dcm",
    "seg": "seg.dcm",
    "seg-fractional": "seg_fractional.dcm",
    "seg-labelmap": "seg_labelmap.dcm",
    "sr": "sr.dcm",
    "parametric-map": "parametric_map.dcm",
}


# dciodvfy does not know label map segmentations: see test_export_judges.
VALID = [name for name in FILES if name != "seg-labelmap"]


def exported(name: str, suggestion: Suggestion, scan: Scan, folder: Path) -> Dataset:
    export(suggestion, scan, name, folder / FILES[name])
    return pydicom.dcmread(folder / FILES[name])


def errors_of_dciodvfy(path: Path) -> list[str]:
    done = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, check=False)
    lines = (done.stdout + done.stderr).decode("utf-8", "replace").splitlines()
    kinds = ("RTStructureSet", "Segmentation", "Comprehensive3DSR", "ParametricMap")
    assert any(line.strip() in kinds for line in lines)
    return [line for line in lines if line.startswith("Error")]


def rasterised_by_plastimatch(structures: Path, series: Path, grid: sitk.Image) -> Path:
    """The folder of one NRRD file a structure, named as it is, on the grid of an image."""
    folder = structures.parent / "rasterised"
    sitk.WriteImage(grid * 0, str(structures.parent / "grid.nrrd"))
    command = ["plastimatch", "convert", "--input", str(structures), "--referenced-ct", str(series)]
    command += ["--fixed", str(structures.parent / "grid.nrrd")]
    command += ["--output-prefix", str(folder), "--prefix-format", "nrrd"]
    subprocess.run(command, capture_output=True, check=True)
    return folder
