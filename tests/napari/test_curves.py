"""What of the plugin needs no viewer: curves to layers and back, and the verbs in this process."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from medcontour_client import Study
from medcontour_napari import geometry
from medcontour_napari.layers import Shown, evidence_layer, outline_layer, outlines_of
from medcontour_napari.local import Local
from medcontour_napari.writers import write_rtstruct, write_suggestion
from server_process import BUNDLE, ROOT

import medcontour as mc
from medcontour.contour.polygons import deviation_mm

TURN = st.floats(-3.0, 3.0)
SPACING = st.floats(0.2, 6.0)


@st.composite
def studies(draw: st.DrawFn) -> Study:
    """On grids turned and flipped in any way, each slice at a place of its own."""
    a, b, c = (draw(TURN) for _ in range(3))
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    about_y = np.array([[np.cos(c), 0, np.sin(c)], [0, 1, 0], [-np.sin(c), 0, np.cos(c)]])
    turned = about_x @ about_z @ about_y @ np.diag(draw(st.tuples(*[st.sampled_from([1, -1])] * 3)))
    column, row, between = draw(SPACING), draw(SPACING), draw(SPACING)
    affines = np.tile(np.eye(4), (5, 1, 1))
    affines[:, :3, :3] = turned * (column, row, between)
    affines[:, :3, 3] = [turned[:, 2] * between * k**1.1 + (-90, 40, 700) for k in range(5)]
    return Study(
        id="",
        modality="CT",
        units="mm",
        shape=(5, 512, 512),
        colour=False,
        pixel_spacing=(row, column),
        slice_spacing=between,
        affines_lps=affines,
        window=(0.0, 1.0),
        notes=(),
        suggested=False,
        edited=False,
    )


@given(studies(), st.integers(0, 4), st.floats(0.0, 400.0))
def test_a_curve_comes_back_exactly_from_a_layer(study: Study, k: int, off: float) -> None:
    index = np.array([[3.25, 7.5], [90.0, 11.0], [60.5, 101.75]]) + off / 4
    corners = study.to_lps(index, k)
    shape = geometry.vertices(corners, k, study).astype(np.float32)  # as napari keeps it
    back, points = geometry.corners(shape, study)
    assert back == k
    assert np.linalg.norm(points - corners, axis=1).max() < 0.01
    (ax, ay), (bx, by) = (index[1:] - index[0]) * study.pixel_spacing[::-1]
    real = abs(ax * by - ay * bx) / 2
    assert geometry.area_mm2(shape, study) == pytest.approx(real, rel=1e-4)


@given(studies(), st.integers(0, 59), st.tuples(st.floats(0.5, 9), st.floats(0.5, 9)))
def test_neighbours_follow_a_dragged_point_and_the_far_side_stays(
    study: Study, corner: int, by: tuple[float, float]
) -> None:
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    before = np.stack([np.full(60, 2.0), 50 + 20 * np.sin(angles), 50 + 20 * np.cos(angles)], 1)
    after = before.copy()
    after[corner, 1:] += by
    followed = geometry.follow_drag(before, after, study)
    assert followed is not None
    assert np.allclose(followed[corner], after[corner])
    assert np.array_equal(followed[(corner + 30) % 60], before[(corner + 30) % 60])
    assert geometry.follow_drag(before, before + np.array([0.0, 1.0, 1.0]), study) is None
    assert geometry.follow_drag(before, before[:-1], study) is None


def test_a_curve_across_slices_is_refused() -> None:
    scan = mc.read_scan(ROOT / "sample_data" / "ct_study")
    study = geometry.study_of(scan)
    for shape in ([[0, 1, 1], [2, 1, 9], [0, 9, 9]], [[40, 1, 1], [40, 1, 9], [40, 9, 9]]):
        with pytest.raises(geometry.NotOnTheScan, match="one slice"):
            geometry.corners(np.array(shape, dtype=float), study)
        assert np.isnan(geometry.area_mm2(shape, study)) or shape[0][0] == 40


@pytest.mark.slow
def test_the_verbs_in_this_process_are_those_of_a_client(tmp_path: Path) -> None:
    """Suggested, moved, saved and exported, as the panel does it, and as napari's File menu."""
    place = str(ROOT / "sample_data" / "ct_study")
    local = Local(str(BUNDLE), {"slices": "13"})
    try:
        study = local.open(place)
        told = []
        document = local.suggest(study, told.append)
        assert told
        assert (
            json.loads(mc.suggest(place, str(BUNDLE), slices="13").to_json())["findings"]
            == (document["findings"])
        )
        shown = Shown(study, "image", place=place)
        evidence, _, _ = evidence_layer(shown, document)
        assert len(evidence) == 1
        data, attributes, _ = outline_layer(shown, document)
        features = attributes["features"]
        data = [shape.astype(np.float32) + np.float32([0, 2, 1]) for shape in data]
        left = outlines_of(shown, data, features)
        assert local.evidence(study, 13, left[0].corners_lps_mm)["status"]
        report = local.edit(study, left)
        assert [part["change"] for part in report["slices"]] == ["moved"]
        local.export(study, "rtstruct", to=tmp_path / "rtstruct.dcm", edited=True)
        attributes["features"] = features
        write_rtstruct(str(tmp_path / "again.dcm"), data, attributes)
        write_suggestion(str(tmp_path / "edited.json"), data, attributes)
        before = tmp_path / "before.json"
        before.write_text(json.dumps(document), encoding="utf-8")
        for name in ("rtstruct.dcm", "again.dcm", "edited.json"):
            refined = mc.refine(before, tmp_path / name, mc.read_scan(place))
            [contour] = refined.suggestion.contours("outline")
            assert deviation_mm(contour.polygon_lps_mm, left[0].corners_lps_mm) < 0.01, name
        assert local.snap(study, polygons=left)["findings"]
        with pytest.raises(mc.MedcontourError, match="no slice"):
            local.contour_map(study, 99)
    finally:
        local.close()
