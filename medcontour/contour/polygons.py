"""Polygons as regions of a plane, exactly: holes, rings, masks and how far two curves lie apart."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import shapely
from shapely import LinearRing, MultiPolygon, Point, Polygon
from shapely.ops import nearest_points
from skimage import measure

__all__ = [
    "FloatArray",
    "deviation_mm",
    "distances",
    "keyhole",
    "mask_polygons",
    "nested",
    "overlap",
    "polygon_area",
    "region",
    "union",
]

FloatArray = npt.NDArray[np.float64]

HALF = 0.5
CLEAR = 1e-3  # how far a value of one half is moved off the level that boundaries are drawn at


def region(polygon: npt.ArrayLike) -> MultiPolygon:
    """What a closed polygon (n, 2) encloses, by the even-odd rule: keyholes and figures of eight.

    Examples
    --------
    >>> region([[0, 0], [2, 0], [2, 2], [0, 2]]).area
    4.0
    """
    corners = np.asarray(polygon, dtype=np.float64)
    if len(corners) < 3:
        return MultiPolygon()
    whole = Polygon(corners)
    return _areal(whole if whole.is_valid else shapely.make_valid(whole))


def union(regions: Iterable[MultiPolygon]) -> MultiPolygon:
    """All that lies in any of the regions."""
    return _areal(shapely.union_all(list(regions)))


def overlap(one: MultiPolygon, other: MultiPolygon) -> float:
    """Intersection over union of two regions of one plane; 0 where both are empty.

    Examples
    --------
    >>> overlap(region([[0, 0], [2, 0], [2, 1], [0, 1]]), region([[1, 0], [3, 0], [3, 1], [1, 1]]))
    0.3333333333333333
    """
    common = float(shapely.intersection(one, other).area)
    both = float(one.area + other.area) - common
    return common / both if both else 0.0


def polygon_area(polygon: npt.ArrayLike) -> float:
    """Area of `region` of (n, 2) corners, in their unit squared."""
    return float(region(polygon).area)


def keyhole(part: Polygon) -> FloatArray:
    """Corners (n, 2) of one closed polygon that encloses `part`, its holes left out.

    Each hole is joined to the outside by a cut of no width, as the DICOM standard has rings
    written (PS3.3 C.8.8.6.3). Without holes it is the outer ring as it is.
    """
    ring = np.asarray(part.exterior.coords)[:-1]
    if LinearRing(ring).is_ccw is False:
        ring = ring[::-1]
    waiting = [np.asarray(hole.coords)[:-1] for hole in part.interiors]
    while waiting:
        line = LinearRing(ring)
        distances = [line.distance(LinearRing(hole)) for hole in waiting]
        hole = waiting.pop(int(np.argmin(distances)))
        if LinearRing(hole).is_ccw:
            hole = hole[::-1]
        ends = nearest_points(line, LinearRing(hole))
        outside, inside = (_starting_at(r, end) for r, end in zip((ring, hole), ends, strict=True))
        ring = np.vstack([outside, outside[:1], inside, inside[:1]])
    return ring


def mask_polygons(values: npt.ArrayLike) -> list[FloatArray]:
    """Boundaries of a mask, each part's own, that rasterise back to exactly the same pixels.

    Marching squares at one half: halfway between pixel centres of a mask, in between by
    interpolation where values are fractions.

    Parameters
    ----------
    values
        (rows, columns) from 0 to 1; at least 0.5 is inside.

    Returns
    -------
    list of (n, 2) corners as (column, row) indices. Holes are joined as in `keyhole`.

    Examples
    --------
    >>> mask = np.zeros((4, 5))
    >>> mask[1, 2] = 1
    >>> sorted(mask_polygons(mask)[0].tolist())
    [[1.5, 1.0], [2.0, 0.5], [2.0, 1.5], [2.5, 1.0]]
    """
    numbers = np.pad(np.asarray(values, dtype=np.float64), 1)
    inside = numbers >= HALF
    numbers = np.where(inside, np.maximum(numbers, HALF + CLEAR), np.minimum(numbers, HALF - CLEAR))
    rings = [found[:-1, ::-1] - 1 for found in measure.find_contours(numbers, HALF)]
    return [keyhole(part) for part in nested([Polygon(ring) for ring in rings])]


def deviation_mm(a_polygon: npt.ArrayLike, b_polygon: npt.ArrayLike, step: float = 0.01) -> float:
    """How far two closed polygons lie apart: the symmetric Hausdorff distance of their boundaries.

    Parameters
    ----------
    a_polygon, b_polygon
        (n, 2) or (n, 3) corners in mm, the first not repeated.
    step
        Both are looked at every `step` mm (at most 5000 places); the result errs by less than
        half of that.

    Examples
    --------
    >>> square = [[0, 0], [1, 0], [1, 1], [0, 1]]
    >>> deviation_mm(square, [[0, 0], [1.25, 0], [1.25, 1], [0, 1]])
    0.25
    """
    a, b = (np.asarray(p, dtype=np.float64) for p in (a_polygon, b_polygon))
    if a.shape[1] == 3:
        a, b = _in_common_plane(a, b)
    lines = [LinearRing(p) for p in (a, b)]
    far = 0.0
    for one, other in (lines, lines[::-1]):
        dense = shapely.segmentize(one, max(step, one.length / 5000))
        far = max(far, float(distances(np.asarray(dense.coords), other).max()))
    return far


def distances(points: FloatArray, line: shapely.Geometry) -> FloatArray:
    """(n,) from points (n, 2) to the nearest place on a line or on several."""
    ends = [np.asarray(part.coords) for part in shapely.get_parts(line)]
    edges = np.concatenate([np.stack([part[:-1], part[1:]], axis=1) for part in ends])
    tree = shapely.STRtree(shapely.linestrings(edges))
    _, found = tree.query_nearest(shapely.points(points), return_distance=True, all_matches=False)
    return np.asarray(found, dtype=np.float64)


def _in_common_plane(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Turn both into the plane that fits them best; a distance along its normal counts as well."""
    middle = a.mean(axis=0)
    _, _, axes = np.linalg.svd(a - middle, full_matrices=True)
    flat_a, flat_b = (a - middle) @ axes.T, (b - middle) @ axes.T
    off = max(np.abs(flat_a[:, 2]).max(), np.abs(flat_b[:, 2]).max())
    if off > 1e-2:  # not of one plane: their distance in the plane would say too little
        raise ValueError(f"the polygons do not lie in one plane: {off:.3f} mm apart")
    return flat_a[:, :2], flat_b[:, :2]


