"""Marks in an image that are not of the patient: strokes, colour overlays, metal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from medcontour.shortcuts.strokes import find_strokes

__all__ = ["Marks", "find_marks"]

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class MarkConstants:
    """What is taken for a colour overlay, for metal, and for one mark.

    Where no other source is named, values were chosen by hand.

    Attributes
    ----------
    coloured
        Largest less smallest channel of what is coloured, as a share of the image's range.
    mostly_grey
        Where more than this share of the image is coloured, colour is the image's own.
    air_hu
        Values below that are Hounsfield units, also where nothing says so: no picture has such.
        Half way between water (0) and air (-1000), by which the unit is defined.
    metal_hu
        Above enamel; most scanners end at 3071, the largest of 12 bits less 1024.
    small
        Share of the image that one piece of metal may take.
    gap_share, least_gap
        Half the gaps between strokes that a mark spans, as a share of the shorter side, or pixels.
    """

    coloured: float = 0.15
    mostly_grey: float = 0.3
    air_hu: float = -500.0
    metal_hu: float = 3000.0
    small: float = 0.02
    gap_share: float = 0.015
    least_gap: int = 3


MARKS = MarkConstants()


@dataclass(frozen=True)
class Marks:
    """What was found on one slice: (rows, columns) bool each.

    Attributes
    ----------
    strokes
        Text, calipers, arrows, measuring lines: see `find_strokes`.
    colour
        Coloured pixels of an otherwise grey picture.
    metal
        In Hounsfield units only: small pieces of at least 3000 HU (clips, wires, electrodes,
        markers).
    """

    strokes: BoolArray
    colour: BoolArray
    metal: BoolArray

    @property
    def pixels(self) -> BoolArray:
        """All of them, the pixels themselves."""
        return self.strokes | self.colour | self.metal

    @property
    def places(self) -> BoolArray:
        """The same with the gaps between neighbouring strokes: a word, not its letters."""
        pixels = self.pixels
        if not pixels.any():
            return pixels
        gap = max(MARKS.least_gap, MARKS.gap_share * min(pixels.shape))
        # Beyond the border lies nothing: distances are taken on a wider ground.
        wide = np.pad(pixels, int(gap) + 2)
        near = ndimage.distance_transform_edt(~wide) <= gap
        closed = ndimage.distance_transform_edt(near) > gap - 1
        trim = slice(int(gap) + 2, -int(gap) - 2)
        return np.asarray(closed[trim, trim] | pixels)

    @property
    def words(self) -> str:
        """What they are, to say in a sentence; empty where there are none."""
        kinds = {
            "burnt-in strokes (text, calipers or lines)": self.strokes,
            "colour overlays": self.colour,
            "metal": self.metal,
        }
        return " and ".join(name for name, mask in kinds.items() if mask.any())


def find_marks(plane: npt.NDArray[np.float32], modality: str = "OT") -> Marks:
    """Find what is in a slice and not of the patient.

    Parameters
    ----------
    plane
        (rows, columns), or (rows, columns, 3) in colour.
    modality
        DICOM's defined term. Values are taken for Hounsfield units where it is ``"CT"``, and
        where it is not told (``"OT"``) and the slice has values of air (below -500).

    Examples
    --------
    >>> plane = np.full((128, 128), 40.0, np.float32)
    >>> plane[10:20, 30:40] = 3071.0
    >>> marks = find_marks(plane, "CT")
    >>> marks.words, int(marks.pixels.sum())
    ('metal', 140)
    """
    nothing = np.zeros(plane.shape[:2], bool)
    grey = plane if plane.ndim == 2 else plane.mean(-1)
    hounsfield = modality == "CT" or (modality == "OT" and float(grey.min()) < MARKS.air_hu)
    return Marks(
        strokes=find_strokes(grey, strict=hounsfield),
        colour=_coloured(plane) if plane.ndim == 3 else nothing,
        metal=_metal(grey) if hounsfield else nothing,
    )


def _coloured(plane: npt.NDArray[np.float32]) -> BoolArray:
    span = float(np.ptp(plane))
    coloured = np.ptp(plane, axis=-1) > MARKS.coloured * span
    coloured = ndimage.binary_opening(coloured, np.ones((2, 2), bool))  # a codec's specks
    if not 0 < coloured.mean() <= MARKS.mostly_grey:
        return np.zeros(coloured.shape, bool)
    return np.asarray(ndimage.binary_dilation(coloured))


def _metal(grey: npt.NDArray[np.float32]) -> BoolArray:
    pieces, _ = ndimage.label(grey >= MARKS.metal_hu)
    sizes = np.bincount(pieces.ravel())
    small = sizes <= MARKS.small * grey.size
    small[0] = False
    return np.asarray(ndimage.binary_dilation(small[pieces]))
