"""One PNG for each changed slice: what was suggested, dashed, and what the reader drew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib import patheffects
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from medcontour.edits.job import Refined
from medcontour.files import make_folder, replacing
from medcontour.report.pictures import (
    CURVE_COLOURS,
    close_up,
    curve_on_slice,
    extent,
    slice_region,
)
from medcontour.scan.values import grey_values

__all__ = ["write_pictures"]

_BEFORE = CURVE_COLOURS["evidence"]
_AFTER = CURVE_COLOURS["outline"]
_HALO = [patheffects.withStroke(linewidth=3.0, foreground="black", alpha=0.6)]
_HIGH = 7.0  # inches


def write_pictures(refined: Refined, folder: Path) -> list[Path]:
    """Write ``slice_007.png`` for each slice with a changed outline, counted from 1.

    The suggestion is dashed, the edit solid, on the slice in its display window at the pixels'
    true aspect; only the surroundings of the curves where these are small. Nothing of the
    patient's identity is drawn. Pictures of that name from an earlier run are removed.
    """
    report = refined.report
    slices = sorted(
        {part.slice for part in report.slices if part.moved or part.new or part.deleted}
    )
    if slices:
        make_folder(folder)
    written = []
    for k in slices:
        path = folder / f"slice_{k + 1:03d}.png"
        picture = _draw(refined, k)
        with replacing(path) as temporary:
            Image.fromarray(picture).save(temporary, "PNG")
        written.append(path)
    for stale in set(folder.glob("slice_*.png")) - set(written):
        stale.unlink()
    return written


def _draw(refined: Refined, k: int) -> npt.NDArray[np.uint8]:
    scan = refined.suggestion.source
    assert scan is not None
    before = [
        curve_on_slice(c, scan)
        for c in refined.before.contours(refined.before.editable)
        if c.slice == k
    ]
    after = [
        curve_on_slice(c, scan) for c in refined.suggestion.contours("outline") if c.slice == k
    ]
    shown = close_up([*before, *after], scan) or slice_region(scan)
    across, down = extent(shown, scan)
    figure = Figure(figsize=(max(_HIGH * across / down, 3.0), _HIGH + 0.6), facecolor="#111111")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, _HIGH / (_HIGH + 0.6)))
    row, column = scan.pixel_spacing
    axes.imshow(
        grey_values(scan.voxels[k], scan.window),
        cmap="gray",
        vmin=0,
        vmax=255,
        interpolation="nearest",
        aspect=row / column,
    )
    for curves, colour, style, name in (
        (before, _BEFORE, (0, (4.0, 2.0)), "suggested"),
        (after, _AFTER, "-", "edited"),
    ):
        for number, curve in enumerate(curves):
            closed = np.vstack([curve, curve[:1]])
            axes.plot(
                closed[:, 0],
                closed[:, 1],
                color=colour,
                linestyle=style,
                linewidth=1.5,
                path_effects=_HALO,
                label=name if number == 0 else None,
            )
    axes.set(xlim=(shown.left - 0.5, shown.right - 0.5), ylim=(shown.bottom - 0.5, shown.top - 0.5))
    axes.set_axis_off()
    figure.legend(loc="upper center", ncols=2, frameon=False, labelcolor="white")
    canvas.draw()  # type: ignore[no-untyped-call]
    picture = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return picture[..., :3].copy()
