"""Outlines as closed curves through points to drag, in 3D Slicer's RAS mm, and back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from medcontour_client import Outline, Study

__all__ = ["Curve", "curves_of", "handles_of", "outline_of", "to_ras"]

FloatArray = npt.NDArray[np.float64]

HANDLES = 16
"""Points of a curve that are dragged: a choice, enough that the spline through them follows."""

SAME_MM = 1e-3
"""Points that have not moved farther are where they were put."""


@dataclass(frozen=True, eq=False)
class Curve:
    """One closed curve, as it is put into the scene.

    Attributes
    ----------
    name
        For the reader: label, number and slice.
    finding, label
        The finding's id and class; `finding` is None for a curve that was drawn anew.
    kind
        ``"outline"``, to edit, or ``"evidence"``, to look at.
    slice
        Index of the slice.
    corners_lps_mm
        (n, 3) the curve itself, LPS mm.
    handles_ras_mm
        (m, 3) the points that are dragged, RAS mm.
    """

    name: str
    finding: str | None
    label: str
    kind: str
    slice: int
    corners_lps_mm: FloatArray = field(repr=False)
    handles_ras_mm: FloatArray = field(repr=False)


def to_ras(points: npt.ArrayLike) -> FloatArray:
    """LPS mm to RAS mm, or back: (n, 3)."""
    return np.asarray(points, dtype=np.float64).reshape(-1, 3) * (-1.0, -1.0, 1.0)


def handles_of(corners: npt.ArrayLike, count: int = HANDLES) -> FloatArray:
    """(count, 3) points on a closed polygon (n, 3), evenly far apart along it."""
    points = np.asarray(corners, dtype=np.float64)
    closed = np.vstack([points, points[:1]])
    at = np.concatenate([[0.0], np.linalg.norm(np.diff(closed, axis=0), axis=1).cumsum()])
    wanted = np.linspace(0.0, at[-1], count, endpoint=False)
    return np.stack([np.interp(wanted, at, closed[:, axis]) for axis in range(3)], axis=1)


def curves_of(document: dict[str, Any]) -> list[Curve]:
    """All outlines and evidence contours of a suggestion.json."""
    found = []
    for finding in document["findings"]:
        number = "" if finding["number"] is None else f" {finding['number']}"
        for part in finding["slices"]:
            for kind, which in (("outline", "outlines"), ("evidence", "evidence_contours")):
                for contour in part[which]:
                    corners = np.asarray(contour["polygon_lps_mm"], dtype=np.float64)
                    name = f"{finding['label']}{number}, slice {part['slice'] + 1}"
                    found.append(
                        Curve(
                            name if kind == "outline" else f"{name}, evidence",
                            finding["id"],
                            finding["label"],
                            kind,
                            part["slice"],
                            corners,
                            to_ras(handles_of(corners)),
                        )
                    )
    return found


def outline_of(
    curve: Curve | None,
    handles_ras_mm: npt.ArrayLike,
    sampled_ras_mm: npt.ArrayLike,
    study: Study,
    label: str,
) -> Outline:
    """Take an edited curve back.

    Parameters
    ----------
    curve
        As it was put into the scene; None for one that was drawn anew.
    handles_ras_mm
        Its points as they are now: where none of them was moved, the outline stays exactly.
    sampled_ras_mm
        (n, 3) points on the curve itself.
    study
        The scan's geometry.
    label
        The class of a new curve.

    Returns
    -------
    The outline in the plane of the slice that is nearest.

    Raises
    ------
    ValueError
        For a curve that lies farther than half a slice from every slice, or across them.
    """
    handles = np.asarray(handles_ras_mm, dtype=np.float64).reshape(-1, 3)
    if curve is not None and _is_where_it_was(handles, curve.handles_ras_mm):
        return Outline(curve.slice, curve.corners_lps_mm, curve.finding)
    points = to_ras(sampled_ras_mm)
    k = _slice_of(points, study)
    corners = study.to_lps(study.to_index(points, k), k)
    finding = None if curve is None else curve.finding
    return Outline(k, corners, finding, label if finding is None else None)


def _is_where_it_was(handles: FloatArray, before: FloatArray) -> bool:
    return handles.shape == before.shape and bool(np.abs(handles - before).max() <= SAME_MM)


def _slice_of(points: FloatArray, study: Study) -> int:
    affines = study.affines_lps
    normals = np.cross(affines[:, :3, 0], affines[:, :3, 1])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    off = np.einsum("kc,knc->kn", normals, points[None] - affines[:, None, :3, 3])
    farthest = np.abs(off).max(1)
    k = int(farthest.argmin())
    if farthest[k] > study.slice_spacing / 2:
        raise ValueError("A curve lies across slices or beside the scan; draw it on one slice.")
    return k
