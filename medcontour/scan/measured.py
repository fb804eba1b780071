"""Which pixels were measured: padding, and values that no scanner gives, take no part."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from scipy import ndimage

from medcontour.scan.values import check_values

__all__ = ["Padding", "measured_voxels", "padding"]

BoolArray = npt.NDArray[np.bool_]
FloatVoxels = npt.NDArray[np.float32]

# Value and the end of a range (inclusive), PS3.3 C.7.5.1.1.2, for whole numbers and for fractions.
_PADDING = (
    ("PixelPaddingValue", "PixelPaddingRangeLimit"),
    ("FloatPixelPaddingValue", "FloatPixelPaddingRangeLimit"),
    ("DoubleFloatPixelPaddingValue", "DoubleFloatPixelPaddingRangeLimit"),
)

_ENDLESS = 1e30
"""From here on a value is what a program fills with, whatever was measured."""

_LOWEST_WHOLE = (-(2.0**15), -(2.0**31))
"""The lowest numbers of 16 and 32 bits: what programs fill with."""

_LOWEST_HU = -1100.0
"""Air has -1000 Hounsfield units, its noise reaches a little lower; scanners fill with less."""

_APART = 0.02
"""Of the measured pixels' span: values so far from them are none that the scanner gives."""

_LEAST_SHARE = 1e-3
"""Of the voxels that a value below `_LOWEST_HU` takes where it is a filling."""

_GAP = 100.0
"""How far such a value lies below all others."""

_FILLINGS = 4
"""Different ones in one scan, at most."""


@dataclass(frozen=True)
class Padding:
    """Pixels that a header calls padding.

    Attributes
    ----------
    pixels
        (rows, columns) bool of a frame, or (slices, rows, columns) bool of a scan.
    apart
        Whether no measured pixel comes near their values.
    """

    pixels: BoolArray
    apart: bool

    @classmethod
    def of_scan(cls, frames: Sequence[Padding | None]) -> Padding | None:
        """Put those of a scan's slices together, None where no slice has any."""
        some = [frame for frame in frames if frame is not None]
        if not some:
            return None
        none = np.zeros_like(some[0].pixels)
        pixels = np.stack([none if frame is None else frame.pixels for frame in frames])
        return cls(pixels, all(frame.apart for frame in some))

    @property
    def surely(self) -> BoolArray:
        """What of a scan's padding is none of its measurements.

        All of it where its value is one that the scanner does not give. Where it gives that value
        as well (air clipped at -1024, a black cyst), what is padding in every slice and reaches
        the border.
        """
        if self.apart:
            return self.pixels
        everywhere = _from_the_border(np.all(self.pixels, axis=0)[None])
        return np.broadcast_to(everywhere, self.pixels.shape)


def padding(stored: npt.NDArray[Any], dataset: Dataset) -> Padding | None:
    """Find the pixels that a DICOM header says are padding, None where it says nothing.

    Parameters
    ----------
    stored
        Grey pixels as they are stored, before any rescale.
    dataset
        The header, with PixelPaddingValue (0028,0120) and PixelPaddingRangeLimit (0028,0121).
    """
    for first, last in _PADDING:
        ends = [dataset.get(keyword) for keyword in (first, last)]
        numbers = [_as_stored(float(end), stored) for end in ends if end is not None]
        if ends[0] is not None:
            padded = (stored >= min(numbers)) & (stored <= max(numbers))
            return Padding(padded, _stands_apart(stored, padded, min(numbers), max(numbers)))
    return None


def _stands_apart(stored: npt.NDArray[Any], padded: BoolArray, low: float, high: float) -> bool:
    """Whether no measured pixel comes near the padding's values."""
    if padded.all() or not padded.any():
        return True
    lowest = float(np.min(stored, where=~padded, initial=stored.max()))
    highest = float(np.max(stored, where=~padded, initial=stored.min()))
    gap = _APART * (highest - lowest) + 1
    return lowest - high > gap or low - highest > gap


