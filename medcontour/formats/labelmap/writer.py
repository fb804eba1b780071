"""NIfTI label map on the scan's own grid, with an ITK-SNAP label description beside it."""

from __future__ import annotations

import gzip
from importlib.metadata import version
from pathlib import Path

import nibabel as nib
import numpy as np

from medcontour.errors import MedcontourError
from medcontour.files import replacing
from medcontour.formats.labels import labels
from medcontour.formats.rasterise import file_grid, is_sheared, label_volume
from medcontour.results.exporter import Exporter
from medcontour.results.model import Suggestion
from medcontour.scan.scan import Scan

__all__ = ["exporter", "write"]

SCANNER = 1  # NIFTI_XFORM_SCANNER_ANAT


def write(suggestion: Suggestion, scan: Scan, path: Path) -> None:
    """Write ``labelmap.nii.gz`` and ``labelmap.txt``; without findings all voxels are 0.

    The affine is the scan's, in both sform and qform (code 1, scanner); NIfTI holds it in
    float32. A sheared grid (gantry tilt) has the sform alone, since a qform cannot hold shear.
    The same suggestion gives the same bytes.

    Raises
    ------
    MedcontourError
        When the name of `path` ends in neither ``.nii.gz`` nor ``.nii``.
    """
    stem = path.name.removesuffix(".gz").removesuffix(".nii")
    if path.name not in (f"{stem}.nii", f"{stem}.nii.gz"):
        raise MedcontourError(f"{path} is no name for a NIfTI label map; end it in .nii.gz.")
    grid = file_grid(scan)
    image = nib.Nifti1Image(grid.from_scan(label_volume(suggestion, scan)), None)
    image.header.set_xyzt_units("mm" if scan.units == "mm" else "unknown")
    image.header.set_intent("label")
    image.header["descrip"] = f"medcontour {version('medcontour')}"
    image.set_sform(grid.affine_ras, SCANNER)
    if is_sheared(grid.affine_ras):
        image.header.set_zooms(np.linalg.norm(grid.affine_ras[:3, :3], axis=0))
    else:
        image.set_qform(grid.affine_ras, SCANNER)
    content = image.to_bytes()
    with replacing(path) as voxels, replacing(path.with_name(f"{stem}.txt")) as description:
        description.write_text(_itksnap_description(suggestion), encoding="utf-8")
        voxels.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def _refuses(scan: Scan) -> str | None:
    return None if scan.regular else "The slices are not evenly spaced"


def _itksnap_description(suggestion: Suggestion) -> str:
    """``IDX R G B A VIS MSH "LABEL"``, as ITK-SNAP saves and loads it."""
    rows = ['    0     0    0    0        0  0  0    "Clear Label"']
    for label in labels(suggestion):
        red, green, blue = label.colour(suggestion.editable)
        name = label.name.replace('"', "'")
        rows.append(f'{label.value:5d} {red:5d} {green:4d} {blue:4d}        1  1  1    "{name}"')
    return "\n".join(rows) + "\n"


exporter = Exporter("labelmap", "labelmap.nii.gz", write, _refuses)
