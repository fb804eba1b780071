"""What other tools edited and wrote is read as they left it."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import highdicom
import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import slicerio
from edits import AXIAL, smooth_suggestion, write_series, written
from PIL import Image, ImageDraw
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

import medcontour as mc
from medcontour.contour.polygons import deviation_mm, mask_polygons, region
from medcontour.formats.reader import read_edited
from medcontour.results import Suggestion
from medcontour.results.masks import pixel_mask
from medcontour.scan import Scan


@pytest.fixture(scope="module")
def axial(tmp_path_factory) -> tuple[Scan, Suggestion]:
    scan = mc.read_scan(write_series(AXIAL, tmp_path_factory.mktemp("axial") / "ct"))
    return scan, smooth_suggestion(scan)


def test_structure_set_edited_with_pydicom(axial, tmp_path: Path) -> None:
    scan, suggestion = axial
    path = written(suggestion, scan, "rtstruct", tmp_path)
    dataset = pydicom.dcmread(path)
    contours = dataset.ROIContourSequence[0].ContourSequence
    there = np.reshape(contours[0].ContourData, (-1, 3)).astype(float)
    moved = there + np.array([1.5, -0.5, 0])
    contours[0].ContourData = [f"{v:.6f}" for v in moved.ravel()]
    del contours[-1]  # slice 3
    new = pydicom.Dataset()
    new.ContourGeometricType = "CLOSED_PLANAR"
    square = np.array([[20, 10], [30, 10], [30, 20], [20, 20]])
    new.ContourData = [f"{v:.6f}" for v in scan.to_lps(square, 4).ravel()]
    new.NumberOfContourPoints = 4
    contours.append(new)
    dataset.save_as(path)

    refined = mc.refine(suggestion, path, scan)
    after = refined.suggestion
    assert after.edited
    assert [(f.slice, f.change) for f in refined.report.slices] == [
        (1, "moved"),
        (2, "unchanged"),
        (3, "deleted"),
        (4, "new"),
    ]
    first, second, third, fourth = after.slices
    outline = first.outlines[0]
    assert deviation_mm(outline.polygon_lps_mm, moved) < 1e-5
    assert outline.quality["fit_dice"] > 0.999
    assert outline.area_mm2 == pytest.approx(suggestion.slices[0].outlines[0].area_mm2, rel=0.01)
    assert second == suggestion.slices[1]
    assert third.outlines == ()
    assert third.evidence == suggestion.slices[2].evidence
    assert third.evidence_contours == suggestion.slices[2].evidence_contours
    assert "removed" in third.note
    assert fourth.evidence is None
    assert fourth.status == "drawn by a reader"
    np.testing.assert_allclose(scan.to_index(fourth.outlines[0].polygon_lps_mm, 4), square)
    # The whole suggestion can be written, read and exported again, and says who drew it.
    after.write_json(tmp_path / "suggestion.json")
    read = Suggestion.read_json(tmp_path / "suggestion.json")
    assert read.to_json() == after.to_json()
    again = pydicom.dcmread(written(read, scan, "rtstruct", tmp_path))
    assert again.StructureSetROISequence[0].ROIGenerationAlgorithm == "SEMIAUTOMATIC"
    assert len(again.ROIContourSequence[0].ContourSequence) == 4


def test_changed_evidence_is_said_and_kept(axial, tmp_path: Path) -> None:
    scan, suggestion = axial
    path = written(suggestion, scan, "rtstruct", tmp_path)
    dataset = pydicom.dcmread(path)
    contour = dataset.ROIContourSequence[1].ContourSequence[0]
    points = np.reshape(contour.ContourData, (-1, 3)).astype(float) + np.array([3, 0, 0])
    contour.ContourData = [f"{v:.6f}" for v in points.ravel()]
    dataset.save_as(path)
    refined = mc.refine(suggestion, path, scan)
    assert refined.suggestion == suggestion
    assert any("Evidence" in note for note in refined.report.notes)


def painted(scan: Scan, suggestion: Suggestion) -> tuple[np.ndarray, np.ndarray]:
    """The suggested labels, and the same with a brush stroke on slice 3 and slice 1 emptied."""
    before = np.zeros(scan.voxels.shape, dtype=np.uint8)
    for contour in suggestion.contours("outline"):
        before[contour.slice] |= pixel_mask(contour.polygon_lps_mm, scan, contour.slice)
    after = before.copy()
    after[1] = 0
    after[3, 12:17, 10:31] = 1
    return before, after


def assert_painted(refined: mc.Refined, after: np.ndarray, scan: Scan) -> None:
    assert [f.change for f in refined.report.slices] == ["deleted", "unchanged", "moved"]
    outline = refined.suggestion.slices[2].outlines[0]
    np.testing.assert_array_equal(pixel_mask(outline.polygon_lps_mm, scan, 3), after[3] > 0)
    row, column = scan.pixel_spacing
    assert outline.area_mm2 == pytest.approx(after[3].sum() * row * column, rel=0.05)
    assert refined.report.slices[2].figures.vertices is None


def test_label_map_edited_with_simpleitk(axial, tmp_path: Path) -> None:
    scan, suggestion = axial
    image = sitk.ReadImage(written(suggestion, scan, "labelmap", tmp_path))
    before, after = painted(scan, suggestion)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), before)
    edited = sitk.GetImageFromArray(after)
    edited.CopyInformation(image)
    # Turned to another order and direction of axes, as other tools save it.
    edited = sitk.Flip(sitk.PermuteAxes(edited, (2, 0, 1)), (True, False, True))
    sitk.WriteImage(edited, tmp_path / "edited.nii.gz")
    assert_painted(mc.refine(suggestion, tmp_path / "edited.nii.gz", scan), after, scan)
    sitk.WriteImage(edited, tmp_path / "plain.nrrd")
    assert_painted(mc.refine(suggestion, tmp_path / "plain.nrrd", scan), after, scan)


def test_label_map_edited_with_nibabel_and_itksnap_names(axial, tmp_path: Path) -> None:
    scan, suggestion = axial
    image = nibabel.load(written(suggestion, scan, "labelmap", tmp_path))
    _, after = painted(scan, suggestion)
    values = scan.grid.from_scan(after) * 7  # another tool's number; the name says what it is
    nibabel.save(nibabel.Nifti1Image(values, image.affine), tmp_path / "mine.nii.gz")
    (tmp_path / "mine.txt").write_text('    7   255    0    0        1  1  1    "nodule"\n')
    assert_painted(mc.refine(suggestion, tmp_path / "mine.nii.gz", scan), after, scan)


@pytest.mark.parametrize("space", ["left-posterior-superior", "right-anterior-superior"])
def test_segmentation_edited_and_cut_as_slicer_saves_it(axial, space: str, tmp_path: Path) -> None:
    """3D Slicer cuts the volume to the segments' extent, and adds a layer where they overlap."""
    scan, suggestion = axial
    _, after = painted(scan, suggestion)
    path = written(suggestion, scan, "nrrd", tmp_path)
    whole = slicerio.read_segmentation(path)
    sub = (slice(5, 56), slice(4, 40), slice(0, 5))
    cut = scan.grid.from_scan(after)[sub]
    other = np.zeros_like(cut)
    other[40:43, 2:5, 2] = 1  # overlaps nothing, on a layer of its own
    affine = whole["ijkToLPS"].copy()
    affine[:3, 3] += affine[:3, :3] @ [5, 4, 0]
    signs = np.diag([1, 1, 1]) if space.startswith("left") else np.diag([-1, -1, 1])
    lines = [
        "NRRD0004",
        "type: unsigned char",
        "dimension: 4",
        f"space: {space}",
        f"sizes: 2 {' '.join(map(str, cut.shape))}",
        "space directions: none "
        + " ".join(f"({','.join(map(repr, (signs @ d).tolist()))})" for d in affine[:3, :3].T),
        "kinds: list domain domain domain",
        "encoding: raw",
        f"space origin: ({','.join(map(repr, (signs @ affine[:3, 3]).tolist()))})",
        "Segment0_ID:=Segment_1",
        "Segment0_Name:=nodule",
        "Segment0_LabelValue:=1",
        "Segment0_Layer:=0",
        "Segment1_ID:=Segment_2",
        "Segment1_Name:=Gefäß",
        "Segment1_LabelValue:=1",
        "Segment1_Layer:=1",
    ]
    voxels = np.stack([cut, other]).ravel(order="F").tobytes()
    (tmp_path / "slicer.seg.nrrd").write_bytes("\n".join(lines).encode() + b"\n\n" + voxels)
    refined = mc.refine(suggestion, tmp_path / "slicer.seg.nrrd", scan, include_other=True)
    changes = [(f.label, f.slice, f.change) for f in refined.report.slices]
    assert ("Gefäß", 2, "new") in changes
    assert [c[2] for c in changes if c[0] == "nodule 1"] == ["deleted", "unchanged", "moved"]
    outline = next(f for f in refined.suggestion.slices if f.slice == 3).outlines[0]
    np.testing.assert_array_equal(pixel_mask(outline.polygon_lps_mm, scan, 3), after[3] > 0)


