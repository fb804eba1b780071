"""RTSTRUCT and SEG opened and saved in the viewer, as other programs see them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from conftest import SAMPLE, farthest
from medcontour_napari.layers import outlines_of, shown_in

import medcontour as mc
from medcontour.formats.shapes import Edited, EditedShape
from medcontour.workspace import nothing_suggested


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[np.ndarray]]:
    """The sample series with an RTSTRUCT and a SEG of two outlines in folders beside it."""
    folder = tmp_path_factory.mktemp("study")
    shutil.copytree(SAMPLE / "ct_study", folder / "scan")
    scan = mc.read_scan(folder / "scan")
    angles = np.linspace(0, 2 * np.pi, 80, endpoint=False)
    circle = np.stack([9 * np.cos(angles), 9 * np.sin(angles)], 1)
    curves = [scan.to_lps(circle + np.array([60 + 3 * k, 70]), 12 + k) for k in range(2)]
    shapes = tuple(
        EditedShape("lesion", None, 12 + k, curve, kind="outline") for k, curve in enumerate(curves)
    )
    before = nothing_suggested(scan)
    made = mc.refine(before, Edited("curves", shapes), scan, include_other=True).suggestion
    mc.export(made, scan, "rtstruct", folder / "rtstruct.dcm")
    mc.export(made, scan, "seg", folder / "seg.dcm")
    return folder, curves


def test_an_rtstruct_is_read_edited_and_saved(
    viewer: Any, study: tuple[Path, list[np.ndarray]], tmp_path: Path
) -> None:
    folder, curves = study
    viewer.open(folder / "scan", plugin="medcontour-napari")
    viewer.open(folder / "rtstruct.dcm", plugin="medcontour-napari")
    layer = viewer.layers["outlines"]
    found = outlines_of(shown_in(layer), layer.data, layer.features)
    assert {name.split()[0] for name in layer.features["label"]} == {"lesion"}
    for outline, curve in zip(sorted(found, key=lambda one: one.slice), curves, strict=True):
        assert farthest(outline.corners_lps_mm, curve) < 0.01
    data = layer.data
    data[0] = data[0] + np.array([0, 3, 0], dtype=np.float32)  # three rows down
    layer.data = data
    where = str(tmp_path / "edited.rtstruct.dcm")
    layer.save(where, plugin="medcontour-napari")
    saved = pydicom.dcmread(where)
    assert saved.Modality == "RTSTRUCT"
    points = [
        np.asarray(contour.ContourData, dtype=float).reshape(-1, 3)
        for roi in saved.ROIContourSequence
        for contour in roi.ContourSequence
    ]
    for outline in outlines_of(shown_in(layer), layer.data, layer.features):
        assert min(farthest(each, outline.corners_lps_mm) for each in points) < 0.01


def test_a_seg_is_read_and_saved(
    viewer: Any, study: tuple[Path, list[np.ndarray]], tmp_path: Path
) -> None:
    import highdicom

    folder, _ = study
    viewer.open(folder / "scan", plugin="medcontour-napari")
    viewer.open(folder / "seg.dcm", plugin="medcontour-napari")
    layer = viewer.layers["outlines"]
    spacing = mc.read_scan(folder / "scan").pixel_spacing
    real = np.pi * 81 * np.prod(spacing)
    assert np.allclose(layer.features["area_mm2"], real, rtol=0.03)
    layer.save(str(tmp_path / "again.seg.dcm"), plugin="medcontour-napari")
    first, again = (
        highdicom.seg.segread(path) for path in (folder / "seg.dcm", tmp_path / "again.seg.dcm")
    )
    assert first.number_of_segments == again.number_of_segments
    assert abs(int(first.pixel_array.sum()) - int(again.pixel_array.sum())) < 4


def test_the_scan_beside_a_file_is_opened_with_it(
    viewer: Any, study: tuple[Path, list[np.ndarray]]
) -> None:
    folder, _ = study
    viewer.open(folder / "rtstruct.dcm", plugin="medcontour-napari")
    assert {layer.name for layer in viewer.layers} == {"scan", "evidence", "outlines"}


def test_a_file_without_its_scan_is_refused_in_a_sentence(
    viewer: Any, study: tuple[Path, list[np.ndarray]], tmp_path: Path
) -> None:
    shutil.copyfile(study[0] / "rtstruct.dcm", tmp_path / "rtstruct.dcm")
    with pytest.raises(mc.MedcontourError, match="open it first"):
        viewer.open(tmp_path / "rtstruct.dcm", plugin="medcontour-napari")


def test_other_layers_are_not_saved_as_ours(viewer: Any, tmp_path: Path) -> None:
    layer = viewer.add_shapes([np.array([[0, 0], [0, 9], [9, 9]])], shape_type="polygon")
    with pytest.raises(mc.MedcontourError, match="no outlines"):
        layer.save(str(tmp_path / "x.rtstruct.dcm"), plugin="medcontour-napari")
    assert not list(tmp_path.iterdir())
