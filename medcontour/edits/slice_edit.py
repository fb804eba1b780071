"""What became of one finding's outlines on one slice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from medcontour.contour.polygons import keyhole, mask_polygons, region, union
from medcontour.edits.identify import Known
from medcontour.edits.names import Key
from medcontour.edits.suggested import Suggested, is_as_drawn, same_fractions
from medcontour.formats import Label
from medcontour.formats.place import placed_region, plane_mm
from medcontour.formats.shapes import Edited, EditedShape, FloatArray
from medcontour.results import PlacedContour
from medcontour.results.masks import Mask, pixel_coverage, pixel_mask
from medcontour.scan import Scan

__all__ = ["Drawn", "SliceEdit", "assemble", "edit_of_slice", "new_on_slice"]

Change = Literal["unchanged", "moved", "new"]
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
    """What became of one finding's outlines on one slice.

    Attributes
    ----------
    label
        The finding's name; the class, for a shape of it that is of no finding; or the file's own
        name of a shape that nothing was suggested of.
    slice
        Index of the slice.
    before
        What was suggested for editing.
    after
        What is there now.
    deleted
        What was suggested and is gone.
    kept
        How many were not found and are taken for unchanged, since something was left out there.
    """

    label: str
    slice: int
    before: tuple[PlacedContour, ...]
    after: tuple[Drawn, ...]
    deleted: tuple[PlacedContour, ...]
    kept: int = 0

    @property
    def changed(self) -> bool:
        """Whether the reader did anything here."""
        return bool(self.deleted) or any(drawn.change != "unchanged" for drawn in self.after)


def edit_of_slice(
    label: Label,
    k: int,
    known: Sequence[Known],
    edited: Edited,
    suggested: Suggested,
    unsure: bool,
    hidden: Mask,
) -> SliceEdit | None:
    """Say what became of a label's outlines on slice `k`, None where there never was any.

    `unsure` says that something of the file was left out there: what is not found is not gone.
    `hidden` are the pixels that other masks of the file cover.
    """
    key, scan = (label.name, suggested.editable), suggested.scan
    here = [part for part in label.finding.slices if part.slice == k]
    before = suggested.contours(key, k)
    shapes = [each.shape for each in known]
    untouched = tuple(Drawn("unchanged", c.polygon_lps_mm, c) for c in before)
    if not shapes:
        # What was never in the file cannot have been removed from it.
        absent = not edited.complete or not any(part.exported for part in here)
        if not before:
            return None
        if absent or (_is_of_voxels(edited) and not (suggested.mask(key, k) & ~hidden).any()):
            return SliceEdit(label.name, k, tuple(before), untouched, ())
        if unsure:
            return SliceEdit(label.name, k, tuple(before), untouched, (), kept=len(before))
        return SliceEdit(label.name, k, tuple(before), (), tuple(before))
    if before and _is_untouched(known, key, k, suggested):
        return SliceEdit(label.name, k, tuple(before), untouched, ())
    same, others = assemble(shapes, before, scan, k)
    waiting = [c for c in before if all(c is not s for s in same)]
    after = [Drawn("unchanged", c.polygon_lps_mm, c) for c in same]
    moved, rest = _pair(others, waiting, scan, k, carried=not unsure)
    gone = [c for c in waiting if all(d.before is not c for d in moved)]
    small = [c for c in gone if not edited.complete or _has_no_pixel(c, edited, scan)]
    kept = [c for c in gone if unsure and all(c is not s for s in small)]
    stay = [*small, *kept]
    after += [Drawn("unchanged", c.polygon_lps_mm, c) for c in stay]
    gone = [c for c in gone if all(c is not s for s in stay)]
    after += moved + [Drawn("new", polygon, None, handles) for polygon, handles in rest]
    return SliceEdit(label.name, k, tuple(before), tuple(after), tuple(gone), len(kept))


def new_on_slice(
    name: str, k: int, shapes: Sequence[EditedShape], suggested: Suggested
) -> SliceEdit:
    """Give the outlines of a structure on a slice where nothing was suggested of it."""
    _, polygons = assemble(shapes, [], suggested.scan, k)
    return SliceEdit(name, k, (), tuple(Drawn("new", p, None, h) for p, h in polygons), ())


def _is_untouched(known: Sequence[Known], key: Key, k: int, suggested: Suggested) -> bool:
    """Whether masks are what was suggested, each alone or all of them together."""
    values = [each.shape.values for each in known if each.shape.values is not None]
    if len(values) != len(known):
        return False
    if all(each.same and each.key == key for each in known):
        return True
    return suggested.is_mask_of(np.max(values, axis=0), key, k) > 0


def assemble(
    shapes: Iterable[EditedShape], before: Sequence[PlacedContour], scan: Scan, k: int
) -> tuple[list[PlacedContour], Polygons]:
    """Which suggested contours are there as they were, and all else as polygons with handles."""
    same: list[PlacedContour] = []
    others: Polygons = []
    for shape in shapes:
        if shape.values is not None:
            _add_mask(shape.values, before, scan, k, same, others)
            continue
        assert shape.polygon_lps_mm is not None
        handles = shape.polygon_lps_mm if shape.handles_lps_mm is None else shape.handles_lps_mm
        found = [c for c in before if is_as_drawn(shape, c, scan)]
        if found:
            # A second copy of a curve is no other curve.
            same += [c for c in found if all(c is not s for s in same)][:1]
        elif region(plane_mm(shape.polygon_lps_mm, scan, k)).area > 0:
            others.append((shape.polygon_lps_mm, handles))
    return same, _with_holes(others, scan, k)


def _add_mask(
    values: npt.NDArray[np.float32],
    before: Sequence[PlacedContour],
    scan: Scan,
    k: int,
    same: list[PlacedContour],
    others: Polygons,
) -> None:
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
                or same_fractions(values, pixel_coverage(c.polygon_lps_mm, scan, k), near)
            ),
            None,
        )
        if found is not None:
            same.append(found)
            continue
        for polygon in mask_polygons(np.where(near, own, 0.0)):
            others.append((scan.to_lps(polygon, k), None))


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
    polygons: Polygons, before: Sequence[PlacedContour], scan: Scan, k: int, carried: bool
) -> tuple[list[Drawn], Polygons]:
    """Pair what overlaps most first; the rest is new, or one that was `carried` off as a whole."""
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
    if carried and len(free_polygons) == len(free_before) == 1:
        moved[free_polygons[0]] = free_before[0]
    pairs = [
        Drawn("moved", polygons[i][0], before[j], polygons[i][1]) for i, j in sorted(moved.items())
    ]
    return pairs, [polygons[i] for i in range(len(polygons)) if i not in moved]


def _is_of_voxels(edited: Edited) -> bool:
    return not edited.shapes or edited.shapes[0].values is not None


def _has_no_pixel(contour: PlacedContour, edited: Edited, scan: Scan) -> bool:
    """Whether a format of voxels holds nothing of a contour: no pixel's centre is in it."""
    return (
        _is_of_voxels(edited) and not pixel_mask(contour.polygon_lps_mm, scan, contour.slice).any()
    )
