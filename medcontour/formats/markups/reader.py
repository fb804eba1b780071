"""Reads 3D Slicer's closed curves: the line that Slicer draws through the control points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.interpolate import CubicSpline

from medcontour.errors import MedcontourError
from medcontour.formats.content import Content, read_json
from medcontour.formats.place import in_plane, in_reach, nearest_slice, slices_about
from medcontour.formats.reader import Reader
from medcontour.formats.shapes import Edited, EditedShape, FloatArray, LeftOut, left_out_notes
from medcontour.scan import Scan

__all__ = ["read", "reader", "recognises", "slicer_curve"]

BETWEEN = 10
"""Points of the line for each control point, as many as Slicer draws."""

ENDING = ".mrk.json"
OTHER = "markups that are no closed curve"
OFF = "curves off the slices' planes"
DAMAGED = "damaged files of curves"
_TO_LPS = {"LPS": (1, 1, 1), "1": (1, 1, 1), "RAS": (-1, -1, 1), "0": (-1, -1, 1)}


def recognises(content: Content) -> bool:
    """Whether a file is JSON with markups, or a folder holds ``.mrk.json`` files."""
    return "markups" in content.document or any(content.path.glob(f"*{ENDING}"))


def read(path: Path, scan: Scan) -> Edited:
    """Read the closed curves of one ``.mrk.json`` file, or of all in a folder.

    A curve belongs to the slice nearest to it, at most half a slice away, and is brought into
    that plane: points dragged in a view that is not quite the slice's lie a little off it. Other
    kinds of markups, curves between slices and files that are damaged are counted in the notes.

    Raises
    ------
    MedcontourError
        When there are curves and none lies on a slice, or no file can be read.
    """
    folder = path.is_dir()
    left_out: list[LeftOut] = []
    shapes: list[EditedShape] = []
    off_plane = 0
    for markup, stem in _markups(sorted(path.glob(f"*{ENDING}")) if folder else [path], left_out):
        name = str(markup.get("name", stem))
        points = _points(markup)
        about = slices_about(points, scan) if len(points) else ()
        if markup.get("type") != "ClosedCurve" or len(points) < 3:
            left_out.append(LeftOut(OTHER, name, None, about))
            continue
        k, off = nearest_slice(points, scan)
        if not in_reach(off, scan):
            left_out.append(LeftOut(OFF, name, None, about))
            continue
        off_plane += not in_plane(off, scan)
        handles = scan.to_lps(scan.to_index(points, k), k)
        shapes.append(EditedShape(name, None, k, slicer_curve(handles), handles_lps_mm=handles))
    if not shapes and any(each.what != OTHER for each in left_out):
        raise MedcontourError(
            f"No curve of {path} lies on a slice of the scan; give the curves that were drawn on "
            "this scan."
            if any(each.what == OFF for each in left_out)
            else f"No file of {path} can be read: they are damaged or truncated; save them again."
        )
    notes = left_out_notes(left_out)
    if off_plane:
        notes = (
            f"Noted in the file: curves brought into their slice's plane, {off_plane}.",
            *notes,
        )
    return Edited("3D Slicer markups", tuple(shapes), notes, tuple(left_out), complete=folder)


def _markups(
    files: Sequence[Path], left_out: list[LeftOut]
) -> Iterator[tuple[dict[str, Any], str]]:
    """Each markup with its file's name; a damaged file of several hides none of the others."""
    for path in files:
        try:
            markups = read_json(path)["markups"]
        except (ValueError, KeyError, OSError):
            if len(files) == 1:
                raise
            left_out.append(LeftOut(DAMAGED))
            continue
        for markup in markups:
            yield markup, path.name.removesuffix(ENDING)


def slicer_curve(handles: FloatArray) -> FloatArray:
    """(10 n, 3) points on the closed spline that 3D Slicer draws through (n, 3) control points.

    VTK's cardinal spline, closed and parametrised by the points' numbers, is the periodic cubic
    spline. Four points or more; three give the triangle's own.
    """
    count = len(handles)
    spline = CubicSpline(
        np.arange(count + 1), np.vstack([handles, handles[:1]]), bc_type="periodic"
    )
    return np.asarray(spline(np.arange(count * BETWEEN) / BETWEEN), dtype=np.float64)


def _points(markup: dict[str, Any]) -> FloatArray:
    signs = _TO_LPS.get(str(markup.get("coordinateSystem", "LPS")).upper(), (1, 1, 1))
    placed = [
        point["position"]
        for point in markup.get("controlPoints") or []
        if point.get("positionStatus", "defined") == "defined" and point.get("position")
    ]
    return np.asarray(placed, dtype=np.float64).reshape(-1, 3) * signs


reader = Reader("markups", "3D Slicer markups (.mrk.json, or their folder)", recognises, read)
