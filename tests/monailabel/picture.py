"""The picture in the plugin's README, of answers of a running server.

It is made by ``python tests/monailabel/picture.py plugins/monailabel/at_work.png``.

MEDCONTOUR_MONAILABEL is the environment that plugins/monailabel/setup.sh made.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import nibabel
import numpy as np
from label_server import running_server
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy import ndimage

import medcontour as mc

SAMPLE = Path(__file__).resolve().parents[2] / "sample_data"
SLICE, SHOWN = 14, 30  # pixels about the nodule
ORANGE, BLUE = "#e69f00", "#56b4e9"


def _plane(file: Path | None) -> np.ndarray:
    """(rows, columns) of the slice: the files' first axis is columns."""
    assert file is not None
    return np.asarray(nibabel.load(file).dataobj)[..., SLICE].T


def _picture(path: Path, scratch: Path) -> None:
    scan = mc.read_scan(SAMPLE / "ct_study")
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ scan.affine_lps
    studies = scratch / "studies"
    studies.mkdir()
    voxels = scan.voxels.transpose(2, 1, 0).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(voxels, affine), studies / "chest.nii.gz")
    conf = ("classifier", str(SAMPLE / "nodule_classifier"), "most_seconds", "none")
    with running_server(scratch / "server", studies, *conf) as server:
        suggested = server.infer("suggestion", "chest", scratch)
        label = _plane(suggested.file) != 0
        row, column = (round(v) for v in ndimage.center_of_mass(label))
        click = (column + 1, row - 1, SLICE)
        snapped = server.infer("snap", "chest", scratch, {"foreground": [list(click)]})
        snap = _plane(snapped.file) != 0
        # A reader's edit: the outline one pixel wider.
        image = nibabel.load(suggested.file)
        edited = np.asarray(image.dataobj).copy()
        edited[..., SLICE] = ndimage.binary_dilation(edited[..., SLICE])
        drawn = scratch / "edited.nii.gz"
        nibabel.save(nibabel.Nifti1Image(edited, image.affine), drawn)
        saved = server.save_label("chest", drawn, ["nodule"])
        saved.raise_for_status()
    parts = [part for f in suggested.params["findings"] for part in f["slices"]]
    finding = next(part for part in parts if part["slice"] == SLICE)
    report = saved.json()["edit_report"]["slices"]
    edit = next(f for f in report if f["slice"] == SLICE)
    print(json.dumps({"finding": finding, "edit": edit}, indent=2))
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    grey = scan.voxels[SLICE]
    aspect = scan.pixel_spacing[0] / scan.pixel_spacing[1]
    titles = (
        f"suggestion: probability {finding['score']:.2f}",
        "snap: from one click (+)",
        "the reader's edit, saved (white)",
    )
    for axes, title in zip(figure.subplots(1, 3), titles, strict=True):
        axes.imshow(grey, cmap="gray", vmin=-1250, vmax=250, aspect=aspect)
        axes.set(
            xlim=(column - SHOWN, column + SHOWN), ylim=(row + SHOWN, row - SHOWN), title=title
        )
        axes.axis("off")
        mask, colour = (snap, BLUE) if "snap" in title else (label, ORANGE)
        _edge(axes, mask, colour)
        if "snap" in title:
            axes.plot(*click[:2], "+", color="white", markersize=9)
        if "edit" in title:
            _edge(axes, edited[..., SLICE].T != 0, "white")
    figure.savefig(path, dpi=90)


def _edge(axes: object, mask: np.ndarray, colour: str) -> None:
    """Draw the border of pixels, as it is: along their edges."""
    large = np.kron(mask, np.ones((8, 8)))
    rows, columns = mask.shape
    x = (np.arange(columns * 8) + 0.5) / 8 - 0.5
    y = (np.arange(rows * 8) + 0.5) / 8 - 0.5
    axes.contour(x, y, large, [0.5], colors=[colour], linewidths=1.4)  # type: ignore[attr-defined]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        _picture(Path(sys.argv[1]), Path(folder))
