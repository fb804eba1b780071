"""What is measured of a finding as a report holds it: the polygons that are in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from shapely import box

from medcontour.contour.polygons import region, union
from medcontour.formats.place import plane_mm
from medcontour.results.finding import diameters_mm, slice_thickness_mm
from medcontour.results.parts import PlacedContour
from medcontour.scan.scan import Scan

__all__ = ["Size", "size_of"]


@dataclass(frozen=True)
class Size:
    """How large a finding is.

    Attributes
    ----------
    area_mm2
        Area of all its polygons together, within the image; that of its largest slice.
    volume_mm3
        Area times the slices' thickness; None where the scan is one image.
    long_axis_mm, short_axis_mm
        See `medcontour.results.Finding`.
    slice
        The slice of the longest diameter.
    """

    area_mm2: float
    volume_mm3: float | None
    long_axis_mm: float
    short_axis_mm: float
    slice: int


def size_of(contours: Sequence[PlacedContour], scan: Scan) -> Size:
    """Measure the polygons of a finding; where they overlap, they count once."""
    areas = _areas_mm2(contours, scan)
    volume = None
    if scan.slices > 1:
        thick = slice_thickness_mm(scan)
        volume = float(sum(area * thick[k] for k, area in areas.items()))
    diameters = [diameters_mm(contour.polygon_lps_mm) for contour in contours]
    place = int(np.argmax([longest for longest, _ in diameters]))
    return Size(max(areas.values()), volume, *diameters[place], contours[place].slice)


def _areas_mm2(contours: Sequence[PlacedContour], scan: Scan) -> dict[int, float]:
    row, column = scan.pixel_spacing
    image = box(-0.5 * column, -0.5 * row, (scan.columns - 0.5) * column, (scan.rows - 0.5) * row)
    parts = defaultdict(list)
    for contour in contours:
        parts[contour.slice].append(region(plane_mm(contour.polygon_lps_mm, scan, contour.slice)))
    return {k: float(union(own).intersection(image).area) for k, own in parts.items()}