@pytest.mark.parametrize(
    ("kind", "syntax"),
    [
        ("BINARY", ExplicitVRLittleEndian),
        ("FRACTIONAL", ExplicitVRLittleEndian),
        ("LABELMAP", ExplicitVRLittleEndian),
        ("FRACTIONAL", RLELossless),
        ("LABELMAP", RLELossless),
    ],
)
def test_dicom_seg_written_by_highdicom(axial, kind: str, syntax: str, tmp_path: Path) -> None:
    scan, suggestion = axial
    _, after = painted(scan, suggestion)
    source = highdicom.seg.segread(written(suggestion, scan, "seg", tmp_path))
    pixels = after.astype(np.float32) * 0.8 if kind == "FRACTIONAL" else after
    described = highdicom.seg.SegmentDescription(
        1,
        "nodule",
        source.SegmentSequence[0].segmented_property_category,
        source.SegmentSequence[0].segmented_property_type,
        "MANUAL",
    )
    made = highdicom.seg.Segmentation(
        list(scan.datasets),
        pixels,
        kind,
        [described],
        highdicom.UID(),
        2,
        highdicom.UID(),
        1,
        "a",
        "b",
        "c",
        "d",
        transfer_syntax_uid=syntax,
    )
    made.save_as(tmp_path / "edited.dcm")
    assert_painted(mc.refine(suggestion, tmp_path / "edited.dcm", scan), after, scan)


