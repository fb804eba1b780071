"""Reads 3D Slicer's closed curves: the line that Slicer draws through the control points."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.interpolate import CubicSpline

from medcontour.errors import MedcontourError
from medcontour.formats.place import nearest_slice, slice_tolerance_mm
from medcontour.formats.shapes import Edited, EditedShape, FloatArray
from medcontour.scan import Scan

__all__ = ["read_markups", "slicer_curve"]

BETWEEN = 10
"""Points of the line for each control point, as many as Slicer draws."""

DRAWN_MM = 0.2
_TO_LPS = {"LPS": (1, 1, 1), "1": (1, 1, 1), "RAS": (-1, -1, 1), "0": (-1, -1, 1)}


def read_markups(files: Sequence[Path], scan: Scan, *, folder: bool) -> Edited:
    """Read the closed curves of one ``.mrk.json`` file, or of all in a folder.

    A curve belongs to the slice nearest to it, at most half a slice away, and is brought into
    that plane: points dragged in a view that is not quite the slice's lie a little off it. Other
    kinds of markups are counted in the notes.

    Raises
    ------
    MedcontourError
        When curves lie further from every slice.
    """
    left_out: Counter[str] = Counter()
    shapes: list[EditedShape] = []
    half = 5 * slice_tolerance_mm(scan)
    for path in files:
        for markup in json.loads(path.read_text(encoding="utf-8"))["markups"]:
            points = _points(markup)
            if markup.get("type") != "ClosedCurve" or len(points) < 3:
                left_out["markups that are no closed curve"] += 1
                continue
            k, off = nearest_slice(points, scan)
            if np.abs(off).mean() > half:
                raise MedcontourError(
                    f"A curve of {path} lies on no slice of the scan; give the curves that were "
                    "drawn on this scan."
                )
            if np.abs(off).max() > half / 5:
                left_out["curves brought into their slice's plane"] += 1
            handles = scan.to_lps(scan.to_index(points, k), k)
            shapes.append(
                EditedShape(
                    str(markup.get("name", path.name.removesuffix(".mrk.json"))),
                    None,
                    k,
                    slicer_curve(handles),
                    handles_lps_mm=handles,
                )
            )
    notes = tuple(f"Noted in the file: {what}, {n}." for what, n in left_out.items())
    return Edited("3D Slicer markups", tuple(shapes), notes, complete=folder, drawn=DRAWN_MM)


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
