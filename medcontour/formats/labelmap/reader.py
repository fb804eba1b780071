"""Reads NIfTI label maps, with the names that an ITK-SNAP description beside them gives."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from medcontour.formats.content import Content
from medcontour.formats.reader import Reader
from medcontour.formats.shapes import Edited
from medcontour.formats.volumes import read_volume
from medcontour.scan import Scan
from medcontour.scan.nifti import check_voxels, placed_affine

__all__ = ["read", "reader", "recognises"]

NIFTI_1, NIFTI_2 = (b"n+1\0", b"ni1\0"), (b"n+2\0", b"ni2\0")
DESCRIBED = 2**20
"""Bytes of a description that are read; a line takes less than a hundred."""
LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_DESCRIPTION = re.compile(r'^\s*(\d+)(?:\s+\S+){6}\s+"(.*)"\s*$')


def recognises(content: Content) -> bool:
    """Whether a file begins as NIfTI-1 or NIfTI-2 does, packed or not."""
    start = content.start
    return start.startswith(b"\x1f\x8b") or start[344:348] in NIFTI_1 or start[4:8] in NIFTI_2


def read(path: Path, scan: Scan) -> Edited:
    """Read a NIfTI label map; names come from an ITK-SNAP description of the same name."""
    image: Any = nib.load(path)
    check_voxels(image, path)
    stem = path.name.removesuffix(".gz").removesuffix(".nii")
    names = _itksnap_names(path.with_name(f"{stem}.txt"))
    names = names or _itksnap_names(path.with_name(f"{stem}.label"))
    values = np.asarray(image.dataobj)
    affine, _ = placed_affine(image, (*image.shape, 1, 1)[:3], path)
    return read_volume("NIfTI label map", values, LPS_FROM_RAS @ affine, names, scan, path)


def _itksnap_names(path: Path) -> dict[int, str]:
    if not path.is_file():
        return {}
    with path.open("rb") as file:
        lines = file.read(DESCRIBED).decode("utf-8", "replace").splitlines()
    found = (_DESCRIPTION.match(line) for line in lines if not line.startswith("#"))
    return {int(row[1]): row[2] for row in found if row and int(row[1])}


reader = Reader("labelmap", "a NIfTI label map", recognises, read)