def test_dicom_seg_without_a_spacing_has_that_of_the_images_it_names(axial, tmp_path) -> None:
    """OHIF stores it so."""
    scan, suggestion = axial
    dataset = pydicom.dcmread(written(suggestion, scan, "seg", tmp_path))
    pixels = dataset.pixel_array
    [shared] = dataset.SharedFunctionalGroupsSequence
    shared.PixelMeasuresSequence = [pydicom.Dataset()]
    dataset.save_as(tmp_path / "edited.dcm")
    unchanged = mc.refine(suggestion, tmp_path / "edited.dcm", scan)
    assert not unchanged.suggestion.edited
    # Of more pixels than the image, or of no image that is known: where it lies is not known.
    dataset.Rows, dataset.Columns = dataset.Columns, dataset.Rows
    dataset.save_as(tmp_path / "turned.dcm")
    dataset.Rows, dataset.Columns = pixels.shape[1:]
    for group in dataset.PerFrameFunctionalGroupsSequence:
        del group.DerivationImageSequence
    dataset.save_as(tmp_path / "nameless.dcm")
    for name in ("turned.dcm", "nameless.dcm"):
        with pytest.raises(mc.MedcontourError, match="another grid"):
            mc.refine(suggestion, tmp_path / name, scan)


def test_fractional_boundary_lies_between_pixels() -> None:
    values = np.array([[0, 0, 0, 0], [0, 1, 0.75, 0], [0, 1, 0.75, 0], [0, 0, 0, 0]])
    (polygon,) = mask_polygons(values)
    # From 0.75 at column 2 to 0 at column 3: one half is a third of the way.
    assert polygon[:, 0].max() == pytest.approx(2 + 1 / 3)


