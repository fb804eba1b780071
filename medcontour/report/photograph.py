"""One photograph with its evidence contour, as a picture and as JSON."""

from __future__ import annotations

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from medcontour.files import replacing
from medcontour.results import Photograph
from medcontour.scan import Scan

__all__ = ["write_photograph"]

WIDEST = 9.0  # inches


def write_photograph(found: Photograph, scan: Scan, folder: Path) -> list[str]:
    """Write ``explanation.json`` and ``overlay.png`` (the photograph with its contour).

    Parameters
    ----------
    found, scan
        What was found, and on which picture.
    folder
        Which is there.

    Returns
    -------
    list of str
        The files' names.
    """
    with replacing(folder / "explanation.json") as file:
        file.write_text(found.to_json(), encoding="utf-8")
    with replacing(folder / "overlay.png") as file:
        _draw(found, scan).savefig(file, dpi=130, format="png")
    return ["explanation.json", "overlay.png"]


def _draw(found: Photograph, scan: Scan) -> Figure:
    rows, columns = found.rows, found.columns
    width = WIDEST * min(1.0, columns / rows)
    figure = Figure(figsize=(width, width * rows / columns + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    pixels = scan.voxels[0] / 255
    axis.imshow(pixels.clip(0, 1), cmap="gray", vmin=0, vmax=1)
    closed = [*found.points, found.points[0]]
    halo = [withStroke(linewidth=4, foreground="black", alpha=0.6)]
    axis.plot(*zip(*closed, strict=True), color="#ffd21f", linewidth=2, path_effects=halo)
    axis.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))
    axis.set_axis_off()
    evidence = found.evidence
    axis.set_title(
        f"{found.title}: {evidence.measure} {evidence.original:.2f}, kept "
        f"{evidence.preserved:.2f}, taken away {evidence.deleted:.2f}",
        fontsize=10,
        parse_math=False,
        wrap=True,
    )
    return figure
