"""Reads MetaImage label maps, ``.mha``: a text header and the voxels behind it, by ITK."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from medcontour.errors import MedcontourError
from medcontour.formats.content import Content
from medcontour.formats.reader import Reader
from medcontour.formats.shapes import Edited
from medcontour.formats.volumes import read_volume
from medcontour.scan import Scan
from medcontour.scan.claims import DEFLATE, check_claim, check_room
from medcontour.scan.quiet import muted

__all__ = ["read", "reader", "recognises"]

LONGEST = 2**16
"""Bytes of a header that is read through; ITK's own take less than a hundredth of it."""


_EACH = 24
"""Bytes that a value takes while it is read: unpacked, as stored, and as a whole number."""


def recognises(content: Content) -> bool:
    """Whether a file begins with the first lines of a MetaImage header."""
    first = content.start.split(b"=")[0].strip()
    return b"=" in content.start and first in (b"ObjectType", b"NDims", b"Comment")


def read(path: Path, scan: Scan) -> Edited:
    """Read a label map on the scan's grid.

    Raises
    ------
    MedcontourError
        When its voxels stand in another file, or are not as many as the header says.
    """
    header = _header(path)
    if header.get("elementdatafile") != "LOCAL":
        raise MedcontourError(
            f"{path} keeps its voxels in another file; save it as one file, with its voxels (.mha)."
        )
    values = math.prod(int(size) for size in header["dimsize"].split())
    packed = header.get("compresseddata", "False").lower() == "true"
    check_claim(values, path.stat().st_size, str(path), DEFLATE if packed else 1)
    check_room(values, _EACH, str(path))
    with muted():
        image = sitk.ReadImage(str(path), imageIO="MetaImageIO")
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise MedcontourError(f"{path} is in colour and no label map; give one.")
    dimension = min(image.GetDimension(), 3)
    affine = np.eye(4)
    turn = np.asarray(image.GetDirection()).reshape((image.GetDimension(),) * 2)
    affine[:dimension, :dimension] = (turn * image.GetSpacing())[:dimension, :dimension]
    affine[:dimension, 3] = image.GetOrigin()[:dimension]
    voxels = sitk.GetArrayFromImage(image).T
    return read_volume("MetaImage label map", voxels, affine, {}, scan, path)


def _header(path: Path) -> dict[str, str]:
    """Its lines up to the voxels, by name in small letters."""
    lines: dict[str, str] = {}
    with path.open("rb") as file:
        text = file.read(LONGEST).decode("latin-1")
    for line in text.splitlines():
        name, _, value = line.partition("=")
        lines[name.strip().lower()] = value.strip()
        if name.strip().lower() == "elementdatafile":
            break
    return lines


reader = Reader("metaimage", "an .mha label map", recognises, read)