def test_markups_dragged_in_ras(axial, tmp_path: Path) -> None:
    scan, suggestion = axial
    folder = written(suggestion, scan, "markups", tmp_path)
    path = folder / "nodule_1_slice_2.mrk.json"
    document = json.loads(path.read_text())
    markup = document["markups"][0]
    markup["coordinateSystem"] = "RAS"
    for number, point in enumerate(markup["controlPoints"]):
        x, y, z = point["position"]
        shift = 2.0 if number == 0 else 0.0
        point["position"] = [-(x + shift), -y, z + 0.3]  # dragged in a slanted view
    path.write_text(json.dumps(document))
    refined = mc.refine(suggestion, folder, scan)
    assert [f.change for f in refined.report.slices] == ["moved", "unchanged", "unchanged"]
    figures = refined.report.slices[0].figures
    assert (figures.vertices, figures.vertices_moved) == (24, 1)
    one = mc.refine(suggestion, path, scan)  # one curve alone removes no other
    assert [f.change for f in one.report.slices] == ["moved", "unchanged", "unchanged"]
    (folder / "nodule_1_slice_4.mrk.json").unlink()
    gone = mc.refine(suggestion, folder, scan)
    assert [f.change for f in gone.report.slices] == ["moved", "unchanged", "deleted"]


def test_annotations_of_others_and_label_png(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (44, 60), np.uint8)).save(tmp_path / "image.png")
    scan = mc.read_scan(tmp_path / "image.png")
    drawn = Image.new("L", (60, 44))
    ImageDraw.Draw(drawn).ellipse((10, 8, 30, 25), fill=1)
    drawn.save(tmp_path / "labels.png")
    want = np.asarray(drawn) > 0
    (shape,) = read_edited(tmp_path / "labels.png", scan).shapes
    np.testing.assert_array_equal(shape.values > 0, want)
    runs = [0] + [len(list(g)) for g in _runs(want.T.ravel())]
    runs = runs if want.T.ravel()[0] else runs[1:]
    document = {
        "images": [{"id": 5, "width": 60, "height": 44, "file_name": "image.png"}],
        "categories": [{"id": 3, "name": "nodule"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 5,
                "category_id": 3,
                "iscrowd": 1,
                "segmentation": {"size": [44, 60], "counts": runs},
            },
            {
                "id": 2,
                "image_id": 5,
                "category_id": 3,
                "iscrowd": 0,
                "segmentation": [[1, 1, 11, 1, 11, 6, 1, 6], [20.5, 30.5, 29.5, 30.5, 25, 40]],
            },
        ],
    }
    (tmp_path / "instances.json").write_text(json.dumps(document))
    mask, *polygons = read_edited(tmp_path / "instances.json", scan).shapes
    np.testing.assert_array_equal(mask.values > 0, want)
    corners = scan.to_index(polygons[0].polygon_lps_mm, 0)
    np.testing.assert_allclose(corners, [[0.5, 0.5], [10.5, 0.5], [10.5, 5.5], [0.5, 5.5]])
    assert [p.name for p in polygons] == ["nodule"] * 2
    assert region(corners).area == 50


def _runs(values: np.ndarray):
    return (group for _, group in itertools.groupby(values))


def test_compressed_run_lengths_are_those_of_pycocotools() -> None:
    mask = pytest.importorskip("pycocotools.mask")
    from medcontour.formats.coco.reader import decode_rle

    rng = np.random.default_rng(1)
    for density in (0.02, 0.5, 0.98):
        want = rng.random((37, 53)) < density
        encoded = mask.encode(np.asfortranarray(want.astype(np.uint8)))
        np.testing.assert_array_equal(decode_rle(encoded["counts"], 37, 53), want)