def nested(rings: list[Polygon]) -> list[Polygon]:
    """Parts with their holes, of rings that do not cross, whichever way round they go."""
    order = sorted(range(len(rings)), key=lambda i: -rings[i].area)
    depth: dict[int, int] = {}
    parent: dict[int, int] = {}
    for place, i in enumerate(order):
        point = Point(rings[i].exterior.coords[0])
        around = [j for j in order[:place] if rings[j].contains(point)]
        depth[i] = len(around)
        if around:
            parent[i] = around[-1]
    parts = []
    for i in sorted(i for i in depth if depth[i] % 2 == 0):
        holes = [rings[j].exterior for j in parent if parent[j] == i and depth[j] % 2]
        parts.append(Polygon(rings[i].exterior, holes))
    return parts


def _starting_at(ring: FloatArray, point: Point) -> FloatArray:
    """The ring turned to begin at a point on it, which becomes a corner where it is none."""
    at = np.array(point.coords[0])
    steps = np.roll(ring, -1, axis=0) - ring
    share = ((at - ring) * steps).sum(1) / np.maximum((steps**2).sum(1), 1e-300)
    share = np.clip(share, 0.0, 1.0)
    edge = int(np.argmin(((ring + share[:, None] * steps - at) ** 2).sum(1)))
    turned = np.roll(ring, -(edge + 1), axis=0)
    if share[edge] <= 0:
        return np.roll(ring, -edge, axis=0)
    return turned if share[edge] >= 1 else np.vstack([at, turned])


def _areal(geometry: shapely.Geometry) -> MultiPolygon:
    """The polygons of a geometry, without its points and lines."""
    parts = [
        part
        for part in shapely.get_parts(shapely.get_parts(geometry))
        if part.geom_type == "Polygon" and part.area > 0
    ]
    return MultiPolygon(parts)
