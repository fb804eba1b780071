"""Contours from nine starts and under several spectral weights (Fig. 3), as pictures."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np

from medcontour.files import make_folder
from medcontour.report import words
from medcontour.report.slice_axes import (
    check_slice,
    draw_curve,
    draw_slice,
    new_figure,
    write_figure,
)
from medcontour.results import Robustness
from medcontour.scan.scan import Scan

__all__ = ["write_robustness"]

_START, _FOUND = "#D55E00", "#56B4E9"  # vermilion and sky blue of Okabe and Ito's palette


def write_robustness(result: Robustness, scan: Scan, folder: str | Path) -> list[Path]:
    """Write ``robustness.json``, ``starts.png`` and ``spectrum.png``.

    Parameters
    ----------
    result
        As `medcontour.robustness` gives it.
    scan
        The scan it was made on.
    folder
        Where to write; made where absent.

    Raises
    ------
    MedcontourError
        When the scan is not the result's, or the folder cannot be written.
    """
    check_slice(result, scan)
    out = make_folder(folder)
    paths = [out / name for name in ("robustness.json", "starts.png", "spectrum.png")]
    result.write_json(paths[0])
    _draw(result, scan, paths[1], spectrum=False)
    _draw(result, scan, paths[2], spectrum=True)
    return paths


def _draw(result: Robustness, scan: Scan, path: Path, *, spectrum: bool) -> None:
    row, column = scan.pixel_spacing
    tall = scan.rows * row / (scan.columns * column)
    figure = new_figure(8.6, float(np.clip(5.6 * tall, 3.4, 9.0)) + 0.7)
    axes = figure.add_subplot()
    draw_slice(axes, scan, result.slice)
    if spectrum:
        colours = matplotlib.colormaps["plasma"](np.linspace(0.95, 0.1, len(result.spectrum)))
        for run, colour in zip(result.spectrum, colours, strict=True):
            label = f"{run.spectral_weight:g}"
            draw_curve(axes, scan, run.contour, colour, label)
        title = f"Spectral weights, K = {result.settings['harmonics']}"
        figures = result.spectrum_agreement
    else:
        for n, run in enumerate(result.starts):
            if run.start is not None:
                named = "nine starts" if n == 0 else None
                draw_curve(axes, scan, run.start, _START, named, linewidth=0.9)
        for n, run in enumerate(result.starts):
            draw_curve(axes, scan, run.contour, _FOUND, "where they end" if n == 0 else None)
        title, figures = "Nine starts", result.starts_agreement
    unit = "mm" if scan.units == "mm" else "pixels"
    if figures:
        title += (
            f": mean overlap (IoU) {figures['iou']:.2f}, centers "
            f"{figures['distance_mm']:.1f} {unit} apart,\n"
            f"objective {figures['objective_mean']:.2f} (spread {figures['objective_spread']:.2f})"
        )
    where = words.place(result.slice, scan.slices).lower()
    axes.set_title(
        f"“{result.classifier.target_name}”, {where}. {title}",
        fontsize=9,
        parse_math=False,
    )
    heading = "spectral weight λr" if spectrum else None
    axes.legend(
        title=heading, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=9
    )
    write_figure(figure, path)
