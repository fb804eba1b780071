"""What every picture of a slice needs: grey values, curves, directions, a scale, an encoding."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from medcontour.errors import MedcontourError
from medcontour.results.model import Suggestion
from medcontour.results.parts import PlacedContour
from medcontour.scan.scan import Scan

__all__ = [
    "CURVE_COLOURS",
    "Edges",
    "Region",
    "check_same_scan",
    "close_up",
    "curve_on_slice",
    "data_uri",
    "edge_letters",
    "extent",
    "resized",
    "scale_bar",
    "slice_region",
]

CURVE_COLOURS = {"outline": "#56B4E9", "evidence": "#E69F00"}
"""Sky blue and orange of Okabe and Ito's palette, told apart with any colour vision."""


UInt8Array = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float64]


class Region(NamedTuple):
    """Whole pixels of a slice: rows `top` to `bottom` - 1, columns `left` to `right` - 1."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def pixels(self) -> tuple[slice, slice]:
        """The index of the region into a (rows, columns) array."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


@dataclass(frozen=True)
class Edges:
    """The patient direction at each edge of a slice as it is shown, such as ``"R"`` or ``"LA"``."""

    left: str
    right: str
    top: str
    bottom: str


def check_same_scan(suggestion: Suggestion, scan: Scan) -> None:
    """Refuse a scan that is not the suggestion's.

    Raises
    ------
    MedcontourError
        When the number of slices, rows or columns differs.
    """
    if tuple(scan.voxels.shape[:3]) != tuple(suggestion.scan.shape):
        raise MedcontourError(
            f"The scan has {_times(scan.voxels.shape[:3])} slices, rows and columns where the "
            f"suggestion was made on {_times(suggestion.scan.shape)}; give the scan it was made on."
        )


def _times(shape: Sequence[int]) -> str:
    return " x ".join(str(n) for n in shape)


def curve_on_slice(contour: PlacedContour, scan: Scan) -> FloatArray:
    """(n, 2) float64: the curve's points as (column, row) of its slice, unrounded."""
    return scan.to_index(contour.polygon_lps_mm, contour.slice)


def edge_letters(scan: Scan) -> Edges | None:
    """Patient directions at the edges of a slice, from the affine (R, L, A, P, H, F).

    An oblique edge has its main direction first and every other that makes up over a fifth.
    None where the patient's position is not known: a plain image, or a DICOM image without
    Frame of Reference UID (0020,0052), such as a radiograph.
    """
    if scan.units == "pixel" or (scan.datasets and scan.frame_of_reference_uid is None):
        return None
    row_spacing, column_spacing = scan.pixel_spacing
    right, down = scan.affine_lps[:3, 0] / column_spacing, scan.affine_lps[:3, 1] / row_spacing
    return Edges(_letters(-right), _letters(right), _letters(-down), _letters(down))


def _letters(direction: FloatArray) -> str:
    order = np.argsort(-np.abs(direction), kind="stable")
    return "".join(
        ("LPH" if direction[axis] > 0 else "RAF")[axis]
        for axis in order
        if abs(direction[axis]) > 0.2
    )


def scale_bar(width: float) -> float:
    """Give the longest of 1, 2, 5, 10, ... that is at most 0.3 of `width`, in its unit.

    Examples
    --------
    >>> scale_bar(350.0)
    100.0
    >>> scale_bar(20.0)
    5.0
    """
    limit = 0.3 * width
    power = 10.0 ** math.floor(math.log10(limit))
    return max(step * power for step in (1.0, 2.0, 5.0) if step * power <= limit)


def slice_region(scan: Scan) -> Region:
    """Give the region that is the whole slice."""
    return Region(0, scan.rows, 0, scan.columns)


def extent(region: Region, scan: Scan) -> tuple[float, float]:
    """Width and height of a region in millimetres (pixels where there is no physical size)."""
    row_spacing, column_spacing = scan.pixel_spacing
    return (
        (region.right - region.left) * column_spacing,
        (region.bottom - region.top) * row_spacing,
    )


def close_up(curves: Sequence[FloatArray], scan: Scan) -> Region | None:
    """Give a region around curves, square in millimetres where the slice is large enough.

    It is two and a half times as wide as the curves, and no less than 24 pixels.

    Parameters
    ----------
    curves
        (n, 2) each, (column, row).

    Returns
    -------
    Region or None
        None where there is no curve, or where the region would be most of the slice.
    """
    if not curves:
        return None
    points = np.concatenate(curves)
    row_spacing, column_spacing = scan.pixel_spacing
    spacing = np.array([column_spacing, row_spacing])
    low, high = points.min(axis=0), points.max(axis=0)
    side = max(2.5 * float(((high - low) * spacing).max()), 24 * float(spacing.max()))
    size = np.array([scan.columns, scan.rows])
    count = np.minimum(np.ceil(side / spacing), size)
    if count.prod() > 0.6 * size.prod():
        return None
    start = np.clip(np.rint((low + high - count + 1) / 2), 0, size - count)
    (left, top), (width, height) = start.astype(int), count.astype(int)
    return Region(int(top), int(top + height), int(left), int(left + width))


def resized(grey: UInt8Array, width: int, height: int) -> Image.Image:
    """Resize a picture to `width` by `height`, outer pixel edges on outer pixel edges."""
    image = Image.fromarray(grey)
    if image.size == (width, height):
        return image
    return image.resize((width, height), Image.Resampling.BICUBIC)


def data_uri(grey: UInt8Array, longest_side: int, most_bytes: int) -> str:
    """Encode a picture as a ``data:`` URI, shrunk to `longest_side` pixels, never enlarged.

    PNG, which loses nothing, where that is no more than `most_bytes`; else JPEG of the best
    quality that is, or of the least quality tried.
    """
    shrink = min(1.0, longest_side / max(grey.shape[:2]))
    height, width = (max(1, round(side * shrink)) for side in grey.shape[:2])
    image = resized(grey, width, height)
    content, kind = _to_bytes(image, "PNG", optimize=True), "png"
    for quality in (90, 80, 70, 60, 50):
        if len(content) <= most_bytes:
            break
        content, kind = _to_bytes(image, "JPEG", quality=quality, subsampling=0), "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _to_bytes(image: Image.Image, kind: str, **options: int | bool) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
