"""What became of one label's outlines on one slice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from shapely import LinearRing, MultiPolygon

from medcontour.contour.polygons import (
    deviation_mm,
    distances,
    keyhole,
    mask_polygons,
    region,
    union,
)
from medcontour.formats import Label, label_volume, labels
from medcontour.formats.place import plane_mm
from medcontour.formats.shapes import Edited, EditedShape, FloatArray
from medcontour.results import PlacedContour, Suggestion
from medcontour.results.masks import pixel_coverage, pixel_mask
from medcontour.scan import Scan

__all__ = ["Drawn", "SliceEdit", "assemble", "edit_of_slice", "is_as_drawn", "placed_region"]

Change = Literal["unchanged", "moved", "new"]
FRACTION = 0.02
"""How far a fraction may be from what a contour covers: files hold steps of 1/255 or so."""

Polygons = list[tuple[FloatArray, FloatArray | None]]


@dataclass(frozen=True)
class Drawn:
    """One outline after the edit.

    Attributes
    ----------
    change
        ``"unchanged"``: `before` as it was. ``"moved"``: `before`, drawn otherwise. ``"new"``:
        nothing suggested lies there.
    polygon_lps_mm
        (n, 3) exactly as edited; of an unchanged one, exactly as suggested.
    before
        The suggested contour.
    handles_lps_mm
        What a person drags: corners or control points; None where pixels were painted.
    """

    change: Change
    polygon_lps_mm: FloatArray
    before: PlacedContour | None = None
    handles_lps_mm: FloatArray | None = None


@dataclass(frozen=True)
class SliceEdit:
    """What became of one label's outlines on one slice.

    Attributes
    ----------
    label
        The suggestion's label, or the file's own name of a shape that was not suggested.
    slice
        Index of the slice.
    before
        What was suggested for editing.
    after
        What is there now.
    deleted
        What was suggested and is gone.
    """

    label: str
    slice: int
    before: tuple[PlacedContour, ...]
    after: tuple[Drawn, ...]
    deleted: tuple[PlacedContour, ...]

    @property
    def changed(self) -> bool:
        """Whether the reader did anything here."""
        return bool(self.deleted) or any(drawn.change != "unchanged" for drawn in self.after)


def edit_of_slice(
    label: Label,
    k: int,
    shapes: list[EditedShape],
    edited: Edited,
    suggestion: Suggestion,
    scan: Scan,
) -> SliceEdit | None:
    """Say what became of a label's outlines on slice `k`, None where there never was any."""
    findings = [f for f in label.findings if f.slice == k]
    before = [c for c in label.contours(suggestion.editable) if c.slice == k]
    if not shapes:
        # What was never in the file cannot have been removed from it.
        absent = not edited.complete or all(f.status != "suggested" for f in findings)
        if not before or absent or _too_small(before, edited, scan):
            kept = tuple(Drawn("unchanged", c.polygon_lps_mm, c) for c in before)
            return SliceEdit(label.name, k, tuple(before), kept, ()) if before else None
        return SliceEdit(label.name, k, tuple(before), (), tuple(before))
    if shapes[0].values is not None and _as_exported(shapes, label, k, suggestion, scan):
        kept = tuple(Drawn("unchanged", c.polygon_lps_mm, c) for c in before)
        return SliceEdit(label.name, k, tuple(before), kept, ())
    same, others = assemble(shapes, before, edited, scan, k)
    waiting = [c for c in before if all(c is not s for s in same)]
    after = [Drawn("unchanged", c.polygon_lps_mm, c) for c in same]
    moved, rest = _pair(others, waiting, scan, k)
    gone = [c for c in waiting if all(d.before is not c for d in moved)]
    if not edited.complete or (shapes[0].values is not None):
        small = [c for c in gone if not edited.complete or _too_small([c], edited, scan)]
        after += [Drawn("unchanged", c.polygon_lps_mm, c) for c in small]
        gone = [c for c in gone if all(c is not s for s in small)]
    after += moved + [Drawn("new", polygon, None, handles) for polygon, handles in rest]
    return SliceEdit(label.name, k, tuple(before), tuple(after), tuple(gone))


def assemble(
    shapes: Iterable[EditedShape],
    before: Sequence[PlacedContour],
    edited: Edited,
    scan: Scan,
    k: int,
) -> tuple[list[PlacedContour], Polygons]:
    """Which suggested contours are there as they were, and all else as polygons with handles."""
    same: list[PlacedContour] = []
    others: Polygons = []
    for shape in shapes:
        if shape.values is not None:
            _add_mask(shape, before, scan, k, same, others)
            continue
        assert shape.polygon_lps_mm is not None
        handles = shape.polygon_lps_mm if shape.handles_lps_mm is None else shape.handles_lps_mm
        found = next(
            (
                c
                for c in before
                if all(c is not s for s in same) and is_as_drawn(shape, c, edited.drawn, scan)
            ),
            None,
        )
        if found is not None:
            same.append(found)
        elif region(plane_mm(shape.polygon_lps_mm, scan, k)).area > 0:
            others.append((shape.polygon_lps_mm, handles))
    return same, _with_holes(others, scan, k)


def _add_mask(
    shape: EditedShape,
    before: Sequence[PlacedContour],
    scan: Scan,
    k: int,
    same: list[PlacedContour],
    others: Polygons,
) -> None:
    values = shape.values
    assert values is not None
    parts, count = ndimage.label(values >= 0.5)
    rasters = [(c, pixel_mask(c.polygon_lps_mm, scan, k)) for c in before]
    for number in range(1, count + 1):
        part = parts == number
        # Fractions just outside the part still say where its boundary lies.
        own = np.where(part | (values < 0.5), values, 0.0)
        near = ndimage.binary_dilation(part, np.ones((3, 3)))
        found = next(
            (
                c
                for c, raster in rasters
                if np.array_equal(raster, part)
                or _covers(values, pixel_coverage(c.polygon_lps_mm, scan, k), near)
            ),
            None,
        )
        if found is not None:
            same.append(found)
            continue
        for polygon in mask_polygons(np.where(near, own, 0.0)):
            others.append((scan.to_lps(polygon, k), None))


