"""COCO JSON and PNG: pixels of a picture, judged by pycocotools and Pillow."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import shapely
from export_cases import (
    AXIAL,
    CASES,
    ELLIPSES,
    EVIDENCE,
    Case,
    case_suggestion,
    dice,
    each,
    suggest,
    write_series,
)
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO

from medcontour.contour.coverage import polygon_coverage
from medcontour.formats import label_volume
from medcontour.results import PlacedContour, export, exporters, refusal
from medcontour.results.masks import pixel_mask
from medcontour.scan import Scan, read_scan


@pytest.fixture
def picture(tmp_path: Path) -> Scan:
    pixels = np.random.default_rng(0).integers(0, 255, (44, 60), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(tmp_path / "holiday 7.png")
    return read_scan(tmp_path / "holiday 7.png")


def disk(
    scan: Scan, centre: tuple[float, float], radius: float, kind: str = "outline"
) -> PlacedContour:
    t = np.arange(256) * 2 * np.pi / 256
    points = np.stack([np.cos(t), np.sin(t)], 1) * radius + centre
    return PlacedContour(kind, 0, {}, scan.to_lps(points, 0), float(np.pi * radius**2))


def written(suggestion: object, scan: Scan, path: Path) -> tuple[dict, COCO]:
    export(suggestion, scan, "coco", path)
    return json.loads(path.read_text("utf-8")), COCO(str(path))


def test_a_disk_in_a_picture_in_numbers(picture: Scan, tmp_path: Path) -> None:
    """A disk about the centre of pixel (20, 10) is about (20.5, 10.5) from the picture's corner."""
    contours = [disk(picture, (20, 10), 6), disk(picture, (20, 10), 3, "evidence")]
    suggestion = suggest(picture, contours, labels=["bird", "bird"])
    document, _ = written(suggestion, picture, tmp_path / "coco.json")
    assert document["images"] == [
        {"id": 1, "width": 60, "height": 44, "file_name": "holiday 7.png", "slice": 0}
    ]
    assert document["categories"] == [
        {"id": 1, "name": "bird", "supercategory": ""},
        {"id": 2, "name": "bird evidence", "supercategory": ""},
    ]
    outline, evidence = document["annotations"]
    for annotation, kind, radius in ((outline, "outline", 6), (evidence, "evidence", 3)):
        assert (annotation["kind"], annotation["score"]) == (kind, 0.5)
        assert (annotation["image_id"], annotation["category_id"]) == (1, 1 + (kind != "outline"))
        assert annotation["iscrowd"] == 0
        expected = [20.5 - radius, 10.5 - radius, 2 * radius, 2 * radius]
        np.testing.assert_allclose(annotation["bbox"], expected, atol=1e-9)
        assert annotation["area"] == pytest.approx(np.pi * radius**2, rel=2e-4)
        [polygon] = annotation["segmentation"]
        points = np.array(polygon).reshape(-1, 2)
        np.testing.assert_allclose(np.hypot(*(points - (20.5, 10.5)).T), radius, atol=1e-9)
    assert outline["id"] != evidence["id"]


def test_pycocotools_fills_the_polygon_where_our_mask_is(picture: Scan, tmp_path: Path) -> None:
    """On whole, half and odd positions alike; a corner taken for a centre would show at once."""
    for column, row in [(20, 10), (20.5, 10.5), (31.27, 21.81), (12.9, 28.4)]:
        contour = disk(picture, (column, row), 9.3)
        _, coco = written(suggest(picture, [contour]), picture, tmp_path / "coco.json")
        [annotation] = coco.loadAnns(coco.getAnnIds())
        theirs = coco.annToMask(annotation).astype(bool)
        assert dice(theirs, pixel_mask(contour.polygon_lps_mm, picture, 0)) > 0.98
        ys, xs = np.nonzero(theirs)
        assert np.hypot(xs.mean() - column, ys.mean() - row) < 0.15
        assert theirs.sum() == pytest.approx(annotation["area"], rel=0.03)


