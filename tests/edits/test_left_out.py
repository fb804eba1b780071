"""What a file holds and cannot be taken over is no deletion; other structures are not the edit."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from pathlib import Path

import numpy as np
import pydicom
import pytest
import shapely
from edits import AXIAL, copied_structure, smooth_suggestion, write_series, written
from hypothesis import given, settings
from hypothesis import strategies as st

import medcontour as mc
from medcontour.contour.polygons import region, union
from medcontour.errors import MedcontourError
from medcontour.formats.place import plane_mm
from medcontour.formats.reader import read_edited
from medcontour.results import Suggestion
from medcontour.scan import Scan

Made = tuple[Scan, Suggestion, Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Made:
    folder = tmp_path_factory.mktemp("left")
    scan = mc.read_scan(write_series(AXIAL, folder / "ct"))
    suggestion = smooth_suggestion(scan)
    for name in ("rtstruct", "seg", "labelmap", "markups", "coco", "nrrd", "sr"):
        written(suggestion, scan, name, folder)
    return scan, suggestion, folder


def counts(report: mc.Refined) -> list[int]:
    names = ("unchanged", "moved", "new", "deleted")
    return [sum(getattr(f, name) for f in report.report.slices) for name in names]


def damage(contour: pydicom.Dataset, how: str) -> None:
    points = np.reshape(contour.ContourData, (-1, 3)).astype(float)
    if how == "between slices":
        points[:, 2] += 1.35
    elif how == "across slices":
        points[:, 2] += np.linspace(0, 9, len(points))
    elif how == "two points":
        points = points[:2]
    elif how == "empty":
        points = points[:0]
    else:
        contour.ContourGeometricType = how
    contour.ContourData = [f"{v:.4f}" for v in points.ravel()]


@settings(max_examples=10)
@given(
    how=st.sampled_from(
        ["between slices", "across slices", "two points", "empty", "OPEN_PLANAR", "POINT", "SPIRAL"]
    ),
    which=st.sets(st.integers(0, 3), min_size=1, max_size=3),
    name=st.sampled_from(["nodule", "Nodule_1", "GTV"]),
)
def test_contours_left_out_are_not_deleted(
    made: Made, how: str, which: set[int], name: str
) -> None:
    scan, suggestion, folder = made
    dataset = pydicom.dcmread(folder / "rtstruct.dcm")
    dataset.StructureSetROISequence[0].ROIName = name
    for number in which:
        damage(dataset.ROIContourSequence[0].ContourSequence[number], how)
    dataset.save_as(folder / "damaged.dcm")
    refined = mc.refine(suggestion, folder / "damaged.dcm", scan)
    assert counts(refined) == [4, 0, 0, 0]
    assert refined.suggestion == suggestion
    notes = " ".join(refined.report.notes)
    assert "Left out of the file" in notes
    assert "stays as it was" in notes


def test_what_was_deleted_beside_what_was_left_out_is_deleted(made: Made, tmp_path: Path) -> None:
    scan, suggestion, folder = made
    dataset = pydicom.dcmread(folder / "rtstruct.dcm")
    contours = dataset.ROIContourSequence[0].ContourSequence
    damage(contours[0], "SPIRAL")  # slice 1
    del contours[-1]  # slice 3
    dataset.save_as(tmp_path / "e.dcm")
    refined = mc.refine(suggestion, tmp_path / "e.dcm", scan)
    assert [f.change for f in refined.report.slices] == ["unchanged", "unchanged", "deleted"]


def test_other_formats_leave_out_and_delete_nothing(made: Made, tmp_path: Path) -> None:
    scan, suggestion, folder = made
    other = tmp_path / "markups"
    other.mkdir()
    for path in (folder / "markups").iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    name = "nodule_1_slice_2.mrk.json"
    document = json.loads((other / name).read_text())
    document["markups"][0]["type"] = "Curve"
    (other / name).write_text(json.dumps(document))
    assert counts(mc.refine(suggestion, other, scan)) == [4, 0, 0, 0]
    (other / name).write_text("{torn")
    torn = mc.refine(suggestion, other, scan)
    assert counts(torn) == [4, 0, 0, 0]
    assert any("damaged files of curves, 1" in note for note in torn.report.notes)
    document = json.loads((folder / "coco.json").read_text())
    document["annotations"][0]["segmentation"] = []  # a box alone
    (tmp_path / "c.json").write_text(json.dumps(document))
    assert counts(mc.refine(suggestion, tmp_path / "c.json", scan)) == [4, 0, 0, 0]


@pytest.mark.parametrize("off", [0.6, -1.2])
@pytest.mark.parametrize(
    "name", ["rtstruct.dcm", "markups", "labelmap.nii.gz", "seg.dcm", "sr.dcm"]
)
def test_up_to_half_a_slice_off_is_the_slices_in_every_format(
    made: Made, name: str, off: float, tmp_path: Path
) -> None:
    scan, suggestion, folder = made  # 2.7 mm between slices
    path = moved_along(folder / name, off, tmp_path)
    refined = mc.refine(suggestion, path, scan)
    assert counts(refined)[1:] == [0, 0, 0]
    assert any("plane" in note for note in refined.report.notes)
    with pytest.raises(MedcontourError):
        read_edited(moved_along(folder / name, 1.35, tmp_path), scan)


def moved_along(path: Path, off: float, folder: Path) -> Path:
    target = folder / path.name
    if path.is_dir():
        target.mkdir(exist_ok=True)
        for file in path.iterdir():
            document = json.loads(file.read_text())
            for point in document["markups"][0]["controlPoints"]:
                point["position"][2] += off
            (target / file.name).write_text(json.dumps(document))
    elif path.suffix == ".gz":
        import nibabel

        image = nibabel.load(path)
        affine = image.affine.copy()
        affine[2, 3] += off
        nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj), affine), target)
    else:
        dataset = pydicom.dcmread(path)
        for item in dataset.get("ROIContourSequence", []):
            for contour in item.ContourSequence:
                points = np.reshape(contour.ContourData, (-1, 3)).astype(float) + np.array(
                    [0, 0, off]
                )
                contour.ContourData = [f"{v:.4f}" for v in points.ravel()]
        for item in dataset.iterall():
            if item.keyword == "GraphicData":
                points = np.reshape(item.value, (-1, 3)) + np.array([0, 0, off])
                item.value = points.ravel().tolist()
        for frame in dataset.get("PerFrameFunctionalGroupsSequence", []):
            place = frame.PlanePositionSequence[0].ImagePositionPatient
            place[2] = f"{float(place[2]) + off:.6f}"
        dataset.save_as(target)
    return target


def test_a_structure_of_closer_slices_keeps_those_in_the_planes(made: Made, tmp_path: Path) -> None:
    scan, suggestion, folder = made
    dataset = pydicom.dcmread(folder / "rtstruct.dcm")
    contours = dataset.ROIContourSequence[0].ContourSequence
    for contour in list(contours):
        between = deepcopy(contour)
        damage(between, "CLOSED_PLANAR")
        points = np.reshape(between.ContourData, (-1, 3)).astype(float) + np.array([1, 0, 0.9])
        between.ContourData = [f"{v:.4f}" for v in points.ravel()]
        contours.append(between)
    dataset.save_as(tmp_path / "e.dcm")
    refined = mc.refine(suggestion, tmp_path / "e.dcm", scan)
    assert counts(refined) == [4, 0, 0, 0]
    assert any("planes, 4" in note for note in refined.report.notes)


@settings(max_examples=8)
@given(
    st.lists(
        st.tuples(st.integers(8, 50), st.integers(8, 35), st.integers(2, 7)),
        min_size=2,
        max_size=5,
        unique=True,
    )
)
def test_exclusive_or_is_what_lies_in_an_odd_number(made: Made, discs) -> None:
    """Judged by counting, at places drawn over the slice."""
    scan, _, folder = made
    dataset = pydicom.dcmread(folder / "rtstruct.dcm")
    item = dataset.ROIContourSequence[0]
    template = item.ContourSequence[0]
    t = np.arange(40) * 2 * np.pi / 40
    item.ContourSequence = []
    rings = []
    for column, row, radius in discs:
        contour = deepcopy(template)
        ring = np.stack([np.cos(t), np.sin(t)], 1) * radius + (column, row)
        rings.append(shapely.Polygon(ring))
        contour.ContourData = [f"{v:.6f}" for v in scan.to_lps(ring, 1).ravel()]
        contour.ContourGeometricType = "CLOSEDPLANAR_XOR"
        item.ContourSequence.append(contour)
    dataset.save_as(folder / "xor.dcm")
    shapes = [s for s in read_edited(folder / "xor.dcm", scan).shapes if s.number == 1]
    row, column = scan.pixel_spacing
    read = union(region(plane_mm(s.polygon_lps_mm, scan, 1)) for s in shapes)
    x, y = np.random.default_rng(0).uniform((0, 0), (60, 44), (400, 2)).T
    odd = np.sum([shapely.contains_xy(ring, x, y) for ring in rings], axis=0) % 2 == 1
    near = (
        np.min([shapely.distance(r.exterior, shapely.points(x, y)) for r in rings], axis=0) < 1e-3
    )
    found = shapely.contains_xy(read, x * column, y * row)
    np.testing.assert_array_equal(found[~near], odd[~near])


def with_body(dataset: pydicom.Dataset, scan: Scan) -> None:
    roi, item = copied_structure(dataset, "BODY")
    whole = np.array([[0, 0], [59, 0], [59, 43], [0, 43]])
    template, item.ContourSequence = item.ContourSequence[0], []
    for k in range(scan.slices):
        contour = deepcopy(template)
        contour.ContourData = [f"{v:.4f}" for v in scan.to_lps(whole, k).ravel()]
        item.ContourSequence.append(contour)
    dataset.StructureSetROISequence.insert(0, roi)
    dataset.ROIContourSequence.insert(0, item)


def test_other_structures_are_named_and_taken_over_only_when_asked_for(
    made: Made, tmp_path: Path
) -> None:
    scan, suggestion, folder = made
    dataset = pydicom.dcmread(folder / "rtstruct.dcm")
    with_body(dataset, scan)
    dataset.save_as(tmp_path / "e.dcm")
    refined = mc.refine(suggestion, tmp_path / "e.dcm", scan)
    assert refined.suggestion == suggestion
    assert refined.report.total.added_path_length_mm == 0
    assert any("BODY" in note and "--include-other" in note for note in refined.report.notes)
    with_other = mc.refine(suggestion, tmp_path / "e.dcm", scan, include_other=True)
    assert counts(with_other) == [4, 0, 5, 0]
    assert {f.label for f in with_other.suggestion.slices} == {"nodule", "BODY"}


def test_a_reader_who_adds_a_lesion_adds_a_finding(made: Made, tmp_path: Path) -> None:
    """A structure that is called like the label, with a number behind, is of the label."""
    scan, suggestion, folder = made
    dataset = pydicom.dcmread(folder / "rtstruct.dcm")
    roi, item = copied_structure(dataset, "Nodule_2")
    del item.ContourSequence[1:]
    square = np.array([[44, 5], [52, 5], [52, 12], [44, 12]])
    item.ContourSequence[0].ContourData = [f"{v:.4f}" for v in scan.to_lps(square, 4).ravel()]
    dataset.StructureSetROISequence.append(roi)
    dataset.ROIContourSequence.append(item)
    dataset.save_as(tmp_path / "e.dcm")
    refined = mc.refine(suggestion, tmp_path / "e.dcm", scan)
    assert counts(refined) == [4, 0, 1, 0]
    assert {f.label for f in refined.suggestion.slices} == {"nodule"}


@pytest.mark.parametrize("name", ["rtstruct.dcm", "seg.dcm", "sr.dcm"])
def test_another_frame_of_reference_has_one_answer(made: Made, name: str, tmp_path: Path) -> None:
    scan, suggestion, folder = made
    dataset = pydicom.dcmread(folder / name)
    dataset.FrameOfReferenceUID = "1.2.3"
    for element in dataset.iterall():
        if element.keyword == "ReferencedFrameOfReferenceUID":
            element.value = "1.2.3"
    dataset.save_as(tmp_path / "own.dcm")
    refined = mc.refine(suggestion, tmp_path / "own.dcm", scan)
    assert not refined.report.changed
    assert any(re.search("names? this scan's images", note) for note in refined.report.notes)
    for element in dataset.iterall():
        if element.keyword in ("ReferencedSOPInstanceUID", "SeriesInstanceUID"):
            element.value = "1.2.4"
    dataset.save_as(tmp_path / "other.dcm")
    with pytest.raises(MedcontourError, match="another frame of reference"):
        read_edited(tmp_path / "other.dcm", scan)


@pytest.mark.parametrize("name", ["rtstruct.dcm", "seg.dcm", "sr.dcm"])
def test_without_its_preamble_a_file_is_read(made: Made, name: str, tmp_path: Path) -> None:
    scan, suggestion, folder = made
    (tmp_path / "bare.dcm").write_bytes((folder / name).read_bytes()[132:])
    assert not mc.refine(suggestion, tmp_path / "bare.dcm", scan).report.changed
    dataset = pydicom.dcmread(folder / name)
    if dataset.file_meta.TransferSyntaxUID.is_implicit_VR:  # as of before 1993, without meta
        del dataset.file_meta
        dataset.save_as(tmp_path / "old.dcm", implicit_vr=True, little_endian=True)
        assert not mc.refine(suggestion, tmp_path / "old.dcm", scan).report.changed
