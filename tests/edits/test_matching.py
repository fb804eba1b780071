"""Which shape belongs to which outline, rings, outlines that are no star, and files of no use."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import torch
from edits import AXIAL, UNEVEN, smooth_suggestion, with_slices, write_series
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import medcontour as mc
from medcontour.contour import FourierContour
from medcontour.contour.polygons import keyhole, region, union
from medcontour.edits.fitted import fit_outline
from medcontour.errors import MedcontourError
from medcontour.formats.place import plane_mm
from medcontour.formats.reader import read_edited
from medcontour.pipeline.planes import plane_geometry
from medcontour.results import Suggestion, export
from medcontour.results.masks import pixel_mask
from medcontour.scan import Scan


@pytest.fixture(scope="module")
def axial(tmp_path_factory) -> tuple[Scan, Suggestion]:
    scan = mc.read_scan(write_series(AXIAL, tmp_path_factory.mktemp("axial") / "ct"))
    return scan, smooth_suggestion(scan)


def structure_set(scan: Scan, suggestion: Suggestion, path: Path) -> pydicom.Dataset:
    export(suggestion, scan, "rtstruct", path)
    return pydicom.dcmread(path)


def changes(refined: mc.Refined) -> list[tuple[int, str]]:
    return [(f.slice, f.change) for f in refined.report.slices]


def shifted(dataset: pydicom.Dataset, roi: int, contour: int, by: tuple[float, float, float]):
    item = dataset.ROIContourSequence[roi].ContourSequence[contour]
    points = np.reshape(item.ContourData, (-1, 3)).astype(float) + np.array(by)
    item.ContourData = [f"{v:.6f}" for v in points.ravel()]


@pytest.mark.parametrize("name", ["Nodule", "lesion left", ""])
def test_renamed_structure_is_matched(axial, name: str, tmp_path: Path) -> None:
    scan, suggestion = axial
    dataset = structure_set(scan, suggestion, tmp_path / "r.dcm")
    dataset.StructureSetROISequence[0].ROIName = name
    shifted(dataset, 0, 0, (1, 1, 0))
    dataset.save_as(tmp_path / "r.dcm")
    refined = mc.refine(suggestion, tmp_path / "r.dcm", scan)
    assert changes(refined) == [(1, "moved"), (2, "unchanged"), (3, "unchanged")]
    assert {f.label for f in refined.suggestion.slices} == {"nodule"}


def test_structure_of_another_thing_is_new_and_hides_nothing(axial, tmp_path: Path) -> None:
    scan, suggestion = axial
    dataset = structure_set(scan, suggestion, tmp_path / "r.dcm")
    dataset.StructureSetROISequence[0].ROIName = "BODY"
    square = np.array([[0, 0], [59, 0], [59, 43], [0, 43]])
    for item in dataset.ROIContourSequence[0].ContourSequence:
        k = int(np.argmin(abs(scan.slice_origins_lps[:, 2] - float(item.ContourData[2]))))
        item.ContourData = [f"{v:.6f}" for v in scan.to_lps(square, k).ravel()]
    dataset.save_as(tmp_path / "r.dcm")
    left_out = mc.refine(suggestion, tmp_path / "r.dcm", scan)
    assert {f.label: f.change for f in left_out.report.slices} == {"nodule 1": "deleted"}
    refined = mc.refine(suggestion, tmp_path / "r.dcm", scan, include_other=True)
    by_label = {(f.label, f.slice): f.change for f in refined.report.slices}
    assert by_label[("BODY", 1)] == "new"
    assert by_label[("nodule 1", 1)] == "deleted"
    for each in (left_out, refined):
        assert any("BODY" in note for note in each.report.notes)
        assert any("right file" in note for note in each.report.notes)


@pytest.mark.slow
def test_inner_ring_is_a_hole_and_points_are_said(axial, tmp_path: Path) -> None:
    scan, suggestion = axial
    dataset = structure_set(scan, suggestion, tmp_path / "r.dcm")
    contours = dataset.ROIContourSequence[0].ContourSequence
    shifted(dataset, 0, 0, (0.5, 0, 0))
    outer = np.reshape(contours[0].ContourData, (-1, 3)).astype(float)
    inner = pydicom.Dataset()
    inner.ContourGeometricType = "CLOSED_PLANAR"
    hole = outer.mean(0) + 0.5 * (outer - outer.mean(0))
    inner.ContourData = [f"{v:.6f}" for v in hole.ravel()]
    point = pydicom.Dataset()
    point.ContourGeometricType = "POINT"
    point.ContourData = ["1", "2", "3"]
    between = pydicom.Dataset()
    between.ContourGeometricType = "CLOSED_PLANAR"
    between.ContourData = [f"{v:.6f}" for v in (outer + np.array([0, 0, 1.3])).ravel()]
    contours.extend([inner, point, between])
    empty = pydicom.Dataset()
    empty.ReferencedROINumber = 9
    dataset.ROIContourSequence.append(empty)
    dataset.save_as(tmp_path / "r.dcm")
    refined = mc.refine(suggestion, tmp_path / "r.dcm", scan)
    assert changes(refined)[0] == (1, "moved")
    notes = " ".join(refined.report.notes)
    for said in ("points and open lines, 1", "planes, 1", "without contours, 1"):
        assert said in notes
    outline = refined.suggestion.slices[0].outlines[0]
    whole = suggestion.slices[0].outlines[0].area_mm2
    assert outline.area_mm2 == pytest.approx(0.75 * whole, rel=0.01)
    want = pixel_mask(outer, scan, 1) & ~pixel_mask(hole, scan, 1)
    np.testing.assert_array_equal(pixel_mask(outline.polygon_lps_mm, scan, 1), want)
    # No star is a ring: several curves together.
    assert outline.quality["fit_curves"] > 1
    assert outline.quality["fit_dice"] >= 0.95
    assert len(outline.parameters["further"]) == outline.quality["fit_curves"] - 1
    assert any("no star" in note for note in refined.report.notes)


def test_bent_outline_takes_several_curves(axial) -> None:
    scan, _ = axial
    t = np.linspace(0.3, 5.6, 120)
    ring = np.concatenate([np.stack([np.cos(t), np.sin(t)], 1) * r for r in (16, 11)])
    ring[120:] = ring[120:][::-1]
    index = ring / (scan.pixel_spacing[1], scan.pixel_spacing[0]) + (30, 22)
    fitted = fit_outline(index, scan)
    assert len(fitted.curves) > 1
    assert fitted.dice >= 0.95
    parameters = fitted.parameters()
    curves = [FourierContour.from_dict(p) for p in (parameters, *parameters["further"])]
    plane = plane_geometry(scan)
    drawn = union(region(c.polygon(256)[0].numpy() * plane.unit_mm) for c in curves)

    shift = plane.from_index(torch.tensor([[30.0, 22.0]])).numpy() * plane.unit_mm
    own = region(ring + shift)
    assert 2 * drawn.intersection(own).area / (drawn.area + own.area) == pytest.approx(fitted.dice)


def test_label_map_of_two_labels_that_hide_each_other_is_unchanged(axial, tmp_path: Path) -> None:
    scan, suggestion = axial
    first = suggestion.slices[0]
    over = replace(
        first,
        label="vessel",
        outlines=tuple(
            replace(c, polygon_lps_mm=c.polygon_lps_mm + np.array([3.0, 0, 0]))
            for c in first.outlines
        ),
    )
    both = with_slices(suggestion, scan, first, over, *suggestion.slices[1:])
    for name in ("labelmap", "nrrd", "seg"):
        path = tmp_path / mc.exporters()[name].filename
        export(both, scan, name, path)
        refined = mc.refine(both, path, scan)
        assert not refined.report.changed, name
        assert refined.suggestion.slices == both.slices


def test_weak_findings_that_were_not_exported_stay(axial, tmp_path: Path) -> None:
    scan, suggestion = axial
    weak = replace(suggestion.slices[2], status="no better than random places")
    whole = with_slices(suggestion, scan, *suggestion.slices[:2], weak)
    for name in ("rtstruct", "labelmap", "markups"):
        path = tmp_path / mc.exporters()[name].filename
        export(whole.for_export(), scan, name, path)
        refined = mc.refine(whole, path, scan)
        assert refined.suggestion.slices == whole.slices


def test_evidence_as_label_map_becomes_an_outline(axial, tmp_path: Path) -> None:
    """With `--outline none` label maps hold evidence: what a reader paints is an outline."""
    scan, suggestion = axial
    bare = with_slices(
        replace(suggestion, settings={"outline": "none"}),
        scan,
        *(replace(part, outlines=()) for part in suggestion.slices),
    )
    path = tmp_path / "labelmap.nii.gz"
    export(bare, scan, "labelmap", path)
    assert mc.refine(bare, path, scan).suggestion.slices == bare.slices
    image = sitk.ReadImage(path)
    values = sitk.GetArrayFromImage(image)
    values[1] = 0
    values[1, 10:20, 15:30] = 1
    edited = sitk.GetImageFromArray(values)
    edited.CopyInformation(image)
    sitk.WriteImage(edited, path)
    refined = mc.refine(bare, path, scan).suggestion
    assert refined.editable == "outline"
    assert refined.slices[0].evidence_contours == bare.slices[0].evidence_contours
    outline = refined.slices[0].outlines[0]
    np.testing.assert_array_equal(pixel_mask(outline.polygon_lps_mm, scan, 1), values[1] > 0)


def test_other_grids_and_frames_are_refused(axial, tmp_path: Path) -> None:
    scan, suggestion = axial
    affine = scan.grid.affine_ras.copy()
    volume = np.ones(scan.grid.shape, np.uint8)
    finer = affine @ np.diag([0.5, 0.5, 1, 1])
    half = affine.copy()
    half[:3, 3] += 0.5 * affine[:3, 0]
    for name, wrong in (("finer", finer), ("half", half)):
        nibabel.save(nibabel.Nifti1Image(volume, wrong), tmp_path / f"{name}.nii.gz")
        with pytest.raises(MedcontourError, match="another grid"):
            read_edited(tmp_path / f"{name}.nii.gz", scan)
    nibabel.save(nibabel.Nifti1Image(volume * 0.5, affine), tmp_path / "image.nii.gz")
    with pytest.raises(MedcontourError, match="no label map"):
        read_edited(tmp_path / "image.nii.gz", scan)
    dataset = structure_set(scan, suggestion, tmp_path / "r.dcm")
    for roi in dataset.StructureSetROISequence:
        roi.ReferencedFrameOfReferenceUID = "1.2.3"
    dataset.save_as(tmp_path / "own_frame.dcm")
    found = read_edited(tmp_path / "own_frame.dcm", scan)  # but it names this scan's images
    assert len(found.shapes) == 8
    assert "frame of reference of their own" in found.notes[0]
    for item in dataset.ROIContourSequence:
        for contour in item.ContourSequence:
            del contour.ContourImageSequence
    dataset.save_as(tmp_path / "other_frame.dcm")
    with pytest.raises(MedcontourError, match="another frame of reference"):
        read_edited(tmp_path / "other_frame.dcm", scan)


def test_references_to_other_copies_do_not_matter(axial, tmp_path: Path) -> None:
    scan, suggestion = axial
    dataset = structure_set(scan, suggestion, tmp_path / "r.dcm")
    for item in dataset.ROIContourSequence:
        for contour in item.ContourSequence:
            contour.ContourImageSequence[0].ReferencedSOPInstanceUID = "1.2.3.4"
    dataset.save_as(tmp_path / "r.dcm")
    assert not mc.refine(suggestion, tmp_path / "r.dcm", scan).report.changed


FILES = ["rtstruct.dcm", "seg.dcm", "labelmap.nii.gz", "segmentation.seg.nrrd", "suggestion.json"]


@pytest.fixture(scope="module")
def whole_files(axial, tmp_path_factory) -> tuple[Scan, dict[str, bytes], Path]:
    scan, suggestion = axial
    folder = tmp_path_factory.mktemp("whole")
    suggestion.save(folder, ["rtstruct", "seg", "labelmap", "nrrd", "markups"])
    files = {name: (folder / name).read_bytes() for name in FILES}
    curve = folder / "markups" / "nodule_1_slice_2.mrk.json"
    return scan, files | {"a.mrk.json": curve.read_bytes()}, folder


@pytest.mark.slow
@given(data=st.data())
def test_damaged_files_end_in_a_sentence(whole_files, data) -> None:
    scan, files, folder = whole_files
    name = data.draw(st.sampled_from(sorted(files)))
    content = bytearray(files[name])
    kept = data.draw(st.integers(0, len(content)))
    content = content[:kept] if data.draw(st.booleans()) else content
    for _ in range(data.draw(st.integers(0, 4)) if content else 0):
        place = data.draw(st.integers(0, min(len(content), 4000) - 1))
        content[place] = data.draw(st.integers(0, 255))
    path = folder / f"damaged_{name}"
    path.write_bytes(content)
    sentence = outcome(path, scan)
    assert "Müller" not in sentence
    assert sentence.endswith(".")


def outcome(path: Path, scan: Scan) -> str:
    try:
        shapes = read_edited(path, scan).shapes
    except MedcontourError as error:
        return str(error)
    assert all(0 <= shape.slice < scan.slices for shape in shapes)
    return "Read."


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.dcm", b""),
        ("text.txt", b"hello"),
        ("other.json", b'{"a": 1}'),
        ("list.json", b"[1]"),
        ("torn.json", b'{"markups": ['),
    ],
)
def test_files_of_other_kinds(axial, name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    for path in (tmp_path / name, tmp_path / "missing", tmp_path):
        with pytest.raises(MedcontourError):
            read_edited(path, axial[0])


def test_uneven_slices_take_no_volume(tmp_path: Path) -> None:
    scan = mc.read_scan(write_series(UNEVEN, tmp_path / "ct"))
    volume = np.ones((scan.columns, scan.rows, scan.slices), np.uint8)
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / "labels.nii")
    with pytest.raises(MedcontourError, match="not evenly spaced"):
        read_edited(tmp_path / "labels.nii", scan)


def test_png_of_another_size_and_colour(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (20, 30), np.uint8)).save(tmp_path / "i.png")
    scan = mc.read_scan(tmp_path / "i.png")
    Image.new("L", (31, 20)).save(tmp_path / "size.png")
    Image.new("RGB", (30, 20)).save(tmp_path / "colour.png")
    with pytest.raises(MedcontourError, match="20 x 31"):
        read_edited(tmp_path / "size.png", scan)
    with pytest.raises(MedcontourError, match="in colour"):
        read_edited(tmp_path / "colour.png", scan)
    document = {"images": [{"id": 1, "width": 9, "height": 9}], "annotations": []}
    (tmp_path / "c.json").write_text(json.dumps(document))
    with pytest.raises(MedcontourError, match="not the slices"):
        read_edited(tmp_path / "c.json", scan)


@pytest.mark.slow
def test_a_ring_read_is_a_ring_written(axial, tmp_path: Path) -> None:
    scan, suggestion = axial
    outline = suggestion.slices[0].outlines[0]
    outer = region(plane_mm(outline.polygon_lps_mm, scan, 1))
    ring = outer.difference(outer.centroid.buffer(2.5))
    row, column = scan.pixel_spacing
    polygon = scan.to_lps(keyhole(ring) / (column, row), 1)
    first = replace(suggestion.slices[0], outlines=(replace(outline, polygon_lps_mm=polygon),))
    ringed = with_slices(suggestion, scan, first, *suggestion.slices[1:])
    for name in ("rtstruct", "seg", "labelmap", "nrrd"):
        path = tmp_path / mc.exporters()[name].filename
        export(ringed, scan, name, path)
        back = mc.refine(suggestion, path, scan).suggestion.slices[0].outlines[0]
        mine = region(plane_mm(back.polygon_lps_mm, scan, 1))
        off = mine.symmetric_difference(ring).area / ring.area
        assert off < (1e-5 if name == "rtstruct" else 0.1), name
