"""Contours land where they belong, whatever the orientation and spacing, judged from outside."""

from __future__ import annotations

import json
from pathlib import Path

import highdicom as hd
import nibabel as nib
import numpy as np
import pydicom
import pytest
import shapely
import SimpleITK as sitk
import slicerio
from export_cases import (
    CASES,
    ELLIPSES,
    EVIDENCE,
    TILTED,
    UNEVEN,
    Case,
    Ellipse,
    case_suggestion,
    dice,
    each,
    headers_by_uid,
    on_image,
    placed,
    read_series_by_itk,
    suggest,
    voxel_centres,
    write_series,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from medcontour.formats import label_volume
from medcontour.results import Suggestion, export
from medcontour.results.masks import pixel_mask
from medcontour.scan import Scan, read_scan


class Made:
    """A case on disk with its scan and suggestion."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case = case
        self.series = write_series(case, folder / "series")
        self.scan: Scan = read_scan(self.series)
        self.suggestion: Suggestion = case_suggestion(self.scan, case)
        self.out = folder

    def export(self, name: str, filename: str) -> Path:
        export(self.suggestion, self.scan, name, self.out / filename)
        return self.out / filename


@pytest.fixture(scope="module", params=each(*CASES), ids=lambda case: case.name)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(request.param, tmp_path_factory.mktemp("case"))


def assert_is_ellipses(image: sitk.Image, mask: np.ndarray, case: Case) -> None:
    """Each voxel in the mask has its centre in a true ellipse, and each such voxel is in it.

    Voxels on the very edge are left open: a polygon of 256 corners and a header in float32
    are within 1e-3 of the ellipse.
    """
    inside, outside = np.zeros(mask.shape, bool), np.ones(mask.shape, bool)
    k_of = {
        k: image.TransformPhysicalPointToIndex(case.place(np.array([[20.0, 20.0]]), k)[0].tolist())[
            2
        ]
        for k in range(len(case.heights))
    }
    for ellipse in ELLIPSES:
        plane = np.zeros(mask.shape, bool)
        plane[k_of[ellipse.k]] = True
        radius = ellipse.radius(case, voxel_centres(image, plane)).reshape(mask.shape[1:])
        inside[k_of[ellipse.k]] |= radius < 1 - 1e-3
        outside[k_of[ellipse.k]] &= radius > 1 + 1e-3
    assert inside.sum() > 300
    assert mask[inside].all()
    assert not mask[outside].any()


@pytest.mark.parametrize("case", each(*CASES, TILTED, UNEVEN), ids=lambda case: case.name)
def test_rtstruct_points_lie_in_their_slices_plane_and_on_the_curve(
    case: Case, tmp_path: Path
) -> None:
    made = Made(case, tmp_path)
    structures = pydicom.dcmread(made.export("rtstruct", "rtstruct.dcm"))
    headers = headers_by_uid(made.series)
    names = {roi.ROINumber: roi.ROIName for roi in structures.StructureSetROISequence}
    truth = {"nodule 1": ELLIPSES, "nodule 1 evidence": EVIDENCE}
    assert sorted(names.values()) == sorted(truth)
    for roi in structures.ROIContourSequence:
        ellipses = list(truth[names[roi.ReferencedROINumber]])
        assert len(roi.ContourSequence) == len(ellipses)
        for contour in roi.ContourSequence:
            assert contour.ContourGeometricType == "CLOSED_PLANAR"
            assert len(contour.ContourData) == 3 * contour.NumberOfContourPoints
            points = np.array(contour.ContourData, dtype=float).reshape(-1, 3)
            [reference] = contour.ContourImageSequence
            header = headers[reference.ReferencedSOPInstanceUID]
            cosines = np.array(header.ImageOrientationPatient, dtype=float).reshape(2, 3)
            offsets = points - np.array(header.ImagePositionPatient, dtype=float)
            assert np.abs(offsets @ np.cross(*cosines)).max() < 1e-3
            # It is the contour of that slice: within 0.01 mm of the true ellipse all along.
            apart = [
                np.abs(e.outline(case)[:, None] - points).sum(-1).min(1).max() for e in ellipses
            ]
            nearest = int(np.argmin(apart))
            assert apart[nearest] < 0.01
            del ellipses[nearest]


def test_rtstruct_rasterised_elsewhere_agrees_with_the_label_map(made: Made) -> None:
    structures = pydicom.dcmread(made.export("rtstruct", "rtstruct.dcm"))
    label_map = sitk.ReadImage(str(made.export("labelmap", "labelmap.nii.gz")))
    series = read_series_by_itk(made.series)
    columns, rows, _ = series.GetSize()
    x, y = np.meshgrid(np.arange(columns), np.arange(rows))
    rasterised = np.zeros(series.GetSize()[::-1], bool)
    for contour in structures.ROIContourSequence[0].ContourSequence:
        points = np.array(contour.ContourData, dtype=float).reshape(-1, 3)
        index = np.array(
            [series.TransformPhysicalPointToContinuousIndex(p.tolist()) for p in points]
        )
        assert np.abs(index[:, 2] - np.round(index[0, 2])).max() < 1e-3
        polygon = shapely.Polygon(index[:, :2])
        rasterised[round(index[0, 2])] |= shapely.contains_xy(polygon, x, y)
    written = sitk.GetArrayFromImage(label_map) == 1
    assert dice(rasterised, on_image(series, voxel_centres(label_map, written))) > 0.998


def test_label_map_has_the_scans_grid_and_holds_the_ellipses(made: Made) -> None:
    path = made.export("labelmap", "labelmap.nii.gz")
    by_itk, series = sitk.ReadImage(str(path)), read_series_by_itk(made.series)
    assert by_itk.GetSize() == series.GetSize()
    assert by_itk.GetPixelID() == sitk.sitkUInt8
    for ours, theirs in (
        (by_itk.GetOrigin(), series.GetOrigin()),
        (by_itk.GetSpacing(), series.GetSpacing()),
        (by_itk.GetDirection(), series.GetDirection()),
    ):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)
    assert_is_ellipses(by_itk, sitk.GetArrayFromImage(by_itk) == 1, made.case)

    image = nib.load(path)
    # NIfTI stores float32: the affine is the scan's in every bit that it can hold.
    assert np.array_equal(image.affine, made.scan.grid.affine_ras.astype(np.float32))
    (qform, qcode), (sform, scode) = image.get_qform(coded=True), image.get_sform(coded=True)
    assert (int(qcode), int(scode)) == (1, 1)
    np.testing.assert_allclose(qform, sform, atol=2e-5)
    assert image.header.get_xyzt_units()[0] == "mm"


def test_seg_nrrd_holds_the_ellipses_with_their_name(made: Made) -> None:
    path = made.export("nrrd", "segmentation.seg.nrrd")
    image = sitk.ReadImage(str(path))
    assert_is_ellipses(image, sitk.GetArrayFromImage(image) == 1, made.case)
    np.testing.assert_allclose(
        image.GetOrigin(), read_series_by_itk(made.series).GetOrigin(), atol=1e-9
    )
    read = slicerio.read_segmentation(str(path))
    [segment] = read["segments"]
    assert (segment["name"], segment["labelValue"], segment["layer"]) == ("nodule 1", 1, 0)
    assert read["masterRepresentation"] == "Binary labelmap"
    np.testing.assert_allclose(read["ijkToLPS"] @ (0, 0, 0, 1), [*image.GetOrigin(), 1], atol=1e-9)
    corner = [length - 1 for length in image.GetSize()]
    np.testing.assert_allclose(
        (read["ijkToLPS"] @ (*corner, 1))[:3],
        image.TransformIndexToPhysicalPoint(corner),
        atol=1e-6,
    )


def test_seg_holds_the_ellipses_on_the_source_images(made: Made) -> None:
    path = made.export("seg", "seg.dcm")
    volume = hd.seg.segread(path).get_volume(combine_segments=True)
    centres = volume.map_indices_to_reference(np.argwhere(volume.array == 1))
    series = read_series_by_itk(made.series)
    assert_is_ellipses(series, on_image(series, centres), made.case)

    dataset = pydicom.dcmread(path)
    headers = headers_by_uid(made.series)
    frames = dataset.PerFrameFunctionalGroupsSequence
    assert len(frames) == len({e.k for e in ELLIPSES})
    for frame in frames:
        [source] = frame.DerivationImageSequence[0].SourceImageSequence
        header = headers[source.ReferencedSOPInstanceUID]
        position = frame.PlanePositionSequence[0].ImagePositionPatient
        assert [float(v) for v in position] == [float(v) for v in header.ImagePositionPatient]


def test_curves_pass_through_the_ellipses(made: Made) -> None:
    folder = made.export("markups", "markups")
    found = {
        markup["name"]: np.array([point["position"] for point in markup["controlPoints"]])
        for path in folder.iterdir()
        for markup in json.loads(path.read_text("utf-8"))["markups"]
    }
    expected = {
        f"{name} slice {e.k + 1}{suffix}": e
        for name, ellipses in (("nodule 1", ELLIPSES), ("nodule 1 evidence", EVIDENCE))
        for e, suffix in zip(ellipses, ("", "", " (2)", ""), strict=True)
    }
    assert found.keys() == expected.keys()
    for name, points in found.items():
        ellipse = expected[name]
        radius = ellipse.radius(made.case, points)
        np.testing.assert_allclose(radius, 1, atol=1e-3)
        off_plane = (points - made.case.slice_origin(ellipse.k)) @ made.case.normal
        assert np.abs(off_plane).max() < 1e-3


def test_uneven_and_tilted_slices_are_placed_each_by_its_own_origin(tmp_path: Path) -> None:
    for case in (TILTED, UNEVEN):
        made = Made(case, tmp_path / case.name)
        segments = pydicom.dcmread(made.export("seg", "seg.dcm"))
        positions = {
            tuple(float(v) for v in frame.PlanePositionSequence[0].ImagePositionPatient)
            for frame in segments.PerFrameFunctionalGroupsSequence
        }
        expected = {
            tuple(float(f"{v:.10g}") for v in case.slice_origin(k)) for k in {e.k for e in ELLIPSES}
        }
        assert positions == expected


def test_label_map_of_a_tilted_gantry_keeps_the_sheared_affine(tmp_path: Path) -> None:
    made = Made(TILTED, tmp_path)
    image = nib.load(made.export("labelmap", "labelmap.nii.gz"))
    for k in range(5):
        ras = image.affine @ (0, 0, k, 1)
        np.testing.assert_allclose(ras[:3] * (-1, -1, 1), TILTED.slice_origin(k), atol=1e-4)
    # No qform can hold shear: it must not claim to.
    assert int(image.header["qform_code"]) == 0
    assert int(image.header["sform_code"]) == 1


@settings(max_examples=60, deadline=None)
@given(st.floats(5, 35), st.floats(5, 35), st.floats(0.3, 14), st.sampled_from((0.5, 1.0, 2.0)))
def test_a_pixel_is_in_when_its_centre_is(x: float, y: float, radius: float, ratio: float) -> None:
    case = Case("disk", (1, 0, 0), (0, 1, 0), ratio, 1.0, rows=44, columns=40, heights=(0,))
    affine = np.diag([1.0, ratio, 1.0, 1.0])
    affine[:3, 3] = case.origin
    scan = Scan(
        np.zeros((1, 44, 40), np.float32), affine, np.array([case.origin]), "mm", "CT", "", (0, 1)
    )
    disk = Ellipse(0, (x, y), (radius, radius))
    mask = pixel_mask(disk.outline(case, 2048), scan, 0)
    rows, columns = np.mgrid[:44, :40]
    distance = np.hypot(columns - x, (rows - y) * ratio)
    assert mask[distance < radius * (1 - 1e-5)].all()
    assert not mask[distance > radius * (1 + 1e-5)].any()


def test_a_contour_between_pixel_centres_leaves_no_pixel(made: Made) -> None:
    speck = placed("outline", Ellipse(2, (20.5, 20.5), (0.2, 0.2)), made.case)
    assert not label_volume(suggest(made.scan, [speck]), made.scan).any()


def test_label_maps_carry_the_evidence_when_no_outline_was_asked_for(made: Made) -> None:
    evidence = [placed("evidence", e, made.case) for e in ELLIPSES]
    without = suggest(made.scan, evidence, outline="none")
    assert np.array_equal(
        label_volume(without, made.scan), label_volume(made.suggestion, made.scan)
    )
    # With outlines asked for and none found, evidence is not passed off as an outline.
    assert not label_volume(suggest(made.scan, evidence), made.scan).any()
