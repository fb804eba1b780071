"""What is measured of a finding as a report holds it: the polygons that are in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shapely import box

from medcontour.formats.place import placed_regions
from medcontour.formats.rasterise import Planes
from medcontour.results.finding import diameters_mm, volume_mm3
from medcontour.results.parts import PlacedContour
from medcontour.scan.scan import Scan

__all__ = ["Size", "largest", "segmented_volume_mm3", "size_of"]


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
    row, column = scan.pixel_spacing
    image = box(-0.5 * column, -0.5 * row, (scan.columns - 0.5) * column, (scan.rows - 0.5) * row)
    areas = {
        k: float(own.intersection(image).area) for k, own in placed_regions(contours, scan).items()
    }
    widest = largest(contours)
    return Size(
        max(areas.values()),
        volume_mm3(areas, scan),
        *diameters_mm(widest.polygon_lps_mm),
        widest.slice,
    )


def segmented_volume_mm3(planes: Planes, scan: Scan) -> float | None:
    """Count a segment's voxels: (rows, columns) bool masks by slice; None as for `Size`."""
    row, column = scan.pixel_spacing
    return volume_mm3({k: float(mask.sum()) * row * column for k, mask in planes.items()}, scan)


def largest(contours: Sequence[PlacedContour]) -> PlacedContour:
    """Give the contour with the longest diameter."""
    return max(contours, key=lambda contour: diameters_mm(contour.polygon_lps_mm)[0])
