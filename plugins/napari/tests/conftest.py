"""A real viewer, scans on awkward grids, and what a reader's hand does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import napari
import nibabel
import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

import medcontour as mc
from medcontour.formats.shapes import Edited, EditedShape
from medcontour.workspace import nothing_suggested

SAMPLE = Path(__file__).resolve().parents[3] / "sample_data"
SECONDS = 240
GRIDS = ("anisotropic", "oblique", "flipped")


@pytest.fixture
def viewer() -> Iterator[Any]:
    made = napari.Viewer(show=True)
    made.window._qt_window.resize(1280, 800)
    QApplication.processEvents()
    yield made
    made.close()
    QApplication.processEvents()


@pytest.fixture
def panel(viewer: Any) -> Any:
    _, widget = viewer.window.add_plugin_dock_widget("medcontour-napari", "Findings")
    return widget


def settle(panel: Any) -> str:
    """Wait until the panel's work has ended; what it says then."""
    until = time.monotonic() + SECONDS
    while panel.task.running and time.monotonic() < until:
        QApplication.processEvents()
        time.sleep(0.01)
    assert not panel.task.running
    QApplication.processEvents()
    return str(panel.said.text())


@pytest.fixture(params=GRIDS)
def written(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, mc.Scan, np.ndarray]:
    """A suggestion.json with one outline on the second of three slices, its scan, the outline."""
    volume = np.random.default_rng(0).normal(size=(40, 30, 3)).astype(np.float32)
    affine = np.diag([0.7, 1.9, 4.0, 1.0])
    affine[:3, 3] = (-13.0, 40.0, 7.5)
    if request.param == "oblique":
        a, b = np.radians(25), np.radians(-15)
        about_x = [[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]]
        about_z = [[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]]
        affine[:3, :3] = np.array(about_x) @ np.array(about_z) @ affine[:3, :3]
    if request.param == "flipped":
        affine[:3, 0] *= -1
        affine[:3, 2] *= -1
    nibabel.save(nibabel.Nifti1Image(volume, affine), tmp_path / "scan.nii.gz")
    scan = mc.read_scan(tmp_path / "scan.nii.gz")
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    middle = np.array([scan.columns / 2, scan.rows / 2])
    index = middle + np.stack([7 * np.cos(angles), 5 * np.sin(angles)], 1)
    corners = scan.to_lps(index, 1)
    drawn = Edited("curves", (EditedShape("lesion", None, 1, corners, kind="outline"),))
    made = mc.refine(nothing_suggested(scan), drawn, scan, include_other=True).suggestion
    place = tmp_path / "out"
    made.save(place, [])
    return place / "suggestion.json", scan, corners


def farthest(one: np.ndarray, other: np.ndarray) -> float:
    """The greatest distance from a corner of either to the nearest of the other, in mm."""
    apart = np.linalg.norm(one[:, None] - other[None], axis=-1)
    return float(max(apart.min(0).max(), apart.min(1).max()))


def on_screen(viewer: Any, layer: Any, point: np.ndarray) -> QPoint:
    """Where a point of a layer, (slice, row, column), is on the canvas, in its pixels."""
    world = np.asarray(layer.data_to_world(point))[1:]
    native = viewer.window._qt_viewer.canvas.native
    middle = np.array([native.height(), native.width()]) / 2
    at = middle + (world - np.asarray(viewer.camera.center)[1:]) * viewer.camera.zoom
    return QPoint(round(at[1]), round(at[0]))


def drag_mouse(viewer: Any, start: QPoint, end: QPoint) -> None:
    """Press the mouse on the canvas, move it, let go."""
    native = viewer.window._qt_viewer.canvas.native
    QTest.mouseMove(native, start)
    QTest.qWait(50)
    QTest.mousePress(native, Qt.MouseButton.LeftButton, pos=start)
    for n in range(1, 6):
        QTest.mouseMove(native, start + (end - start) * n / 5)
        QTest.qWait(30)
    QTest.mouseRelease(native, Qt.MouseButton.LeftButton, pos=end)
    QTest.qWait(50)
