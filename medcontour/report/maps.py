"""The importance contour map and its fidelity-area curve (the paper's Fig. 4), as pictures."""

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
from medcontour.results import ContourMap
from medcontour.scan.scan import Scan

__all__ = ["write_map"]

_KEPT, _GONE = "#0072B2", "#D55E00"  # blue and vermilion of Okabe and Ito's palette


def write_map(result: ContourMap, scan: Scan, folder: str | Path) -> list[Path]:
    """Write ``map.json``, ``map.png`` and ``fidelity.png``.

    ``map.png`` is the slice with its nested contours, coloured by area; ``fidelity.png`` the
    probability of the class against the area: only the contour kept (solid), the contour taken
    away (dashed), and the mean of random circles that cover as much (dotted; the shade is twice
    its standard error).

    Parameters
    ----------
    result
        As `medcontour.contour_map` gives it.
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
    paths = [out / name for name in ("map.json", "map.png", "fidelity.png")]
    result.write_json(paths[0])
    _draw_map(result, scan, paths[1])
    _draw_fidelity(result, paths[2])
    return paths


def _draw_map(result: ContourMap, scan: Scan, path: Path) -> None:
    row, column = scan.pixel_spacing
    tall = scan.rows * row / (scan.columns * column)
    figure = new_figure(8.6, float(np.clip(5.6 * tall, 3.4, 9.0)) + 0.5)
    axes = figure.add_subplot()
    draw_slice(axes, scan, result.slice)
    colours = matplotlib.colormaps["plasma"](np.linspace(0.95, 0.1, len(result.levels)))
    unit = "mm²" if scan.units == "mm" else "px"
    for level, colour in zip(result.levels, colours, strict=True):
        draw_curve(
            axes,
            scan,
            level.contour,
            colour,
            f"{100 * level.area_fraction:.3g} %  ({level.contour.area_mm2:.0f} {unit})",
        )
    name = result.classifier.target_name
    axes.set_title(
        f"What speaks for “{name}”, {words.place(result.slice, scan.slices).lower()} "
        f"(probability {result.score:.2f})",
        fontsize=10,
        parse_math=False,
    )
    axes.legend(
        title="area of the contour",
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
        frameon=False,
        fontsize=9,
    )
    write_figure(figure, path)


def _draw_fidelity(result: ContourMap, path: Path) -> None:
    figure = new_figure(6.8, 4.6)
    axes = figure.add_subplot()
    levels = result.levels
    area = [100 * level.area_fraction for level in levels]
    for colour, own, chance, style, what in (
        (_KEPT, "preserved", "random_preserved", "-", "only the contour kept"),
        (_GONE, "deleted", "random_deleted", "--", "contour taken away"),
    ):
        circles = np.array([getattr(level, chance) for level in levels])
        spread = np.array([getattr(level, chance + "_sd") for level in levels])
        error = 2 * spread / np.sqrt([level.circles for level in levels])
        low, high = circles - error, circles + error
        axes.fill_between(area, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(area, circles, color=colour, linestyle=":", label=_circle_label(what))
        axes.plot(area, [getattr(level, own) for level in levels], style, color=colour, label=what,
                  marker="o", markersize=4)  # fmt: skip
    axes.axhline(result.score, color="black", linewidth=0.8)
    axes.annotate("the slice as it is", (area[-1], result.score), (0, -4), ha="right", va="top",
                  textcoords="offset points", fontsize=8)  # fmt: skip
    axes.axhline(result.background_score, color="gray", linewidth=0.8)
    axes.annotate("the background alone", (area[-1], result.background_score), (0, 4), ha="right",
                  va="bottom", textcoords="offset points", fontsize=8, color="gray")  # fmt: skip
    axes.set(xlabel="area, % of the slice", ylim=(-0.03, 1.03))
    axes.set_ylabel(f"probability of “{result.classifier.target_name}”", parse_math=False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    write_figure(figure, path)


def _circle_label(what: str) -> str:
    return "random circles " + ("kept" if "kept" in what else "taken away")
