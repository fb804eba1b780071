"""A closed surface seen from all sides: still pictures of it, turned about the head-foot axis."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from medcontour.report.pictures import CURVE_COLOURS, UInt8Array, data_uri
from medcontour.results import PlacedSurface

__all__ = ["SIDE", "Turning", "make_turning", "turned"]

SIDE = 128
"""Pixels of a picture's side."""

STEPS = 6
"""Pictures in a full turn."""
_DETAIL = 3
_BYTES = 40_000
_AMBIENT = 0.3
_LIGHT = np.array([-0.4, 0.5, 0.77])
"""Towards the light, from where one looks: a little from the left and above; length 1."""


@dataclass(frozen=True)
class Turning:
    """Pictures of a surface side by side, and what they show."""

    picture: str
    alt: str
    width_mm: float


def make_turning(surface: PlacedSurface | None, name: str) -> Turning | None:
    """Show a surface from six sides, the head up; None without one.

    Parameters
    ----------
    surface
        In the patient.
    name
        Of its finding.
    """
    if surface is None:
        return None
    corners, triangles = surface.mesh(_DETAIL)
    views = [turned(corners, triangles, 2 * math.pi * n / STEPS) for n in range(STEPS)]
    return Turning(
        picture=data_uri(np.concatenate(views, axis=1), STEPS * SIDE, _BYTES),
        alt=f"The evidence surface of {name}, seen from the front and turned by "
        f"{360 // STEPS} degrees from picture to picture, the head up",
        width_mm=_across(corners),
    )


def turned(
    corners: npt.NDArray[np.float64], triangles: npt.NDArray[np.int64], angle: float
) -> UInt8Array:
    """Draw a mesh as one sees it who stands before the patient and walks round to the left side.

    Parameters
    ----------
    corners
        (V, 3) LPS mm. The picture is as wide and as high as `corners` reach from their middle, all
        around.
    triangles
        (T, 3) counter-clockwise seen from outside.
    angle
        Radians walked: 0 looks from the front to the back, a quarter turn from the patient's left.

    Returns
    -------
    (`SIDE`, `SIDE`, 3), on black.
    """
    right = np.array([math.cos(angle), math.sin(angle), 0.0])
    into = np.array([-math.sin(angle), math.cos(angle), 0.0])
    axes = np.stack([right, [0.0, 0.0, 1.0], -into])  # towards the viewer
    placed = (corners - _middle(corners)) @ axes.T
    faces = placed[triangles]
    normals = np.cross(faces[:, 1] - faces[:, 0], faces[:, 2] - faces[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    order = np.argsort(faces[:, :, 2].mean(1))
    seen = order[normals[order, 2] > 0]
    shade = _AMBIENT + (1 - _AMBIENT) * np.clip(normals[seen] @ _LIGHT, 0, 1)
    colours = shade[:, None] * np.array(to_rgb(CURVE_COLOURS["evidence"]))
    figure = Figure(figsize=(1, 1), dpi=SIDE, facecolor="black")
    canvas = FigureCanvasAgg(figure)
    half = _across(corners) / 2
    drawing = figure.add_axes((0, 0, 1, 1), xlim=(-half, half), ylim=(-half, half))
    drawing.set_axis_off()
    drawing.add_collection(
        PolyCollection(faces[seen][:, :, :2], facecolors=colours, edgecolors=colours, linewidth=0.3)
    )
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()  # type: ignore[no-untyped-call]


def _middle(corners: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    middle: npt.NDArray[np.float64] = (corners.min(0) + corners.max(0)) / 2
    return middle


def _across(corners: npt.NDArray[np.float64]) -> float:
    """Mm across a picture that holds the mesh from every side, with a little room."""
    away = corners - _middle(corners)
    return 2.1 * float(max(np.hypot(away[:, 0], away[:, 1]).max(), np.abs(away[:, 2]).max()))