def _covers(
    values: npt.NDArray[np.float32],
    coverage: npt.NDArray[np.float64],
    near: npt.NDArray[np.bool_],
) -> bool:
    """Whether fractions are what a contour covers of each pixel, as an untouched file has them."""
    if not ((values > 0) & (values < 1))[near].any():
        return False
    return bool(np.abs(values - coverage)[near].max() <= FRACTION)


def is_as_drawn(shape: EditedShape, contour: PlacedContour, drawn: float, scan: Scan) -> bool:
    """Whether a polygon is a suggested contour as the format holds it, untouched."""
    assert shape.polygon_lps_mm is not None
    k = shape.slice
    if k != contour.slice:
        return False
    edited, before = (plane_mm(p, scan, k) for p in (shape.polygon_lps_mm, contour.polygon_lps_mm))
    if len(edited) == len(before) and np.abs(edited - before).max() <= drawn / 2:
        return True
    reach = (
        np.abs(edited.max(0) - before.max(0)).max() + np.abs(edited.min(0) - before.min(0)).max()
    )
    if reach > 4 * drawn + 0.1:
        return False
    if shape.handles_lps_mm is not None:
        handles = plane_mm(shape.handles_lps_mm, scan, k)
        if distances(handles, LinearRing(before)).max() > 0.01:
            return False
    return deviation_mm(edited, before) <= drawn


def _with_holes(polygons: Polygons, scan: Scan, k: int) -> Polygons:
    """Rings within rings are holes (even-odd); partly overlapping ones stand side by side."""
    regions = [region(plane_mm(p, scan, k)) for p, _ in polygons]
    order = sorted(range(len(polygons)), key=lambda i: -regions[i].area)
    parents: dict[int, list[int]] = {
        i: [
            j
            for j in order
            if regions[j].area > regions[i].area and regions[j].contains(regions[i])
        ]
        for i in order
    }
    out: Polygons = []
    row, column = scan.pixel_spacing
    for i in order:
        if len(parents[i]) % 2:
            continue
        holes = [j for j in order if len(parents[j]) == len(parents[i]) + 1 and i in parents[j]]
        if not holes:
            out.append(polygons[i])
            continue
        left = regions[i].difference(union(regions[j] for j in holes))
        handles = [h for j in (i, *holes) if (h := polygons[j][1]) is not None]
        for part in getattr(left, "geoms", [left]):
            corners = scan.to_lps(keyhole(part) / (column, row), k)
            out.append((corners, np.vstack(handles) if handles else None))
    return out


def _pair(
    polygons: Polygons, before: Sequence[PlacedContour], scan: Scan, k: int
) -> tuple[list[Drawn], Polygons]:
    """Pair what overlaps most first; the rest is new."""
    drawn = [region(plane_mm(p, scan, k)) for p, _ in polygons]
    theirs = [placed_region(c, scan) for c in before]
    shared = {
        (i, j): a.intersection(b).area for i, a in enumerate(drawn) for j, b in enumerate(theirs)
    }
    moved: dict[int, int] = {}
    for (i, j), area in sorted(shared.items(), key=lambda item: -item[1]):
        if area > 0 and i not in moved and j not in moved.values():
            moved[i] = j
    free_polygons = [i for i in range(len(polygons)) if i not in moved]
    free_before = [j for j in range(len(before)) if j not in moved.values()]
    if len(free_polygons) == len(free_before) == 1:  # carried off as a whole
        moved[free_polygons[0]] = free_before[0]
    pairs = [
        Drawn("moved", polygons[i][0], before[j], polygons[i][1]) for i, j in sorted(moved.items())
    ]
    return pairs, [polygons[i] for i in range(len(polygons)) if i not in moved]


def _as_exported(
    shapes: Sequence[EditedShape], label: Label, k: int, suggestion: Suggestion, scan: Scan
) -> bool:
    """Whether a mask is the suggestion's own, by itself or with others painted over it."""
    mask = np.zeros((scan.rows, scan.columns), dtype=np.bool_)
    for shape in shapes:
        if shape.values is not None:
            mask |= shape.values >= 0.5
    own = np.zeros_like(mask)
    for contour in label.contours(suggestion.editable):
        if contour.slice == k:
            own |= pixel_mask(contour.polygon_lps_mm, scan, k)
    if np.array_equal(mask, own):
        return True
    for version in (suggestion.for_export(), suggestion):
        here = [f for f in version.findings if f.slice == k]
        values = {entry.name: entry.value for entry in labels(version)}
        if len({f.label for f in here}) > 1 and label.name in values:
            painted = label_volume(version, scan)[k] == values[label.name]
            if np.array_equal(mask, painted):
                return True
    return False


def _too_small(before: Sequence[PlacedContour], edited: Edited, scan: Scan) -> bool:
    """Whether a format of voxels holds nothing of contours: none has a pixel's centre in it."""
    voxels = not edited.shapes or edited.shapes[0].values is not None
    return voxels and not any(pixel_mask(c.polygon_lps_mm, scan, c.slice).any() for c in before)


def placed_region(contour: PlacedContour, scan: Scan) -> MultiPolygon:
    """What a contour encloses, in mm of its slice's plane."""
    return region(plane_mm(contour.polygon_lps_mm, scan, contour.slice))