@pytest.mark.parametrize("case", each(*CASES), ids=lambda case: case.name)
def test_every_slice_of_a_scan_with_a_contour_is_an_image(case: Case, tmp_path: Path) -> None:
    scan = read_scan(write_series(case, tmp_path / "series"))
    suggestion = case_suggestion(scan, case)
    document, coco = written(suggestion, scan, tmp_path / "coco.json")
    assert [image["slice"] for image in document["images"]] == [1, 2, 3]
    assert [image["file_name"] for image in document["images"]] == [
        f"slice_000{k}.png" for k in (1, 2, 3)
    ]
    truth = {"outline": list(ELLIPSES), "evidence": list(EVIDENCE)}
    slices = {image["id"]: image["slice"] for image in document["images"]}
    assert len(document["annotations"]) == 8
    for annotation in document["annotations"]:
        points = np.array(annotation["segmentation"][0]).reshape(-1, 2) - 0.5
        k = slices[annotation["image_id"]]
        placed = case.place(points, k)
        apart = [
            np.abs(e.radius(case, placed) - 1).max() if e.k == k else np.inf
            for e in truth[annotation["kind"]]
        ]
        nearest = int(np.argmin(apart))
        assert apart[nearest] < 1e-3
        ellipse = truth[annotation["kind"]].pop(nearest)
        pixel = case.row_spacing * case.column_spacing
        assert annotation["area"] * pixel == pytest.approx(np.pi * np.prod(ellipse.half_axes), 1e-3)
    volume = np.zeros(scan.voxels.shape, bool)
    for annotation in coco.loadAnns(coco.getAnnIds()):
        if annotation["kind"] == "outline":
            volume[slices[annotation["image_id"]]] |= coco.annToMask(annotation).astype(bool)
    assert dice(volume, label_volume(suggestion, scan) == 1) > 0.98


@given(
    centre=st.tuples(st.floats(-3, 23), st.floats(-3, 17)),
    half_axes=st.tuples(st.floats(0.05, 12), st.floats(0.05, 12)),
    corners=st.integers(3, 60),
    turn=st.floats(0, 6.3),
    sense=st.sampled_from([1, -1]),
)
def test_coverage_is_the_area_of_each_pixel_inside(
    centre: tuple[float, float],
    half_axes: tuple[float, float],
    corners: int,
    turn: float,
    sense: int,
) -> None:
    """Against shapely's exact intersections, for polygons that reach over every border too."""
    t = turn + sense * np.arange(corners) * 2 * np.pi / corners
    points = np.stack([np.cos(t), np.sin(t)], 1) * half_axes + centre
    polygon = shapely.Polygon(points)
    rows, columns = 15, 21
    x, y = np.meshgrid(np.arange(columns) - 0.5, np.arange(rows) - 0.5)
    pixels = shapely.box(x, y, x + 1, y + 1)
    expected = shapely.area(shapely.intersection(pixels, polygon))
    np.testing.assert_allclose(polygon_coverage(points, (rows, columns)), expected, atol=1e-9)


def test_coverage_of_corners_on_pixel_borders() -> None:
    square = [(1.5, 0.5), (1.5, 2.5), (3.5, 2.5), (3.5, 0.5)]
    expected = np.zeros((4, 6))
    expected[1:3, 2:4] = 1
    np.testing.assert_array_equal(polygon_coverage(square, (4, 6)), expected)
    np.testing.assert_array_equal(polygon_coverage(square[::-1], (4, 6)), expected)


# PNG


def test_png_holds_the_labels_values_and_colours(picture: Scan, tmp_path: Path) -> None:
    contours = [disk(picture, (15, 12), 6), disk(picture, (40, 30), 8)]
    suggestion = suggest(picture, contours, labels=["bird", "cat"])
    export(suggestion, picture, "png", tmp_path / "labels.png")
    with PIL.Image.open(tmp_path / "labels.png") as image:
        assert (image.mode, image.size) == ("P", (60, 44))
        np.testing.assert_array_equal(np.asarray(image), label_volume(suggestion, picture)[0])
        colours = np.asarray(image.convert("RGB"))
    assert colours[0, 0].tolist() == [0, 0, 0]
    assert colours[12, 15].tolist() == [230, 159, 0]
    assert colours[30, 40].tolist() == [0, 158, 115]
    export(suggest(picture, []), picture, "png", tmp_path / "empty.png")
    assert not np.asarray(PIL.Image.open(tmp_path / "empty.png")).any()


def test_a_volume_is_no_png(tmp_path: Path) -> None:
    sentence = refusal(read_scan(write_series(AXIAL, tmp_path)), "png")
    assert sentence is not None
    assert sentence.startswith("A PNG holds one slice and this scan has 5, so")


# What is written when no format is asked for


def test_pictures_get_coco_and_png_and_scans_what_hospitals_read(
    picture: Scan, tmp_path: Path
) -> None:
    scan = read_scan(write_series(AXIAL, tmp_path / "series"))
    defaults = {
        source: {name for name, found in exporters().items() if found.by_default(made)}
        for source, made in (("picture", picture), ("scan", scan))
    }
    assert defaults["picture"] - defaults["scan"] == {"coco", "png"}
    assert not {"seg-labelmap", "seg-fractional"} & defaults["picture"]
    suggestion = replace(case_suggestion(scan, AXIAL), source=scan)
    saved = suggestion.save(tmp_path / "out", ["labelmap", "seg-fractional", "coco"])
    assert {"seg_fractional.dcm", "coco.json"} < set(saved.files)
