"""Curves on awkward grids: shown where they are, dragged with a mouse, back in patient space."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from conftest import drag_mouse, farthest, on_screen
from medcontour_napari.geometry import area_mm2
from medcontour_napari.layers import outlines_of, shown_in

import medcontour as mc


def _outline(layer: Any) -> np.ndarray:
    [found] = outlines_of(shown_in(layer), layer.data, layer.features)
    assert found.slice == 1
    return np.asarray(found.corners_lps_mm)


def test_an_outline_comes_back_where_it_was(
    viewer: Any, written: tuple[Path, mc.Scan, np.ndarray]
) -> None:
    file, scan, corners = written
    viewer.open(file, plugin="medcontour-napari")
    image, outlines = viewer.layers["scan"], viewer.layers["outlines"]
    assert farthest(_outline(outlines), corners) < 0.01
    assert np.allclose(image.scale, (scan.slice_spacing, *scan.pixel_spacing))
    assert np.allclose(outlines.scale, image.scale)
    assert np.array_equal(image.data, scan.voxels)
    # Length of the layer's world is millimetres: the outline's area there is the real one.
    world = outlines.data[0] * outlines.scale
    y, x = world[:, 1], world[:, 2]
    shoelace = abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
    assert abs(outlines.features["area_mm2"][0] - shoelace) < 1e-3


def test_a_dragged_point_takes_its_neighbours_along_and_lands_in_the_file(
    viewer: Any,
    panel: Any,
    written: tuple[Path, mc.Scan, np.ndarray],
    tmp_path: Path,
) -> None:
    file, scan, _ = written
    viewer.open(file, plugin="medcontour-napari")
    layer = viewer.layers["outlines"]
    panel._go_to(0)
    viewer.camera.center = np.asarray(layer.data_to_world(layer.data[0].mean(0)))
    viewer.camera.zoom = 14
    before = layer.data[0].copy()
    area = float(layer.features["area_mm2"][0])
    layer.mode = "direct"
    layer.selected_data = {0}
    start = on_screen(viewer, layer, before[0])
    out = before[0] + (before[0] - before.mean(0)) * 0.5
    drag_mouse(viewer, start, on_screen(viewer, layer, out))
    after = layer.data[0]
    moved = np.linalg.norm((after - before) * layer.scale, axis=1)
    assert moved[0] > 0.5
    assert moved[0] > moved[1] > 0
    assert np.array_equal(after[30], before[30])  # the other side stays where it is
    assert layer.features["area_mm2"][0] > area
    assert (
        panel.findings.item(0, 4).text().startswith(f"{area_mm2(after, shown_in(layer).study):.1f}")
    )

    expected = scan.to_lps(after[:, :0:-1].astype(float), 1)
    layer.save(str(tmp_path / "edited.json"), plugin="medcontour-napari")
    [contour] = mc.Suggestion.read_json(tmp_path / "edited.json").contours("outline")
    assert contour.slice == 1
    assert farthest(contour.polygon_lps_mm, expected) < 0.01
    refined = mc.refine(file, tmp_path / "edited.json", scan)
    assert [part.change for part in refined.report.slices] == ["moved"]


def test_a_new_shape_is_of_no_finding_and_a_removed_one_is_gone(
    viewer: Any, panel: Any, written: tuple[Path, mc.Scan, np.ndarray], tmp_path: Path
) -> None:
    file, scan, _ = written
    viewer.open(file, plugin="medcontour-napari")
    layer = viewer.layers["outlines"]
    layer.selected_data = {0}
    triangle = np.array([[2, 3, 4], [2, 3, 14], [2, 13, 9]], dtype=float)
    layer.add_polygons(triangle)
    assert list(layer.features["finding"])[1] == ""
    assert layer.features["label"][1] == "finding"
    assert np.isnan(layer.features["score"][1])
    layer.selected_data = {0}
    layer.remove_selected()
    assert panel.findings.rowCount() == 1
    layer.save(str(tmp_path / "edited.json"), plugin="medcontour-napari")
    [contour] = mc.Suggestion.read_json(tmp_path / "edited.json").contours("outline")
    assert farthest(contour.polygon_lps_mm, scan.to_lps(triangle[:, :0:-1], 2)) < 0.01
    area = 0.5 * 10 * 10 * np.prod(scan.pixel_spacing)
    assert abs(layer.features["area_mm2"].iloc[0] - area) < 1e-3
