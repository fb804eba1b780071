"""What can be chosen for a contour, and the one default of each choice; nothing heavy is imported.

Every face (Python, command line, plugins, benchmark) takes its defaults from here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

from medcontour.errors import MedcontourError

__all__ = [
    "AREAS",
    "AREA_WEIGHT",
    "BACKGROUND",
    "CIRCLES",
    "LARGEST_AREA",
    "LEAST_AREA",
    "MOST_CONTOURS",
    "MOST_HARMONICS",
    "SPECTRAL_WEIGHTS",
    "Background",
    "BackgroundName",
    "ObjectiveName",
    "Precision",
    "PresetName",
    "check_area",
    "with_defaults",
]

PresetName = Literal["fast", "thorough", "paper"]
"""How contours are searched: at most 50 evaluations a contour, 60 more, or the paper's 1000."""

BackgroundName = Literal["auto", "blur", "gaussian", "inpaint", "wide", "texture", "mean"]
"""The perturbation baseline; from ``blur`` on from the mildest to the strongest."""

Background = Callable[[Any], Any]
"""From (B, C, H, W) images to their backgrounds, of the same shape."""

ObjectiveName = Literal["target", "embedding"]
"""The log-odds of one class, or the paper's cosine of embeddings (Eq. 6), blind to the class."""

Precision = Literal["float32", "bfloat16"]
"""Of the search; contours are judged in float32."""

AREA_WEIGHT = 10.0
"""lambda_a of Eq. 5: a contour may grow by 1 % of the image for a tenth of the score.

The preset ``paper`` follows Eq. 8 instead.
"""

BACKGROUND: BackgroundName = "auto"
"""For each image the mildest baseline that takes the class away."""

AREAS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
"""Fractions of the image of a contour map: those of the paper's Fig. 4."""

CIRCLES = 32
"""Random circles that each area of a contour map is held against."""

SPECTRAL_WEIGHTS = (0.001, 0.01, 0.1, 1.0)
"""lambda_r from nearly free to nearly a circle."""

MOST_HARMONICS = 20
"""The most harmonics that a curve may have."""

PAPER_BACKGROUND: BackgroundName = "blur"
"""The baseline of the preset ``paper``, as the paper has it."""

MOST_CONTOURS = 8
"""The most contours that one image may have."""

LEAST_AREA, LARGEST_AREA = 0.001, math.pi / 4
"""Fractions of the image that one curve reaches.

A circle about the middle of a square plane covers pi / 4 of it; a curve of less than a thousandth,
a few pixels, explains nothing.
"""

LEAST_AREA_PAPER = math.pi * 0.1**2 / 4
"""The same of the paper's bounded radius (Eq. 12): at least 0.1 in a square of side 2."""


def with_defaults(
    preset: str, area_weight: float | None, background: BackgroundName | Background | None
) -> tuple[float | None, BackgroundName | Background]:
    """Give the area weight and the background that a contour is found with.

    Parameters
    ----------
    preset
        ``"fast"``, ``"thorough"`` or ``"paper"``.
    area_weight, background
        What was chosen; None: `AREA_WEIGHT` and `BACKGROUND`, or the paper's own.

    Raises
    ------
    MedcontourError
        For an area weight beside the preset ``paper``, or one that is not above 0.

    Examples
    --------
    >>> with_defaults("fast", None, None), with_defaults("paper", None, None)
    ((10.0, 'auto'), (None, 'blur'))
    """
    paper = preset == "paper"
    if paper and area_weight is not None:
        raise MedcontourError(
            "The preset paper weighs area by Eq. 8, so an area weight means nothing there; "
            "leave it out, or take the preset fast."
        )
    if area_weight is not None and not 0 < area_weight < math.inf:
        raise MedcontourError(
            f"An area weight of {area_weight:g} is out of reach; give a number above 0."
        )
    if area_weight is None and not paper:
        area_weight = AREA_WEIGHT
    if background is None:
        background = PAPER_BACKGROUND if paper else BACKGROUND
    return area_weight, background


LEAST_VOLUME, LARGEST_VOLUME, LEAST_VOLUME_PAPER = 0.0001, math.pi / 6, math.pi * 0.1**3 / 6
"""The same fractions of a volume, of one closed surface."""


def check_area(area: float, preset: str = "fast", axes: int = 2) -> None:
    """Refuse a fraction of the image that one contour of a preset does not reach.

    Raises
    ------
    MedcontourError
        Outside [0.001, 0.785], or for ``"paper"``, whose radius is 0.1 or more (Eq. 12), outside
        [0.008, 0.785]. For volumes (3 axes) outside [0.0001, 0.524], ``"paper"`` [0.0005, 0.524].

    Examples
    --------
    >>> check_area(0.3)
    >>> check_area(0.9)
    Traceback (most recent call last):
    medcontour.errors.MedcontourError: An area fraction of 0.9 is out of reach: one contour covers \
from 0.001 to 0.785 of the image; ask for a fraction in that range.
    """
    paper = preset == "paper"
    if axes == 3:
        least, largest = LEAST_VOLUME_PAPER if paper else LEAST_VOLUME, LARGEST_VOLUME
        if not least <= area <= largest:
            raise MedcontourError(
                f"A volume fraction of {area:g} is out of reach: one surface holds from "
                f"{least:.4f} to {largest:.3f} of the volume; choose a fraction in that range."
            )
        return
    least = LEAST_AREA_PAPER if paper else LEAST_AREA
    if not least <= area <= LARGEST_AREA:
        raise MedcontourError(
            f"An area fraction of {area:g} is out of reach: one contour covers from "
            f"{least:.3f} to {LARGEST_AREA:.3f} of the image; ask for a fraction in that range."
        )
