"""Contours of type CLOSEDPLANAR_XOR: what lies in an odd number of them (PS3.3 C.8.8.6.3)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from medcontour.contour.polygons import keyhole, region
from medcontour.formats.place import plane_mm
from medcontour.formats.shapes import FloatArray
from medcontour.scan import Scan

__all__ = ["combined"]


def combined(polygons: Sequence[FloatArray], scan: Scan, k: int) -> list[FloatArray]:
    """Combine the contours of one structure on slice `k` by exclusive or.

    Parameters
    ----------
    polygons
        (n, 3) corners each, in the slice's plane, LPS mm.
    scan, k
        The scan, and the index of the slice.

    Returns
    -------
    list of (n, 3) corners. A contour that meets no other is as it was; a hole is joined to the
    outside by a cut of no width.
    """
    regions = [region(plane_mm(polygon, scan, k)) for polygon in polygons]
    out: list[FloatArray] = []
    row, column = scan.pixel_spacing
    one, other = shapely.STRtree(regions).query(regions, predicate="intersects")
    meets = coo_array((np.ones(len(one), bool), (one, other)), shape=(len(regions),) * 2)
    _, clusters = connected_components(meets, directed=False)
    for number in np.unique(clusters):
        cluster = np.flatnonzero(clusters == number)
        if len(cluster) == 1:
            out.append(polygons[cluster[0]])
            continue
        left = reduce(shapely.symmetric_difference, (regions[i] for i in cluster))
        parts = [p for p in shapely.get_parts(left) if p.geom_type == "Polygon" and p.area > 0]
        out += [scan.to_lps(keyhole(part) / (column, row), k) for part in parts]
    return out