def _as_stored(value: float, stored: npt.NDArray[Any]) -> float:
    """Read 63536 as -2000 where pixels are signed: writers mistake the attribute's sign."""
    if stored.dtype.kind == "i" and value > np.iinfo(stored.dtype).max:
        return value - 2.0 ** (8 * stored.dtype.itemsize)
    if stored.dtype.kind == "u" and value < 0:
        return value + 2.0 ** (8 * stored.dtype.itemsize)
    return value


def measured_voxels(
    voxels: FloatVoxels, name: str, modality: str = "OT", padded: Padding | None = None
) -> tuple[FloatVoxels, BoolArray | None, tuple[str, ...]]:
    """Tell measured voxels from others, and give the others the lowest measured value.

    No measurement is: what a header calls padding; not-a-number or infinite from the border of a
    slice inwards; what is too large for any scanner; the lowest number of 16 or 32 bits apart from
    all others; and a value below -1100 apart from all others that fills a part of a CT, or of a
    scan of unknown modality.

    Parameters
    ----------
    voxels
        (slices, rows, columns), or with a last axis of three for colour; changed in place.
    name
        What to call the scan in a message.
    modality
        DICOM's defined term.
    padded
        What the header calls padding.

    Returns
    -------
    voxels
        As given, with a finite value everywhere.
    measured
        (slices, rows, columns) bool, None where all are.
    notes
        A sentence where more is left out than the header calls padding.

    Raises
    ------
    MedcontourError
        As of `check_values`, of the measured voxels.

    Examples
    --------
    >>> plane = np.full((1, 4, 4), np.nan, np.float32)
    >>> plane[0, 1:3, 1:3] = [[5, 6], [7, 8]]
    >>> filled, measured, _ = measured_voxels(plane, "scan.nii")
    >>> filled[0, 0].tolist(), int(measured.sum())
    ([5.0, 5.0, 5.0, 5.0], 4)
    """
    if voxels.ndim != 3 or not voxels.size:
        check_values(voxels, name)
        return voxels, None, ()
    out = np.zeros(voxels.shape, bool) if padded is None else padded.surely.copy()
    said = int(np.count_nonzero(out))
    finite = np.isfinite(voxels)
    if not finite.all():
        out |= _from_the_border(~finite)
    out |= finite & ((voxels >= _ENDLESS) | (voxels <= -_ENDLESS))
    _add_fillings(voxels, out, modality)
    if not out.any():
        check_values(voxels, name)
        return voxels, None, ()
    kept = voxels[~out]
    check_values(kept if kept.size else voxels, name)
    voxels[out] = kept.min() if kept.size else 0.0
    unsaid = int(np.count_nonzero(out)) - said
    notes = (
        f"{100 * unsaid / voxels.size:.2g} % of the voxels are no measurement (a filling, or not a "
        "number, at the border) and take no part.",
    )
    return voxels, ~out, notes if unsaid else ()


def _from_the_border(bad: BoolArray) -> BoolArray:
    """Keep the pieces of each slice that reach its border."""
    structure = np.zeros((3, 3, 3), bool)
    structure[1] = True
    pieces, _ = ndimage.label(bad, structure)
    edges = (pieces[:, 0], pieces[:, -1], pieces[:, :, 0], pieces[:, :, -1])
    reaching = np.unique(np.concatenate([edge.ravel() for edge in edges]))
    return np.asarray(np.isin(pieces, reaching[reaching > 0]))


def _add_fillings(voxels: FloatVoxels, out: BoolArray, modality: str) -> None:
    """Mark values that stand alone below all that can be measured."""
    for _ in range(_FILLINGS):
        lowest = float(np.min(voxels, where=~out, initial=np.inf))
        if not math.isfinite(lowest) or lowest >= _LOWEST_HU:
            return
        following = float(np.min(voxels, where=~out & (voxels > lowest), initial=np.inf))
        here = ~out & (voxels == np.float32(lowest))
        often = np.count_nonzero(here) >= _LEAST_SHARE * voxels.size
        whole = lowest in _LOWEST_WHOLE and following > lowest / 2
        hounsfield = modality in ("CT", "OT") and often and following >= lowest + _GAP
        if not (whole or hounsfield):
            return
        out |= here
