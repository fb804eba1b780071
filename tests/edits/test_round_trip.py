"""What is written comes back as it was, on every geometry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from edits import CASES, TILTED, UNEVEN, Case, smooth_suggestion, write_series, written
from export_cases import each
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.draw import polygon2mask

import medcontour as mc
from medcontour.contour.polygons import deviation_mm, mask_polygons
from medcontour.formats.place import plane_mm
from medcontour.formats.reader import read_edited
from medcontour.results import Suggestion
from medcontour.results.masks import pixel_mask
from medcontour.scan import Scan

EVERY = [*CASES, TILTED, UNEVEN]


def name_of(case: Case) -> str:
    return case.name


@pytest.fixture(scope="module", params=each(*EVERY), ids=name_of)
def made(request, tmp_path_factory) -> tuple[Scan, Suggestion, Path]:
    folder = tmp_path_factory.mktemp("series")
    scan = mc.read_scan(write_series(request.param, folder / "ct"))
    return scan, smooth_suggestion(scan), folder


@pytest.mark.parametrize(
    ("name", "bound"), [("rtstruct", 0.05), ("markups", 0.2), ("coco", 0.05), ("json", 1e-9)]
)
def test_polygons_come_back(made, name: str, bound: float, tmp_path: Path) -> None:
    scan, suggestion, _ = made
    if name == "json":
        path = tmp_path / "suggestion.json"
        suggestion.write_json(path)
    else:
        path = written(suggestion, scan, name, tmp_path)
    shapes = read_edited(path, scan).shapes
    contours = [*suggestion.contours("outline"), *suggestion.contours("evidence")]
    assert len(shapes) == len(contours)
    for contour in contours:
        mine = plane_mm(contour.polygon_lps_mm, scan, contour.slice)
        there = [
            plane_mm(s.polygon_lps_mm, scan, s.slice) for s in shapes if s.slice == contour.slice
        ]
        nearest = min(there, key=lambda other: abs(other.max(0) - mine.max(0)).sum())
        assert deviation_mm(mine, nearest) <= bound
    refined = mc.refine(suggestion, path, scan)
    assert not refined.report.changed
    assert refined.suggestion == suggestion
    assert refined.report.total.dice == pytest.approx(1)


@pytest.mark.parametrize("name", ["seg-fractional", "seg-labelmap"])
def test_other_segmentations_come_back(made, name: str, tmp_path: Path) -> None:
    scan, suggestion, _ = made
    path = written(suggestion, scan, name, tmp_path)
    assert not mc.refine(suggestion, path, scan).report.changed
    if name == "seg-fractional":
        row, column = scan.pixel_spacing
        for shape in read_edited(path, scan).shapes:
            for polygon in mask_polygons(shape.values):
                off = min(
                    deviation_mm(plane_mm(c.polygon_lps_mm, scan, c.slice), polygon * (column, row))
                    for c in suggestion.contours("outline")
                    if c.slice == shape.slice
                )
                assert off <= max(row, column) / 2


@pytest.mark.parametrize("name", ["labelmap", "nrrd", "seg"])
def test_masks_come_back(made, name: str, tmp_path: Path) -> None:
    scan, suggestion, _ = made
    path = written(suggestion, scan, name, tmp_path)
    shapes = read_edited(path, scan).shapes
    assert sorted(s.slice for s in shapes) == [1, 2, 3]
    half = max(scan.pixel_spacing) / 2
    row, column = scan.pixel_spacing
    for shape in shapes:
        theirs = [c for c in suggestion.contours("outline") if c.slice == shape.slice]
        want = np.any([pixel_mask(c.polygon_lps_mm, scan, c.slice) for c in theirs], axis=0)
        np.testing.assert_array_equal(shape.values >= 0.5, want)
        back = [p * (column, row) for p in mask_polygons(shape.values)]
        assert len(back) == len(theirs)
        for contour in theirs:
            mine = plane_mm(contour.polygon_lps_mm, scan, contour.slice)
            assert min(deviation_mm(mine, other) for other in back) <= half
    refined = mc.refine(suggestion, path, scan)
    assert not refined.report.changed
    assert refined.suggestion == suggestion


@given(
    hnp.arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9))),
)
def test_mask_polygons_rasterise_to_the_same_mask(mask: np.ndarray) -> None:
    back = np.zeros(mask.shape, dtype=bool)
    for polygon in mask_polygons(mask):
        # Each part is one polygon, rings too; none holds another's pixels.
        part = polygon2mask(mask.shape, polygon[:, ::-1])
        assert not (back & part).any()
        back |= part
    np.testing.assert_array_equal(back, mask)


@given(hnp.arrays(np.float32, (6, 7), elements=st.floats(0, 1, width=32)))
def test_fractions_keep_their_half(values: np.ndarray) -> None:
    back = np.zeros(values.shape, dtype=bool)
    for polygon in mask_polygons(values):
        back |= polygon2mask(values.shape, polygon[:, ::-1])
    np.testing.assert_array_equal(back, values >= 0.5)
