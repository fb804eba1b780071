"""Where findings lie in the scan, seen along the three axes of the patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import shapely

from medcontour.report.pictures import (
    Edges,
    FloatArray,
    UInt8Array,
    data_uri,
    edge_letters,
)
from medcontour.results.finding import Finding, slice_thickness_mm
from medcontour.scan.scan import Scan
from medcontour.scan.values import grey_values

__all__ = ["Backdrop", "Projection", "make_backdrops", "make_projections"]

_POINTS = 96  # of the patient's grid along the longest side of the scan
_BYTES = 6_000


class _View(NamedTuple):
    """A direction to look from: which LPS axis runs across and which down, and which way."""

    name: str
    across: int
    down: int
    sign: int
    edges: Edges

    def flat(self, points_lps: FloatArray) -> FloatArray:
        """(n, 3) LPS mm to (n, 2) mm of the picture, x to the right and y down."""
        return np.stack([points_lps[:, self.across], self.sign * points_lps[:, self.down]], -1)


# As radiologists look at them: axial from the feet, coronal from the front, the head up.
_VIEWS = (
    _View("Axial", 0, 1, 1, Edges("R", "L", "A", "P")),
    _View("Coronal", 0, 2, -1, Edges("R", "L", "H", "F")),
    _View("Sagittal", 1, 2, -1, Edges("A", "P", "H", "F")),
)
_SIDES = {"R": "right", "L": "left", "A": "front", "P": "back", "H": "head", "F": "feet"}


@dataclass(frozen=True)
class Backdrop:
    """The whole scan in one view: a picture, and the `frame` of what was scanned as an SVG path.

    `x`, `y`, `width` and `height` are the picture's box in patient millimetres: L to the right
    (sagittal: P), P down (coronal and sagittal: F).
    """

    name: str
    edges: Edges
    picture: str
    frame: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Projection:
    """A finding in one view, in the coordinates of its `Backdrop`.

    `path` is the area that its outlines (its evidence where it has none: `kind`) cover, each as
    thick as its slice, as the convex hull of each; `x`, `y`, `width` and `height` are its box.
    """

    backdrop: Backdrop
    kind: str
    alt: str
    path: str
    x: float
    y: float
    width: float
    height: float


def make_backdrops(scan: Scan) -> tuple[Backdrop, ...]:
    """Look at the whole scan from the feet, from the front and from the patient's left.

    The pictures are means of the grey values along the line of sight, each stretched from black
    to white. Tilted, oblique and uneven slices lie where they do in the patient. Empty for a
    single image and where the place in the patient is not known.
    """
    if scan.slices == 1 or edge_letters(scan) is None:
        return ()
    corners = np.concatenate([_slab(_corners(scan, k), scan, k) for k in range(scan.slices)])
    low, high = corners.min(axis=0), corners.max(axis=0)
    volume = _patient_grid(scan, low, high)
    backdrops = []
    for view in _VIEWS:
        gone = ({0, 1, 2} - {view.across, view.down}).pop()
        flat = view.flat(np.stack([low, high]))
        (x, y), (right, bottom) = flat.min(axis=0), flat.max(axis=0)
        picture = _mean(volume, 2 - gone)
        backdrops.append(
            Backdrop(
                name=view.name,
                edges=view.edges,
                picture=data_uri(picture[:: view.sign], _POINTS, _BYTES),
                frame=_path(shapely.MultiPoint(view.flat(corners)).convex_hull),
                x=float(x),
                y=float(y),
                width=float(right - x),
                height=float(bottom - y),
            )
        )
    return tuple(backdrops)


def make_projections(
    finding: Finding, scan: Scan, backdrops: tuple[Backdrop, ...]
) -> tuple[Projection, ...]:
    """Place a finding in the views of `make_backdrops`; empty where it has no curve."""
    contours = finding.outlines or finding.evidence_contours
    if not contours or not backdrops:
        return ()
    kind = contours[0].kind
    slabs = [_slab(c.polygon_lps_mm, scan, c.slice) for c in contours]
    projections = []
    for view, backdrop in zip(_VIEWS, backdrops, strict=True):
        flat = [view.flat(slab) for slab in slabs]
        (left, top), (right, bottom) = (
            bound(np.concatenate(flat), axis=0) for bound in (np.min, np.max)
        )
        covered = shapely.union_all([shapely.MultiPoint(points).convex_hull for points in flat])
        fine = max(backdrop.width, backdrop.height) / (4 * _POINTS)
        projections.append(
            Projection(
                backdrop=backdrop,
                kind=kind,
                alt=_alt(finding, backdrop, (left + right) / 2, (top + bottom) / 2),
                path=_path(covered.simplify(fine)),
                x=float(left),
                y=float(top),
                width=float(right - left),
                height=float(bottom - top),
            )
        )
    return tuple(projections)


def _alt(finding: Finding, backdrop: Backdrop, x: float, y: float) -> str:
    edges = backdrop.edges
    across = round(100 * (x - backdrop.x) / backdrop.width)
    down = round(100 * (y - backdrop.y) / backdrop.height)
    return (
        f"{finding.name} in the scan, {backdrop.name.lower()}: {across} % of the way from "
        f"{_SIDES[edges.left]} to {_SIDES[edges.right]}, {down} % from {_SIDES[edges.top]} to "
        f"{_SIDES[edges.bottom]}"
    )


def _corners(scan: Scan, k: int) -> FloatArray:
    """(4, 3) LPS mm: the outer corners of slice `k`'s corner pixels."""
    right, bottom = scan.columns - 0.5, scan.rows - 0.5
    return scan.to_lps([[-0.5, -0.5], [right, -0.5], [right, bottom], [-0.5, bottom]], k)


