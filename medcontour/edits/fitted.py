"""Star-convex curves for an edited outline, several where one does not reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
import torch
from scipy.cluster.vq import kmeans2
from shapely import MultiPolygon

from medcontour.contour import FourierContour, PlaneGeometry, fit_mask, fit_polygon
from medcontour.contour.polygons import region, union
from medcontour.formats.shapes import FloatArray
from medcontour.scan import Scan

__all__ = ["Fitted", "fit_outline"]


@dataclass(frozen=True)
class FitConstants:
    """How curves are fitted to an edited outline. Chosen by hand.

    Attributes
    ----------
    enough
        Dice of the fit with the edit that is reached, or more curves are tried.
    most
        Curves at most.
    fine
        Pixels along the longer side of an outline that is cut into parts.
    points
        Places that a part has at least on average, or the outline is not cut into so many.
    least_part
        Places of which a part has a curve.
    speck
        Pixels up to which an outline is fitted without a frame.
    corners
        Of the polygon by which a curve's Dice is measured.
    sectors
        Directions in which it is measured how nearly a part is a star.
    """

    enough: float = 0.95
    most: int = 8
    fine: int = 96
    points: int = 10
    least_part: int = 4
    speck: int = 6
    corners: int = 256
    sectors: int = 36


FIT = FitConstants()


@dataclass(frozen=True)
class Fitted:
    """Curves that together stand for one outline, the largest first, and their Dice with it."""

    curves: tuple[FourierContour, ...]
    dice: float

    def parameters(self) -> dict[str, Any]:
        """The largest curve's parameters, and those of the others under ``further``."""
        first, *others = (curve.to_dict() for curve in self.curves)
        return first | ({"further": others} if others else {})


def fit_outline(
    polygon_index: FloatArray, scan: Scan, *, harmonics: int = 5, enough: float = FIT.enough
) -> Fitted:
    """Fit one star-convex curve to an outline, or as many as it takes to reach a Dice of 0.95.

    Parameters
    ----------
    polygon_index
        (n, 2) corners as (column, row) of the slice; a keyhole is a ring.
    scan
        The scan.
    harmonics
        K of each curve.
    enough
        Dice to reach. An outline that eight curves do not reach has the best of those tried.

    Returns
    -------
    Fitted
        Curves in plane coordinates, float64.
    """
    plane = PlaneGeometry(scan.rows, scan.columns, scan.pixel_spacing)
    corners = plane.from_index(torch.from_numpy(np.asarray(polygon_index, dtype=np.float64)))
    whole = region(corners.numpy())
    row, column = scan.pixel_spacing
    speck = FIT.speck * row * column / plane.unit_mm**2
    best: Fitted | None = None
    for count in range(1, FIT.most + 1):
        curves = (
            _one(whole, corners, harmonics, speck)
            if count == 1
            else _parts(whole, count, harmonics, enough)
        )
        if not curves:
            continue
        drawn = union(region(curve.polygon(FIT.corners)[0].numpy()) for curve in curves)
        dice = 2 * drawn.intersection(whole).area / (drawn.area + whole.area)
        curves.sort(key=lambda curve: -float(curve.area()))
        if best is None or dice > best.dice:
            best = Fitted(tuple(curves), float(dice))
        if best.dice >= enough:
            break
    assert best is not None
    return best


def _one(
    whole: MultiPolygon, corners: torch.Tensor, harmonics: int, smallest: float
) -> list[FourierContour]:
    """One curve: to the polygon itself, or to the outer ring where that is no simple one."""
    if len(whole.geoms) == 1 and not whole.geoms[0].interiors:
        polygon = corners
    else:
        largest = max(whole.geoms, key=lambda part: part.area)
        polygon = torch.from_numpy(np.asarray(largest.exterior.coords)[:-1].copy())
    # On a speck a frame has nothing to hold on to, and is searched for long.
    return [fit_polygon(polygon, harmonics=harmonics, frame=whole.area > smallest)]


def _parts(whole: MultiPolygon, count: int, harmonics: int, enough: float) -> list[FourierContour]:
    """Cut into `count` parts, each the places nearest to its own middle, and fit each.

    None where the parts are so far from stars that no fit would be near enough.
    """
    left, top, right, bottom = whole.bounds
    step = max(right - left, bottom - top) / FIT.fine
    columns, rows = (int(np.ceil(side / step)) + 2 for side in (right - left, bottom - top))
    x, y = np.meshgrid(
        left + (np.arange(columns) - 0.5) * step, top + (np.arange(rows) - 0.5) * step
    )
    inside = shapely.contains_xy(whole, x, y)
    points = np.stack([x[inside], y[inside]], 1)
    if len(points) < FIT.points * count:
        return []
    middles, which = kmeans2(points, count, minit="++", seed=0)
    if count < FIT.most and _starlike(points, middles, which) < enough:
        return []
    part_of: npt.NDArray[np.int64] = np.full(inside.shape, -1)
    part_of[inside] = which
    middle = np.array([left + (columns / 2 - 1) * step, top + (rows / 2 - 1) * step])
    grid = PlaneGeometry(rows, columns)
    curves = []
    for number in range(count):
        mask = part_of == number
        if mask.sum() < FIT.least_part:
            continue
        small = fit_mask(torch.from_numpy(mask), grid, harmonics=harmonics, frame=False)
        curves.append(_moved(small, grid.unit_mm * step, middle))
    return curves


def _starlike(points: FloatArray, middles: FloatArray, which: npt.NDArray[np.int32]) -> float:
    """Share of places within the star about their part's middle that has the part's area.

    In each direction the star reaches as far as it takes to hold as many places as the part.
    """
    offsets = points - middles[which]
    rho = np.linalg.norm(offsets, axis=1)
    turn = np.arctan2(offsets[:, 1], offsets[:, 0]) / (2 * np.pi) + 0.5
    sector = np.minimum((turn * FIT.sectors).astype(int), FIT.sectors - 1)
    sector = which * FIT.sectors + sector
    counts = np.bincount(sector, minlength=FIT.sectors * len(middles))
    spacing = np.diff(np.unique(points[:, 0])).min()
    reach = np.sqrt(2 * counts * spacing**2 / (2 * np.pi / FIT.sectors)) + spacing
    return float((rho <= reach[sector]).mean())


def _moved(curve: FourierContour, scale: float, middle: FloatArray) -> FourierContour:
    """A curve of the fine grid, in the coordinates of the slice."""
    parts = curve.tensors()
    center = parts["center"] * scale + torch.from_numpy(middle)
    return FourierContour(**(parts | {"center": center, "size": parts["size"] + np.log(scale)}))
