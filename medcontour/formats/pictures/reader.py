"""Reads label pictures: PNG whose values are the labels' numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medcontour.errors import MedcontourError
from medcontour.formats.content import Content
from medcontour.formats.reader import Reader
from medcontour.formats.shapes import Edited
from medcontour.formats.volumes import volume_shapes
from medcontour.scan import Scan
from medcontour.scan.claims import opened_picture
from medcontour.scan.quiet import muted

__all__ = ["read", "reader", "recognises"]


def recognises(content: Content) -> bool:
    """Whether a file begins as PNG does."""
    return content.start.startswith(b"\x89PNG\r\n")


def read(path: Path, scan: Scan) -> Edited:
    """Read a label picture of 8 or 16 bits: a pixel's value is its label's number.

    Raises
    ------
    MedcontourError
        For a picture in colour, of another size than the scan, or a scan of several slices.
    """
    with muted(), opened_picture(path) as image:
        image.load()
        if image.mode not in ("L", "P", "1", "I;16", "I"):
            raise MedcontourError(
                f"{path} is in colour; save the labels as a grey or palette PNG whose values are "
                "the labels' numbers."
            )
        values = np.asarray(image).astype(np.int64)
    if scan.slices != 1 or values.shape != (scan.rows, scan.columns):
        raise MedcontourError(
            f"{path} is a picture of {values.shape[0]} x {values.shape[1]} pixels where the scan "
            f"has {scan.slices} slices of {scan.rows} x {scan.columns}; give the labels of this "
            "image, or a label map of three axes."
        )
    return Edited("label PNG", tuple(volume_shapes(values[None], {})))


reader = Reader("png", "a label PNG", recognises, read)
