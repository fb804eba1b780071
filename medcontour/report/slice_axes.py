"""A slice under many curves, and figures written whole: what figures of one slice share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from medcontour.errors import MedcontourError
from medcontour.files import replacing
from medcontour.report.pictures import edge_letters, scale_bar
from medcontour.results import PlacedContour, SliceResult
from medcontour.scan.scan import Scan
from medcontour.scan.values import grey_values

__all__ = ["check_slice", "draw_curve", "draw_slice", "new_figure", "write_figure"]

_RIM = [patheffects.withStroke(linewidth=3.0, foreground="black")]
_THIN_RIM = [patheffects.withStroke(linewidth=3.0, foreground="black", alpha=0.5)]
_DPI = 120


def check_slice(result: SliceResult, scan: Scan) -> None:
    """Refuse a scan that is not the result's.

    Raises
    ------
    MedcontourError
        When its size differs.
    """
    if tuple(scan.voxels.shape[:3]) != tuple(result.scan.shape):
        raise MedcontourError(
            "The result was made on a scan of another size; give the scan it was made on."
        )


def new_figure(width: float, height: float) -> Figure:
    """Make an empty white figure, in inches, drawn without a display."""
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def write_figure(figure: Figure, path: Path) -> None:
    """Write a PNG, whole or not at all."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


def draw_slice(axes: Axes, scan: Scan, k: int) -> None:
    """Draw slice `k` at true pixel aspect, with the patient's directions and a bar of length."""
    row, column = scan.pixel_spacing
    axes.imshow(
        grey_values(scan.voxels[k], scan.window),
        cmap="gray",
        vmin=0,
        vmax=255,
        aspect=row / column,
        interpolation="nearest",
    )
    axes.set_axis_off()
    edges = edge_letters(scan)
    if edges is not None:
        marks = ((0.02, 0.5, edges.left), (0.98, 0.5, edges.right))
        for x, y, text in (*marks, (0.5, 0.97, edges.top), (0.5, 0.03, edges.bottom)):
            _write(axes, x, y, text)
    length = scale_bar(scan.columns * column)
    share = length / (scan.columns * column)
    axes.plot(
        [0.03, 0.03 + share],
        [0.95, 0.95],
        transform=axes.transAxes,
        color="white",
        linewidth=2,
        path_effects=_RIM,
    )
    unit = "pixels" if scan.units == "pixel" else "mm"
    _write(axes, 0.03, 0.915, f"{length:g} {unit}", "left")


def _write(axes: Axes, x: float, y: float, text: str, side: Any = "center") -> None:
    axes.text(
        x,
        y,
        text,
        transform=axes.transAxes,
        color="white",
        fontsize=9,
        ha=side,
        va="center",
        path_effects=_RIM,
        parse_math=False,
    )


def draw_curve(
    axes: Axes, scan: Scan, contour: PlacedContour, colour: Any, label: str | None, **style: Any
) -> None:
    """Draw a closed curve on its slice."""
    points = scan.to_index(contour.polygon_lps_mm, contour.slice)
    closed: npt.NDArray[np.float64] = np.vstack([points, points[:1]])
    axes.plot(
        closed[:, 0],
        closed[:, 1],
        color=colour,
        label=label,
        scalex=False,
        scaley=False,
        path_effects=_THIN_RIM,
        **{"linewidth": 1.6, **style},
    )
