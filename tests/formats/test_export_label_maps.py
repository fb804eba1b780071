"""Label maps, names and colours as other tools read them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nibabel as nib
import nrrd
import numpy as np
import pytest
import scipy.interpolate
import SimpleITK as sitk
import slicerio
from export_cases import (
    AXIAL,
    ELLIPSES,
    Ellipse,
    Study,
    circle,
    dice,
    files_in,
    placed,
    suggest,
)
from PIL import Image

from medcontour.errors import MedcontourError
from medcontour.formats.markups.writer import control_points
from medcontour.results import (
    export,
    exporters,
)
from medcontour.scan import read_scan

# Label maps of other sources


@pytest.mark.parametrize("permutation", [(0, 1, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0), (0, 2, 1)])
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, 1), (-1, -1, 1), (1, -1, -1)])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_nifti_label_map_has_the_affine_to_the_bit(
    permutation: tuple[int, ...], signs: tuple[int, ...], ending: str, tmp_path: Path
) -> None:
    turn = np.array(sitk.Euler3DTransform((0, 0, 0), 0.2, -0.1, 0.3).GetMatrix()).reshape(3, 3)
    affine = np.eye(4)
    affine[:3, :3] = turn[:, permutation] * signs * np.array([0.83, 1.17, 3.1])[list(permutation)]
    affine[:3, 3] = (-31.7, 12.9, 44.1)
    shape = tuple(np.array([40, 36, 7])[list(permutation)])
    rng = np.random.default_rng(1)
    source = tmp_path / f"source{ending}"
    nib.save(nib.Nifti1Image(rng.integers(0, 99, shape, dtype=np.int16), affine), source)
    scan = read_scan(source)
    assert scan.voxels.shape[0] == 7
    drawn = circle(scan, 4, (17.3, 20.6), 8.2)
    target = tmp_path / f"labelmap{ending}"
    export(suggest(scan, [drawn]), scan, "labelmap", target)

    image, label_map = nib.load(source), nib.load(target)
    assert label_map.affine.tobytes() == image.affine.tobytes()
    assert label_map.shape == image.shape
    assert label_map.get_data_dtype() == np.uint8
    by_itk, source_by_itk = sitk.ReadImage(str(target)), sitk.ReadImage(str(source))
    assert by_itk.GetSize() == source_by_itk.GetSize()
    np.testing.assert_allclose(by_itk.GetDirection(), source_by_itk.GetDirection(), atol=1e-6)
    np.testing.assert_allclose(by_itk.GetOrigin(), source_by_itk.GetOrigin(), atol=1e-5)

    # Each labelled voxel lies in the circle's plane and within it, by nibabel's affine.
    centre_ras = (scan.to_lps([[17.3, 20.6]], 4) * (-1, -1, 1))[0]
    offsets = nib.affines.apply_affine(label_map.affine, np.argwhere(label_map.get_fdata() == 1))
    offsets = offsets - centre_ras
    spacing = np.array([0.83, 1.17, 3.1])
    in_pixels = offsets @ turn / spacing
    assert len(offsets) == pytest.approx(np.pi * 8.2**2, rel=0.03)
    assert np.abs(in_pixels[:, 2]).max() < 0.01
    assert np.linalg.norm(in_pixels[:, :2], axis=1).max() < 8.2


def test_seg_nrrd_of_a_nifti_source_lies_on_its_label_map(tmp_path: Path) -> None:
    affine = np.array([[0, 0, -3, 40], [-0.9, 0, 0, 20], [0, 1.2, 0, -7], [0, 0, 0, 1.0]])
    volume = np.random.default_rng(2).normal(size=(30, 34, 6)).astype(np.float32)
    nib.save(nib.Nifti1Image(volume, affine), tmp_path / "volume.nii.gz")
    scan = read_scan(tmp_path / "volume.nii.gz")
    suggestion = suggest(scan, [circle(scan, 2, (13.2, 14.1), 6.0)])
    export(suggestion, scan, "nrrd", tmp_path / "s.seg.nrrd")
    export(suggestion, scan, "labelmap", tmp_path / "labelmap.nii.gz")
    ours, label_map = (
        sitk.ReadImage(str(tmp_path / name)) for name in ("s.seg.nrrd", "labelmap.nii.gz")
    )
    assert np.array_equal(sitk.GetArrayFromImage(ours), sitk.GetArrayFromImage(label_map))
    for last in ((0, 0, 0), tuple(length - 1 for length in ours.GetSize())):
        np.testing.assert_allclose(
            ours.TransformIndexToPhysicalPoint(last),
            label_map.TransformIndexToPhysicalPoint(last),
            atol=1e-4,
        )


@pytest.mark.parametrize("name", ["labelmap", "nrrd"])
def test_plain_image_lies_where_itk_puts_the_image(name: str, tmp_path: Path) -> None:
    pixels = np.random.default_rng(3).integers(0, 255, (40, 50), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    scan = read_scan(tmp_path / "photo.png")
    path = tmp_path / exporters()[name].filename
    export(suggest(scan, [circle(scan, 0, (31.2, 12.4), 7.5)]), scan, name, path)
    written = sitk.ReadImage(str(path))
    photo = sitk.JoinSeries(sitk.ReadImage(str(tmp_path / "photo.png")))
    assert written.GetSize() == photo.GetSize()
    assert written.GetOrigin() == photo.GetOrigin()
    assert written.GetSpacing() == photo.GetSpacing()
    assert written.GetDirection() == photo.GetDirection()
    rows, columns = np.mgrid[:40, :50]
    disk = np.hypot(columns - 31.2, rows - 12.4) < 7.5
    assert dice(sitk.GetArrayFromImage(written)[0] == 1, disk) > 0.99


def test_a_label_map_needs_a_nifti_name(study: Study, tmp_path: Path) -> None:
    with pytest.raises(MedcontourError, match=r"end it in .nii.gz"):
        export(study[1], study[0], "labelmap", tmp_path / "labelmap.mha")


# Names and colours


def test_itksnap_reads_the_label_names(study: Study, tmp_path: Path) -> None:
    scan = study[0]
    contours = [circle(scan, 1, (15, 15), 5), circle(scan, 1, (40, 20), 5)]
    suggestion = suggest(scan, contours, labels=["nodule", 'so-called "scar"'])
    export(suggestion, scan, "labelmap", tmp_path / "labelmap.nii.gz")
    row = re.compile(r'\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+([\d.]+)\s+([01])\s+([01])\s+"([^"]*)"')
    lines = (tmp_path / "labelmap.txt").read_text("utf-8").splitlines()
    rows = [row.fullmatch(line).groups() for line in lines]  # type: ignore[union-attr]
    assert rows[0] == ("0", "0", "0", "0", "0", "0", "0", "Clear Label")
    assert [(r[0], r[7]) for r in rows[1:]] == [("1", "nodule 1"), ("2", "so-called 'scar' 2")]
    assert all(r[4:7] == ("1", "1", "1") for r in rows[1:])
    assert rows[1][1:4] != rows[2][1:4]
    assert set(np.unique(nib.load(tmp_path / "labelmap.nii.gz").get_fdata())) == {0, 1, 2}


def test_seg_nrrd_fields(study: Study, tmp_path: Path) -> None:
    scan, suggestion = study
    export(suggestion, scan, "nrrd", tmp_path / "s.seg.nrrd")
    header = nrrd.read_header(str(tmp_path / "s.seg.nrrd"))
    assert header["space"] == "left-posterior-superior"
    assert header["kinds"] == ["domain"] * 3
    assert header["type"] == "uint8"
    columns, rows, slices = AXIAL.columns, AXIAL.rows, len(AXIAL.heights)
    expected = {
        "Segment0_ID": "Segment_1",
        "Segment0_Name": "nodule 1",
        "Segment0_NameAutoGenerated": "0",
        "Segment0_ColorAutoGenerated": "0",
        "Segment0_Extent": f"0 {columns - 1} 0 {rows - 1} 0 {slices - 1}",
        "Segment0_LabelValue": "1",
        "Segment0_Layer": "0",
        "Segmentation_MasterRepresentation": "Binary labelmap",
        "Segmentation_SourceRepresentation": "Binary labelmap",
        "Segmentation_ContainedRepresentationNames": "Binary labelmap|",
        "Segmentation_ReferenceImageExtentOffset": "0 0 0",
    }
    assert {key: header[key] for key in expected} == expected
    colour = [float(part) for part in header["Segment0_Color"].split()]
    assert len(colour) == 3
    assert 0 <= min(colour) < max(colour) <= 1
    [segment] = slicerio.read_segmentation(str(tmp_path / "s.seg.nrrd"))["segments"]
    assert segment["terminology"]["type"] == ["DCM", "111099", "Selected region"]


def test_overlapping_labels_go_to_layers_of_the_seg_nrrd(study: Study, tmp_path: Path) -> None:
    scan = study[0]
    radii = {"läsion": 9.0, "kern": 4.0, "apart": 3.0}
    contours = [
        circle(scan, 2, (20.2, 20.3), radii["läsion"]),
        circle(scan, 2, (22.1, 19.4), radii["kern"]),
        circle(scan, 3, (44.6, 30.1), radii["apart"]),
    ]
    suggestion = suggest(scan, contours, labels=list(radii))
    path = tmp_path / "s.seg.nrrd"
    export(suggestion, scan, "nrrd", path)
    assert "Segment0_Name:=läsion 1\n".encode() in path.read_bytes()
    read = slicerio.read_segmentation(str(path))
    assert read["voxels"].shape == (2, AXIAL.columns, AXIAL.rows, len(AXIAL.heights))
    for segment, radius in zip(read["segments"], radii.values(), strict=True):
        voxels = read["voxels"][segment["layer"]] == segment["labelValue"]
        assert voxels.sum() == pytest.approx(np.pi * radius**2, rel=0.05)
    np.testing.assert_allclose(
        (read["ijkToLPS"] @ (0, 0, 3, 1))[:3], AXIAL.slice_origin(3), atol=1e-9
    )
    # In one volume the later label is seen.
    export(suggestion, scan, "labelmap", tmp_path / "labelmap.nii.gz")
    counts = np.bincount(nib.load(tmp_path / "labelmap.nii.gz").get_fdata().astype(int).ravel())
    assert counts[2] == pytest.approx(np.pi * 4.0**2, rel=0.05)
    assert counts[1] == pytest.approx(np.pi * (9.0**2 - 4.0**2), rel=0.05)


def test_markup_files_are_what_slicer_expects(study: Study, tmp_path: Path) -> None:
    scan, suggestion = study
    export(suggestion, scan, "markups", tmp_path / "markups")
    documents = {p.name: json.loads(p.read_text("utf-8")) for p in (tmp_path / "markups").iterdir()}
    assert "nodule_1_slice_2.mrk.json" in documents
    assert "nodule_1_evidence_slice_2.mrk.json" in documents
    for document in documents.values():
        assert document["@schema"].endswith("/markups-schema-v1.0.3.json#")
        [markup] = document["markups"]
        assert markup["type"] == "ClosedCurve"
        assert (markup["coordinateSystem"], markup["coordinateUnits"]) == ("LPS", "mm")
        assert markup["locked"] is False
        assert markup["fixedNumberOfControlPoints"] is False
        assert markup["labelFormat"] == "%N-%d"
        points = markup["controlPoints"]
        assert 16 <= len(points) <= 32
        assert [p["id"] for p in points] == [str(n) for n in range(1, len(points) + 1)]
        for point in points:
            assert set(point) == {
                "id", "label", "description", "associatedNodeID", "position", "orientation",
                "selected", "locked", "visibility", "positionStatus",
            }  # fmt: skip
            assert (len(point["position"]), len(point["orientation"])) == (3, 9)
            assert (point["selected"], point["locked"], point["visibility"]) == (True, False, True)
            assert point["positionStatus"] == "defined"
        assert markup["display"]["pointLabelsVisibility"] is False
    colour = {
        kind: {
            tuple(d["markups"][0]["display"]["selectedColor"])
            for d in documents.values()
            if ("evidence" in d["markups"][0]["name"]) == (kind == "evidence")
        }
        for kind in ("evidence", "outline")
    }
    assert len(colour["evidence"]) == len(colour["outline"]) == 1
    assert colour["evidence"] != colour["outline"]
    names = [d["markups"][0]["name"] for d in documents.values()]
    assert len(set(names)) == len(names) == 8


def test_slicers_spline_through_the_points_keeps_the_shape() -> None:
    """A closed cubic spline through the control points (24, to be dragged) is the curve."""

    def corners(n: int) -> list[np.ndarray]:
        t = np.arange(n) * 2 * np.pi / n
        r = 10 + 2 * np.cos(3 * t) + np.sin(2 * t)
        lobed = np.stack([r * np.cos(t), r * np.sin(t), 0 * t], axis=1)
        return [Ellipse(0, (20, 20), (12, 4)).outline(AXIAL, n), lobed]

    for polygon, dense in zip(corners(256), corners(8192), strict=True):
        points = control_points(polygon)
        assert len(points) == 24
        spline = scipy.interpolate.CubicSpline(
            np.arange(25), np.vstack([points, points[:1]]), bc_type="periodic"
        )
        drawn = spline(np.linspace(0, 24, 512, endpoint=False))
        apart = np.linalg.norm(drawn[:, None] - dense[None], axis=2).min(axis=1)
        assert apart.max() < 0.1  # mm, of curves 24 mm long


def test_labels_that_make_no_file_name_still_have_a_file_each(study: Study, tmp_path: Path) -> None:
    scan = study[0]
    contours = [circle(scan, 1, (x, 20), 4) for x in (10, 25, 40)]
    suggestion = suggest(scan, contours, labels=["mass/cyst", "mass cyst", "Mass:cyst"])
    export(suggestion, scan, "markups", tmp_path / "markups")
    written = [json.loads(c)["markups"][0]["name"] for c in files_in(tmp_path / "markups").values()]
    assert sorted(written) == [
        "Mass:cyst 3 slice 2", "mass cyst 2 slice 2", "mass/cyst 1 slice 2"
    ]  # fmt: skip
    names = {name.casefold() for name in files_in(tmp_path / "markups")}
    assert len(names) == 3


def test_placed_ellipse_fits_its_area() -> None:
    """The judge judged: the ellipse's polygon has its closed-form area."""
    contour = placed("outline", ELLIPSES[0], AXIAL)
    x, y, _ = contour.polygon_lps_mm.T
    area = abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2
    assert area == pytest.approx(contour.area_mm2, rel=1e-3)
