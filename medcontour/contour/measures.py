"""How far one region lies from another: areas, boundaries and the points that were moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from shapely import MultiPolygon

from medcontour.contour.polygons import FloatArray, distances

__all__ = ["Figures", "Pair", "compare"]

SURFACE_MM = 2.0
MOVED_MM = 0.01
SAMPLES = 5000
STEP_MM = 0.02

Pair = tuple[MultiPolygon, MultiPolygon, FloatArray | None]


@dataclass(frozen=True)
class Figures:
    """The edit in figures; None where there is nothing to measure.

    Attributes
    ----------
    dice
        Of the areas.
    surface_dice_2mm
        Share of both boundaries that lies within 2 mm of the other (Nikolov et al. 2021).
    hausdorff95_mm
        The larger of the two directed 95th percentiles of distance along the boundaries.
    added_path_length_mm
        Length of the edited boundary that was not suggested: further than half a pixel from it
        (Vaassen et al. 2020).
    vertices, vertices_moved
        Corners, or control points, of the edit, and those further than 0.01 mm from what was
        suggested. None for painted pixels.
    area_before_mm2, area_after_mm2
        Areas.
    """

    dice: float | None
    surface_dice_2mm: float | None
    hausdorff95_mm: float | None
    added_path_length_mm: float
    vertices: int | None
    vertices_moved: int | None
    area_before_mm2: float
    area_after_mm2: float

    @property
    def area_change_mm2(self) -> float:
        """After less before."""
        return self.area_after_mm2 - self.area_before_mm2

    @property
    def area_change_percent(self) -> float | None:
        """The same as a share of before, None where nothing was suggested."""
        return 100 * self.area_change_mm2 / self.area_before_mm2 if self.area_before_mm2 else None

    @property
    def vertices_moved_share(self) -> float | None:
        """Moved ones of all."""
        if not self.vertices or self.vertices_moved is None:
            return None
        return self.vertices_moved / self.vertices


def compare(pairs: Sequence[Pair], added_beyond: float = 0.5) -> Figures:
    """Figures of regions before and after, and of the points a person moved, all in mm.

    Parameters
    ----------
    pairs
        (before, after, points) of each slice; what lies on different slices is never compared.
        Points are (n, 2), or None for painted pixels.
    added_beyond
        A boundary nearer than this to the suggested one counts as suggested.

    Examples
    --------
    >>> from medcontour.contour.polygons import region
    >>> square = region([[0, 0], [10, 0], [10, 10], [0, 10]])
    >>> wider = region([[0, 0], [20, 0], [20, 10], [0, 10]])
    >>> figures = compare([(square, wider, None)])
    >>> round(figures.dice, 3), figures.area_change_percent
    (0.667, 100.0)
    """
    shared = sum(a.intersection(b).area for a, b, _ in pairs)
    areas = [sum(a.area for a, _, _ in pairs), sum(b.area for _, b, _ in pairs)]
    near = total = added = 0.0
    sampled: list[list[tuple[FloatArray, FloatArray]]] = [[], []]
    for before, after, _ in pairs:
        lines = before.boundary, after.boundary
        total += lines[0].length + lines[1].length
        if before.is_empty or after.is_empty:
            added += lines[1].length
            continue
        if before == after:
            near += lines[0].length + lines[1].length
            for found in sampled:
                found.append((np.zeros(1), np.array([lines[0].length])))
            continue
        for side in (0, 1):
            one, other = lines[side], lines[1 - side]
            near += one.intersection(other.buffer(SURFACE_MM, quad_segs=64)).length
            sampled[side].append(_distances(one, other))
        added += lines[1].difference(lines[0].buffer(added_beyond, quad_segs=64)).length
    moved = [_moved(before, points) for before, _, points in pairs if points is not None]
    far = [_percentile(side) for side in sampled if side]
    return Figures(
        dice=2 * shared / sum(areas) if sum(areas) else None,
        surface_dice_2mm=near / total if total else None,
        hausdorff95_mm=max(far) if far else None,
        added_path_length_mm=float(added),
        vertices=sum(len(p) for *_, p in pairs if p is not None) if moved else None,
        vertices_moved=sum(moved) if moved else None,
        area_before_mm2=float(areas[0]),
        area_after_mm2=float(areas[1]),
    )


def _moved(before: MultiPolygon, points: FloatArray) -> int:
    if before.is_empty or not len(points):
        return len(points)
    return int((distances(points, before.boundary) > MOVED_MM).sum())


def _distances(one: shapely.Geometry, other: shapely.Geometry) -> tuple[FloatArray, FloatArray]:
    """Distances from places along one boundary to the other, and the length each stands for."""
    dense = shapely.segmentize(one, max(STEP_MM, one.length / SAMPLES))
    found, weights = [], []
    for line in shapely.get_parts(dense):
        corners = np.asarray(line.coords)
        middles = (corners[1:] + corners[:-1]) / 2
        found.append(distances(middles, other))
        weights.append(np.linalg.norm(np.diff(corners, axis=0), axis=1))
    return np.concatenate(found), np.concatenate(weights)


def _percentile(side: list[tuple[FloatArray, FloatArray]]) -> float:
    values, weights = (np.concatenate(parts) for parts in zip(*side, strict=True))
    order = np.argsort(values)
    share = weights[order].cumsum() / weights.sum()
    return float(values[order][np.searchsorted(share, 0.95).clip(max=len(values) - 1)])
