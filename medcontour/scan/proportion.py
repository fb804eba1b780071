"""Pixels that are not square, of images that have no size: their sides, from what a file says."""

from __future__ import annotations

import math
from typing import Any

from PIL import Image

__all__ = ["picture_ratio", "sides"]

SQUARE = 0.01
"""How far from 1 a ratio may be by the rounding of resolutions to whole numbers."""

STRANGEST = 20.0
"""A ratio further from 1 is a mistake of its writer."""

_X, _Y, _UPRIGHT = 282, 283, 274  # tags of TIFF 6.0 and of EXIF
_TURNED = (5, 6, 7, 8)


def sides(ratio: float | None) -> tuple[float, float, str | None]:
    """Height and width of a pixel of area 1, so that lengths and areas still count pixels.

    Parameters
    ----------
    ratio
        Height over width as a file says it; None where it says nothing.

    Returns
    -------
    tuple
        The height, the width, and a note where they differ; (1, 1, None) for what is square,
        unknown or beyond belief.

    Examples
    --------
    >>> height, width, _ = sides(4.0)
    >>> (height, width)
    (2.0, 0.5)
    >>> sides(1.004)
    (1.0, 1.0, None)
    """
    if ratio is None or not 1 / STRANGEST <= ratio <= STRANGEST or abs(ratio - 1) <= SQUARE:
        return 1.0, 1.0, None
    height = math.sqrt(ratio)
    note = f"Pixels are {ratio:.3g} times as high as wide; lengths are in sides of a square one."
    return height, 1 / height, note


def picture_ratio(image: Image.Image) -> float | None:
    """Height over width of a picture's pixels, as it is shown upright, or None where it is silent.

    They follow from the resolutions along x and y, where the file has both: PNG's pHYs, JFIF's
    density, XResolution and YResolution of TIFF or EXIF, in this order; the first that are not
    equal count.

    Parameters
    ----------
    image
        As opened, before its EXIF orientation is applied.
    """
    info, exif = image.info, image.getexif()
    jfif = info.get("jfif_density") if image.format in ("JPEG", "MPO") else None
    own = info.get("dpi") if image.format == "PNG" else None
    pairs: list[Any] = [own, info.get("aspect"), jfif, (exif.get(_X), exif.get(_Y))]
    for pair in pairs:
        try:
            along_x, along_y = (float(value) for value in pair or (1, 1))
            ratio = along_x / along_y
        except (TypeError, ValueError, ZeroDivisionError):
            continue
        if math.isfinite(ratio) and ratio > 0 and abs(ratio - 1) > SQUARE:
            return 1 / ratio if exif.get(_UPRIGHT) in _TURNED else ratio
    return None
