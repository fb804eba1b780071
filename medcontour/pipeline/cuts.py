"""A closed surface, placed in patient space, and cut by the scan's own slices."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from shapely import Polygon, box
from shapely.geometry.base import BaseGeometry

from medcontour.contour import FourierContour, HarmonicSurface, cut, fit_polygon
from medcontour.contour.polygons import FloatArray, keyhole, nested, region
from medcontour.pipeline.planes import plane_geometry
from medcontour.pipeline.whole_stack import volume_geometry
from medcontour.results import PlacedContour, PlacedSurface
from medcontour.scan import Scan

__all__ = ["cuts", "placed_surface"]

TOLERANCE_MM = 0.01
"""How far the corners that are left of a cut may lie off those that are left out."""

HOLDS = 0.95
"""Dice of a cut with its star-convex curve from which the curve stands for it."""

_AXES = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def placed_surface(surface: HarmonicSurface, scan: Scan) -> PlacedSurface:
    """Place one surface in the patient.

    Parameters
    ----------
    surface
        In volume coordinates of the scan's stack.
    scan
        The scan.
    """
    exact = surface.detach().to("cpu").to(torch.float64)
    geometry = volume_geometry(scan)
    corners = torch.cat([torch.zeros(1, 3), torch.eye(3)]).double()
    index = geometry.to_index(corners).numpy()
    placed = index @ scan.affine_lps[:3, :3].T + scan.affine_lps[:3, 3]
    lps_from_volume = np.eye(4)
    lps_from_volume[:3, :3] = (placed[1:] - placed[0]).T
    lps_from_volume[:3, 3] = placed[0]
    unit_mm3 = abs(float(np.linalg.det(lps_from_volume)))
    return PlacedSurface(
        parameters=exact.to_dict(),
        lps_from_volume=lps_from_volume,
        volume_mm3=float(exact.volume_inside(geometry)[0]) * unit_mm3,
    )


def cuts(
    surface: HarmonicSurface, scan: Scan, quality: dict[str, Any]
) -> dict[int, tuple[PlacedContour, ...]]:
    """Cut one surface by the scan's slices: exact polygons in their planes, by slice.

    What lies outside the image is left out. A cut that is a ring is one polygon with a cut of no
    width (`medcontour.contour.polygons.keyhole`). Each has the parameters of the star-convex curve
    that comes nearest to it; where none comes near, its `exact_polygon_lps_mm` says so.

    Parameters
    ----------
    surface
        In volume coordinates of the scan's stack.
    scan
        The scan.
    quality
        Of each contour.

    Returns
    -------
    dict
        Evidence contours of the slices that the surface meets.
    """
    exact = surface.detach().to("cpu").to(torch.float64)
    geometry = volume_geometry(scan)
    image = box(-0.5, -0.5, scan.columns - 0.5, scan.rows - 0.5)
    height = exact.mesh()[0][0, :, 2]
    margin = (height.max() - height.min()) / 4
    found: dict[int, tuple[PlacedContour, ...]] = {}
    for k in range(scan.slices):
        origin = geometry.from_index(torch.tensor([0.0, 0.0, float(k)], dtype=torch.float64))
        origin[:2] = 0.0
        if not height.min() - margin <= origin[2] <= height.max() + margin:
            continue
        rings = []
        for loop in cut(exact, origin, _AXES):
            points = torch.cat([loop, origin[2].expand(len(loop), 1)], 1)
            rings.append(Polygon(geometry.to_index(points)[:, :2].numpy()))
        inside = [part.intersection(image) for part in nested(rings)]
        polygons = [corners for part in inside for corners in _corners(part, scan)]
        if polygons:
            found[k] = tuple(_placed(corners, scan, k, quality) for corners in polygons)
    return found


def _corners(part: BaseGeometry, scan: Scan) -> list[FloatArray]:
    """Closed polygons (n, 2) as (column, row) of a region, of no more corners than it takes."""
    whole = [piece for piece in getattr(part, "geoms", [part]) if piece.geom_type == "Polygon"]
    near = TOLERANCE_MM / max(scan.pixel_spacing)
    rings = [keyhole(piece.simplify(near)) for piece in whole if piece.area > 0]
    return [np.ascontiguousarray(ring) for ring in rings]


def _placed(corners: FloatArray, scan: Scan, k: int, quality: dict[str, Any]) -> PlacedContour:
    plane = plane_geometry(scan)
    curve = _nearest(plane.from_index(torch.from_numpy(corners)))
    drawn = region(plane.to_index(curve.polygon(256)[0]).numpy())
    whole = region(corners)
    dice = 2 * drawn.intersection(whole).area / (drawn.area + whole.area)
    row, column = scan.pixel_spacing
    polygon = scan.to_lps(corners, k)
    return PlacedContour(
        kind="evidence",
        slice=k,
        parameters=curve.to_dict(),
        polygon_lps_mm=polygon,
        area_mm2=float(whole.area) * row * column,
        quality=quality,
        exact_polygon_lps_mm=polygon if dice < HOLDS else None,
    )


def _nearest(corners: torch.Tensor) -> FourierContour:
    """The star-convex curve nearest to the outer boundary of a polygon (n, 2)."""
    largest = max(region(corners.numpy()).geoms, key=lambda part: part.area)
    outer = np.asarray(largest.exterior.coords)[:-1]
    return fit_polygon(torch.tensor(outer))
