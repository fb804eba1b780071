"""The panel on the sample, in process and by a running server."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from conftest import farthest, settle
from medcontour_napari.layers import outlines_of, shown_in
from qtpy.QtWidgets import QApplication


@pytest.fixture(params=["in this process", "on a server"])
def sample(request: pytest.FixtureRequest, viewer: Any, panel: Any) -> Any:
    """The panel with the sample open, and one slice of it to look at."""
    viewer.open_sample("medcontour-napari", "thorax")
    assert panel.here.classifier.text().endswith("nodule_classifier")
    panel.here.slices.setText("13")
    panel.where.setCurrentText(request.param)
    if request.param == "on a server":
        panel.server.address.setText(os.environ["MEDCONTOUR_SERVER"])
        panel.server.secret.setText(os.environ["MEDCONTOUR_KEY"])
    return panel


def test_the_whole_story(viewer: Any, sample: Any, tmp_path: Path) -> None:
    """Suggested, moved, judged, saved, exported and snapped; a map once, since it takes long."""
    told: list[str] = []
    sample.task.stepped.connect(lambda what, done, most: told.append(what))
    sample.suggest()
    assert settle(sample) == "1 finding."
    assert told
    assert [layer.name for layer in viewer.layers] == ["scan", "evidence", "outlines"]
    layer = sample.outlines
    assert layer.features["label"][0] == "nodule 1"
    assert 0.5 < layer.features["score"][0] <= 1
    assert layer.features["area_mm2"][0] > 20
    assert sample.findings.item(0, 1).text() == "14"
    assert round(viewer.dims.point[0] / layer.scale[0]) == 13

    suggested = layer.data[0].copy()
    moved = suggested + np.array([0, 1.5, 2.0], dtype=np.float32)
    layer.data = [moved]
    layer.selected_data = {0}
    sample.judge()
    assert settle(sample).startswith("As it is: ")

    sample.save_edit()
    assert settle(sample) == "Saved: 1 of 1 outlines changed."
    assert sample.report.item(0, 2).text() == "moved"
    assert 0 < float(sample.report.item(0, 3).text()) < 1
    sample.export(str(tmp_path / "rtstruct.dcm"))
    assert settle(sample) == "The file is written."
    [outline] = outlines_of(shown_in(layer), layer.data, layer.features)
    points = [
        np.asarray(contour.ContourData, dtype=float).reshape(-1, 3)
        for roi in pydicom.dcmread(tmp_path / "rtstruct.dcm").ROIContourSequence
        for contour in roi.ContourSequence
    ]
    assert min(farthest(each, outline.corners_lps_mm) for each in points) < 0.01

    layer.selected_data = {0}
    sample.snap()
    assert settle(sample) == "Snapped to the evidence."
    back = np.linalg.norm((layer.data[0].mean(0) - suggested.mean(0)) * layer.scale)
    assert back < np.linalg.norm((moved.mean(0) - suggested.mean(0)) * layer.scale)

    if sample.where.currentIndex() == 0:
        return
    sample.map()
    assert "areas on slice 14" in settle(sample)
    assert list(viewer.layers["contour map, slice 14"].features["area_fraction"])


def test_work_is_cancelled(sample: Any) -> None:
    sample.here.slices.setText("")
    sample.suggest()
    began: list[int] = []
    sample.task.stepped.connect(lambda what, done, most: began.append(done))
    until = time.monotonic() + 120
    while not began and time.monotonic() < until:
        QApplication.processEvents()
        time.sleep(0.01)
    sample.stop.click()
    assert settle(sample) == "Cancelled."
    assert sample.buttons["suggest"].isEnabled()


def test_a_connection_is_tested(viewer: Any, panel: Any) -> None:
    panel.where.setCurrentText("on a server")
    panel.server.address.setText(os.environ["MEDCONTOUR_SERVER"])
    panel.test_connection()
    assert "key" in settle(panel)
    panel.server.secret.setText(os.environ["MEDCONTOUR_KEY"])
    panel.test_connection()
    assert "looks for nodule" in settle(panel)
    panel.server.address.setText("http://127.0.0.1:9")
    panel.test_connection()
    assert "cannot be reached" in settle(panel)


def test_what_is_missing_is_said(panel: Any) -> None:
    panel.suggest()
    assert settle(panel) == "Name a classifier first."
    panel.here.classifier.setText("nowhere")
    panel.suggest()
    assert settle(panel) == "Name a scan first."
    panel.place.setText("nowhere")
    panel.suggest()
    assert "nowhere" in settle(panel)
    for button in ("snap", "save", "map"):
        panel.buttons[button].click()
        assert settle(panel).endswith(("first.", "clicking it."))
