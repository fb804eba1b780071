"""Polygons on a slice's pixels: a pixel is inside when its centre is, or by the share covered."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from skimage.draw import polygon2mask

from medcontour.contour.coverage import polygon_coverage
from medcontour.scan.scan import Scan

__all__ = ["Mask", "pixel_coverage", "pixel_mask"]

Mask = npt.NDArray[np.bool_]


def pixel_mask(polygon_lps_mm: npt.ArrayLike, scan: Scan, k: int) -> Mask:
    """Pixels of slice `k` whose centre lies inside the polygon or on it.

    Parameters
    ----------
    polygon_lps_mm
        (n, 3) corners in the plane of the slice, LPS mm; the first is not repeated.
    scan, k
        The scan, and the index of the slice.

    Returns
    -------
    (rows, columns) bool. A polygon so small that it holds no pixel centre leaves no pixel: a
    label map has no voxel that is not the object's. Its curve is still in the other formats.
    """
    column_row = scan.to_index(polygon_lps_mm, k)
    return np.asarray(polygon2mask((scan.rows, scan.columns), column_row[:, ::-1]), dtype=np.bool_)


def pixel_coverage(polygon_lps_mm: npt.ArrayLike, scan: Scan, k: int) -> npt.NDArray[np.float64]:
    """Share of each pixel of slice `k` that lies inside a polygon.

    Parameters
    ----------
    polygon_lps_mm
        (n, 3) corners in the plane of the slice, LPS mm; the first is not repeated.
    scan, k
        The scan, and the index of the slice.

    Returns
    -------
    (rows, columns) float64 in [0, 1]. A pixel is the rectangle about its centre. Summed, it is
    the area of the polygon inside the image, in pixels.
    """
    return polygon_coverage(scan.to_index(polygon_lps_mm, k), (scan.rows, scan.columns))
