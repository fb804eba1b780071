"""Reads NIfTI label maps, with the names that an ITK-SNAP description beside them gives."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from medcontour.errors import MedcontourError
from medcontour.formats.place import volume_onto_scan
from medcontour.formats.shapes import Edited
from medcontour.formats.volumes import volume_shapes, whole_labels
from medcontour.scan import Scan
from medcontour.scan.nifti import check_voxels

__all__ = ["read_nifti_labels"]

LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_DESCRIPTION = re.compile(r'^\s*(\d+)(?:\s+\S+){6}\s+"(.*)"\s*$')


def read_nifti_labels(path: Path, scan: Scan) -> Edited:
    """Read a NIfTI label map; names come from an ITK-SNAP description of the same name."""
    image: Any = nib.load(path)
    check_voxels(image, path)
    labels = whole_labels(np.asarray(image.dataobj), path)
    while labels.ndim > 3 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    labels = labels.reshape(labels.shape + (1,) * (3 - labels.ndim))
    if labels.ndim > 3:
        raise MedcontourError(f"{path} has more than three axes; save one label map.")
    stem = path.name.removesuffix(".gz").removesuffix(".nii")
    names = _itksnap_names(path.with_name(f"{stem}.txt"))
    names = names or _itksnap_names(path.with_name(f"{stem}.label"))
    placed = volume_onto_scan(labels, LPS_FROM_RAS @ image.affine, scan, path)
    return Edited("NIfTI label map", tuple(volume_shapes(placed, names)))


def _itksnap_names(path: Path) -> dict[int, str]:
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    found = (_DESCRIPTION.match(line) for line in lines if not line.startswith("#"))
    return {int(row[1]): row[2] for row in found if row and int(row[1])}
