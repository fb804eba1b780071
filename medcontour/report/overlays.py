"""One PNG a finding: the slice with its curves, at true pixel aspect."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from medcontour.errors import MedcontourError
from medcontour.files import replacing
from medcontour.report import words
from medcontour.report.pictures import (
    CURVE_COLOURS,
    Region,
    check_same_scan,
    close_up,
    curve_on_slice,
    edge_letters,
    extent,
    resized,
    scale_bar,
    slice_region,
)
from medcontour.results.finding import Finding
from medcontour.results.model import Suggestion
from medcontour.results.parts import FindingSlice
from medcontour.scan.scan import Scan
from medcontour.scan.values import grey_values

__all__ = ["caption", "write_overlays"]

_SMALLEST, _LARGEST = 768, 1536  # pixels along the longer side of the slice as drawn
_DPI = 100
_GAP = 6  # pixels between the slice and the enlarged part
_LINE = 18  # pixels a line of the caption
_NARROWEST = 400  # pixels; a narrower slice has the caption wider than itself
_COMPRESSION = 4  # half the time of the usual 6, and a tenth more bytes
_FONT = "DejaVu Sans"  # comes with matplotlib
_HALO = [patheffects.withStroke(linewidth=3.0, foreground="black", alpha=0.6)]

_RIM = [patheffects.withStroke(linewidth=3.5, foreground="black")]

Kind = Literal["outline", "evidence"]
_LINE_STYLES: dict[Kind, Any] = {"outline": "-", "evidence": (0, (4.0, 2.0))}


def write_overlays(suggestion: Suggestion, scan: Scan, folder: Path) -> list[Path]:
    """Write one PNG a finding, with its outline (solid) and evidence contour (dashed).

    The slice stands at the picture's upper left in the scan's display window, its pixels in the
    ratio of height to width that they have in the patient; small slices are enlarged. Where the
    curves are small, their surroundings stand enlarged beside it. Below stands what the report says
    of it, with the same warnings (`caption`). Nothing of the patient's identity is drawn.

    Parameters
    ----------
    suggestion
        The findings to draw.
    scan
        The scan that the suggestion was made on.
    folder
        Where to write; made where absent. Files are named by the slice, counted from 1 as on
        the picture: ``slice_007.png``, and ``slice_007_2.png`` for a second finding on that
        slice. Pictures of that name from an earlier run are removed.

    Returns
    -------
    list of pathlib.Path
        The files, in the findings' order.

    Raises
    ------
    MedcontourError
        When the scan is not the suggestion's, or the folder cannot be written.
    """
    check_same_scan(suggestion, scan)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MedcontourError(
            f"{folder} cannot be made ({error.strerror}); choose another folder."
        ) from error
    written: list[Path] = []
    seen: dict[int, int] = {}
    findings = [(part, finding) for finding in suggestion.findings for part in finding.slices]
    for part, finding in sorted(findings, key=lambda found: found[0].slice):
        seen[part.slice] = seen.get(part.slice, 0) + 1
        further = f"_{seen[part.slice]}" if seen[part.slice] > 1 else ""
        path = folder / f"slice_{part.slice + 1:03d}{further}.png"
        picture = _draw(part, caption(finding, part, suggestion), scan)
        with replacing(path) as temporary:
            Image.fromarray(picture).save(temporary, "PNG", compress_level=_COMPRESSION)
        written.append(path)
    for stale in set(folder.glob("slice_*.png")) - set(written):  # of an earlier run
        stale.unlink()
    return written


def caption(finding: Finding, part: FindingSlice, suggestion: Suggestion) -> list[str]:
    """Say below a slice of a finding what the report says of it, with every warning."""
    slices = suggestion.scan.shape[0]
    where = words.place(part.slice, slices)
    if slices > 1:
        where += f" (index {part.slice})"
    return [
        f"{finding.name}, score {words.probability(part.score)}. {where}. "
        f"{part.status.capitalize()}.",
        *words.warnings(part, suggestion),
        words.RESEARCH,
    ]


def _draw(part: FindingSlice, said: list[str], scan: Scan) -> npt.NDArray[np.uint8]:
    """(height, width, 3): the slice, beside it the curves' surroundings, below the caption."""
    whole = slice_region(scan)
    size = np.array(extent(whole, scan))
    longer = np.clip(max(scan.rows, scan.columns), _SMALLEST, _LARGEST)
    width, height = (int(n) for n in np.maximum(np.rint(size / size.max() * longer), 1))
    parts = [(whole, width)]
    contours = (*part.outlines, *part.evidence_contours)
    near = close_up([curve_on_slice(contour, scan) for contour in contours], scan)
    if near is not None:
        across, down = extent(near, scan)
        parts.append((near, round(height * across / down)))
    total = max(sum(w for _, w in parts) + _GAP * (len(parts) - 1), _NARROWEST)
    wide = max(20, total // 8)  # characters
    lines = [line for text in said for line in textwrap.wrap(text, wide)]
    below = _LINE * (len(lines) + 2)

    # A little over whole pixels: 0.29 * 100 is 28.999..., which the canvas would cut to 28.
    inches = ((total + 1e-6) / _DPI, (height + below + 1e-6) / _DPI)
    figure = Figure(figsize=inches, dpi=_DPI, facecolor="#111111")
    figure.set_layout_engine("none")
    canvas = FigureCanvasAgg(figure)
    share = height / (height + below)
    left = 0
    for region, part_width in parts:
        grey = grey_values(scan.voxels[part.slice][region.pixels], scan.window)
        image = resized(grey, part_width, height).convert("RGB")
        # Pixel for pixel: `Axes.imshow` samples anew, which up to matplotlib 3.10 moves the image.
        figure.figimage(np.asarray(image), left, below, origin="upper", zorder=-1)
        axes = figure.add_axes((left / total, 1 - share, part_width / total, share))
        _draw_region(axes, part, scan, region, (part_width, height))
        if region is whole and near is not None:
            _draw_frame(axes, near)
        left += part_width + _GAP
    caption_axes = figure.add_axes((0.0, 0.0, 1.0, 1 - share))
    caption_axes.set(xlim=(0, total), ylim=(below, 0))
    caption_axes.set_axis_off()
    _draw_legend(caption_axes, part, y=_LINE)
    for row, line in enumerate(lines, start=2):
        _write(caption_axes, 8, row * _LINE, line)
    canvas.draw()  # type: ignore[no-untyped-call]
    picture = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return picture[..., :3].copy()


def _draw_region(
    axes: Axes, part: FindingSlice, scan: Scan, region: Region, size: tuple[int, int]
) -> None:
    """Draw part of the slice, `size` (width, height) pixels large, with its curves."""
    # In index coordinates: a pixel's centre is an integer, its edges lie at halves.
    axes.set(
        xlim=(region.left - 0.5, region.right - 0.5), ylim=(region.bottom - 0.5, region.top - 0.5)
    )
    axes.set_axis_off()
    for contour in (*part.outlines, *part.evidence_contours):
        points = curve_on_slice(contour, scan)
        closed = np.vstack([points, points[:1]])
        _draw_line(axes, closed[:, 0], closed[:, 1], contour.kind)
    _draw_marks(axes, scan, region, size)


def _draw_marks(axes: Axes, scan: Scan, region: Region, size: tuple[int, int]) -> None:
    """Write the patient's directions at the edges, and draw a bar of round length."""
    width, height = size
    edges = edge_letters(scan)
    if edges is not None:
        across, along = 10 / width, 12 / height
        _write(axes, across, 0.5, edges.left, "left", inside=True, fontsize=12)
        _write(axes, 1 - across, 0.5, edges.right, "right", inside=True, fontsize=12)
        _write(axes, 0.5, 1 - along, edges.top, "center", inside=True, fontsize=12)
        _write(axes, 0.5, along, edges.bottom, "center", inside=True, fontsize=12)
    shown, _ = extent(region, scan)
    length = scale_bar(shown)
    x, y = 16 / width, 16 / height
    axes.plot(
        [x, x + length / shown],
        [y, y],
        transform=axes.transAxes,
        color="white",
        linewidth=2.0,
        solid_capstyle="butt",
        path_effects=_RIM,
    )
    unit = "pixels" if scan.units == "pixel" else "mm"
    _write(axes, x, 30 / height, f"{length:g} {unit}", inside=True)


def _draw_frame(axes: Axes, region: Region) -> None:
    """Draw the edges of a region that is shown enlarged."""
    left, right, top, bottom = np.array([*region[2:], *region[:2]]) - 0.5
    axes.plot(
        [left, right, right, left, left],
        [top, top, bottom, bottom, top],
        color="white",
        alpha=0.7,
        linewidth=0.7,
    )


def _draw_legend(axes: Axes, part: FindingSlice, y: float) -> None:
    kinds: list[Kind] = [kind for kind in _LINE_STYLES if part.contours(kind)]
    for kind, x in zip(kinds, (8, 140), strict=False):
        _draw_line(axes, [x, x + 36], [y, y], kind)
        _write(axes, x + 44, y, kind)


def _draw_line(axes: Axes, x: npt.ArrayLike, y: npt.ArrayLike, kind: Kind) -> None:
    axes.plot(
        x,
        y,
        color=CURVE_COLOURS[kind],
        linestyle=_LINE_STYLES[kind],
        linewidth=1.5,
        solid_joinstyle="round",
        path_effects=_HALO,
        scalex=False,
        scaley=False,
    )


def _write(
    axes: Axes,
    x: float,
    y: float,
    text: str,
    side: Literal["left", "center", "right"] = "left",
    *,
    inside: bool = False,
    fontsize: float = 9.0,
) -> None:
    """White text; `inside` a slice it has a dark rim, and `x` and `y` are shares of the axes."""
    axes.text(
        x,
        y,
        text,
        color="white",
        fontsize=fontsize,
        family=_FONT,
        ha=side,
        va="center",
        transform=axes.transAxes if inside else axes.transData,
        path_effects=_RIM if inside else None,
        parse_math=False,
        usetex=False,
    )