def _slab(points_lps: FloatArray, scan: Scan, k: int) -> FloatArray:
    """(2 n, 3): points in the plane of slice `k`, moved to its two faces."""
    half = slice_thickness_mm(scan)[k] / 2 * scan.slice_normals_lps[k]
    return np.concatenate([points_lps - half, points_lps + half])


def _patient_grid(scan: Scan, low: FloatArray, high: FloatArray) -> FloatArray:
    """(S, P, L) float64: grey values of the voxels at points of the patient, `low` first.

    Not-a-number outside the scan. A point is the middle of its part of the box.
    """
    size = high - low
    counts = np.maximum(np.rint(size / size.max() * _POINTS), 1).astype(int)
    left, back, head = (
        start + (np.arange(count) + 0.5) * length / count
        for start, count, length in zip(low, counts, size, strict=True)
    )
    normal, heights = scan.slice_normals_lps[0], scan.slice_heights_mm
    order = np.argsort(heights)
    middles = (heights[order][1:] + heights[order][:-1]) / 2
    half = slice_thickness_mm(scan) / 2 + 1e-6
    steps = np.linalg.pinv(scan.affine_lps[:3, :2])
    volume = np.full(counts[::-1], np.nan)
    plane = np.stack(np.meshgrid(left, back), -1).reshape(-1, 2)
    for n, z in enumerate(head):
        points = np.column_stack([plane, np.full(len(plane), z)])
        height = points @ normal
        k = order[np.searchsorted(middles, height)]
        column, row = np.rint(steps @ (points - scan.slice_origins_lps[k]).T).astype(np.int64)
        inside = (np.abs(height - heights[k]) <= half[k]) & (column >= 0) & (row >= 0)
        inside &= (column < scan.columns) & (row < scan.rows)
        values = scan.voxels[k[inside], row[inside], column[inside]]
        grey = grey_values(values, scan.window)
        volume[n].reshape(-1)[inside] = grey.mean(axis=1) if grey.ndim == 2 else grey
    return volume


def _mean(volume: FloatArray, axis: int) -> UInt8Array:
    """Mean over what was scanned along an axis, from black to white; black where nothing was."""
    known = ~np.isnan(volume)
    count = known.sum(axis=axis)
    mean = np.where(known, volume, 0).sum(axis=axis) / np.maximum(count, 1)
    seen = mean[count > 0]
    low, high = (float(seen.min()), float(seen.max())) if seen.size else (0.0, 1.0)
    stretched = np.clip((mean - low) / max(high - low, 1e-9), 0, 1)
    return np.where(count > 0, np.rint(255 * stretched), 0).astype(np.uint8)


def _path(area: shapely.Geometry) -> str:
    """Polygons as an SVG path, to six figures."""
    rings = [
        ring
        for part in shapely.get_parts(area)
        if part.geom_type == "Polygon"
        for ring in (part.exterior, *part.interiors)
    ]
    return "".join(
        f"M{' '.join(f'{x:.6g},{y:.6g}' for x, y in ring.coords[:-1])}Z" for ring in rings
    )
