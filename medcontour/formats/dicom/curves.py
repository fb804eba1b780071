"""Which contours a DICOM object of curves holds: those that cover something."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from medcontour.results.parts import PlacedContour

__all__ = ["covering"]

SMALLEST_AREA_MM2 = 1e-6


def covering(contours: Iterable[PlacedContour]) -> list[PlacedContour]:
    """Leave out contours without area: readers of others crash at them."""
    return [contour for contour in contours if _area(contour) > SMALLEST_AREA_MM2]


def _area(contour: PlacedContour) -> float:
    """Area of the polygon in its plane, mm²: half the length of the summed cross products."""
    spokes = contour.polygon_lps_mm - contour.polygon_lps_mm[0]
    return float(np.linalg.norm(np.cross(spokes[1:-1], spokes[2:]).sum(axis=0)) / 2)
