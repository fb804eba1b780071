"""The report as others read it: regions, measurements and codes, beside SEG and RTSTRUCT."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_files import errors_of_dciodvfy, exported, rasterised_by_plastimatch
from export_cases import (
    AXIAL,
    CASES,
    TILTED,
    UNEVEN,
    Case,
    Ellipse,
    case_suggestion,
    circle,
    each,
    placed,
    suggest,
    write_series,
)
from pydicom.sr.codedict import codes

import medcontour as mc
from medcontour.results import NothingToWrite, Suggestion, export
from medcontour.scan import Scan, read_scan

LARGE = [
    Ellipse(1, (29.3, 20.6), (19.7, 15.2)),
    Ellipse(2, (29.1, 21.2), (21.4, 16.9)),
    Ellipse(3, (28.9, 21.1), (18.8, 14.9)),
]


def volumetric(path: Path) -> list[hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations]:
    return hd.sr.srread(path).content.get_volumetric_roi_measurement_groups()


def planar(path: Path) -> list[hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations]:
    return hd.sr.srread(path).content.get_planar_roi_measurement_groups()


def measured(group: object) -> dict[str, tuple[float, str]]:
    """Value and unit by the name of the measurement; the first, where several have it."""
    return {m.name.meaning: (m.value, m.unit.value) for m in reversed(group.get_measurements())}


BY_AREAS = codes.DCM.IntegrationOfSumOfClosedAreasOnContiguousSlicesMethodForVolume
BY_VOXELS = codes.DCM.SumOfSegmentedVoxelMethodForVolume

SMALL = [
    Ellipse(1, (29.3, 20.6), (2.4, 1.9)),
    Ellipse(2, (29.1, 21.2), (3.1, 2.6)),
    Ellipse(3, (28.9, 21.1), (2.2, 1.7)),
]
"""A nodule of a few pixels."""


def thickness(case: Case, k: int) -> float:
    """mm across slice `k`, half way to its neighbours, from the case's own numbers."""
    step = 2.7 * case.normal if case.step is None else np.asarray(case.step)
    return float(case.heights[k + 1] - case.heights[k - 1]) / 2 * abs(float(step @ case.normal))


@pytest.mark.parametrize("case", [AXIAL, CASES[3], TILTED, UNEVEN], ids=lambda case: case.name)
def test_polygons_and_volume_are_those_of_the_other_objects(case: Case, tmp_path: Path) -> None:
    scan = read_scan(write_series(case, tmp_path / "series"))
    suggestion = suggest(scan, [placed("outline", e, case) for e in LARGE])
    exported("sr", suggestion, scan, tmp_path)
    structures = exported("rtstruct", suggestion, scan, tmp_path)
    exported("seg", suggestion, scan, tmp_path)
    [group] = volumetric(tmp_path / "sr.dcm")
    surface = group.roi
    assert {item.ReferencedFrameOfReferenceUID for item in surface if "GraphicData" in item} == {
        scan.frame_of_reference_uid
    }
    polygons = [np.reshape(item.GraphicData, (-1, 3)) for item in surface if "GraphicData" in item]
    assert len(polygons) == len(LARGE)
    for polygon, contour in zip(polygons, suggestion.contours("outline"), strict=True):
        np.testing.assert_array_equal(polygon[0], polygon[-1])
        np.testing.assert_allclose(polygon[:-1], contour.polygon_lps_mm, atol=1e-3)

    volume, unit = measured(group)["Volume"]
    assert unit == "mm3"
    assert volume == pytest.approx(suggestion.findings[0].volume_mm3, rel=1e-3)
    by_points = 0.0
    for item, ellipse in zip(structures.ROIContourSequence[0].ContourSequence, LARGE, strict=True):
        points = np.array(item.ContourData, dtype=float).reshape(-1, 3)
        area = np.linalg.norm(np.cross(points, np.roll(points, -1, axis=0)).sum(axis=0)) / 2
        by_points += area * thickness(case, ellipse.k)
    assert volume == pytest.approx(by_points, rel=0.005)
    segments = hd.seg.segread(tmp_path / "seg.dcm")
    uids = [scan.sop_instance_uids[e.k] for e in LARGE]
    masks = segments.get_pixels_by_source_instance(uids, combine_segments=True)
    counts = [np.count_nonzero(mask) for mask in masks]
    by_voxels = sum(
        n * case.row_spacing * case.column_spacing * thickness(case, e.k)
        for n, e in zip(counts, LARGE, strict=True)
    )
    assert volume == pytest.approx(by_voxels, rel=0.005)
    [counted] = [m.value for m in group.get_measurements() if m.method and m.method == BY_VOXELS]
    assert counted == pytest.approx(by_voxels, rel=1e-5)
    # Half axes are those that the ellipses were made with.
    assert measured(group)["Long axis"] == (pytest.approx(2 * 21.4, rel=1e-3), "mm")
    assert measured(group)["Short axis"] == (pytest.approx(2 * 16.9, rel=1e-3), "mm")


@pytest.mark.dicom_tools
@pytest.mark.parametrize("ellipses", [LARGE, SMALL], ids=["large", "small"])
@pytest.mark.parametrize("case", each(*CASES), ids=lambda case: case.name)
def test_who_counts_voxels_finds_one_volume_in_all_objects(
    case: Case, ellipses: list[Ellipse], tmp_path: Path
) -> None:
    """plastimatch's of the structures, highdicom's of the segments, and the report's own."""
    folder = write_series(case, tmp_path / "series")
    scan = read_scan(folder)
    suggestion = suggest(scan, [placed("outline", e, case) for e in ellipses])
    for name in ("sr", "rtstruct", "seg"):
        exported(name, suggestion, scan, tmp_path)
    export(suggestion, scan, "labelmap", tmp_path / "labelmap.nii.gz")
    label_map = sitk.ReadImage(str(tmp_path / "labelmap.nii.gz"))
    rasterised = rasterised_by_plastimatch(tmp_path / "rtstruct.dcm", folder, label_map)
    theirs = sitk.GetArrayFromImage(sitk.ReadImage(str(rasterised / "nodule 1.nrrd")))
    uids = [scan.sop_instance_uids[e.k] for e in ellipses]
    segments = hd.seg.segread(tmp_path / "seg.dcm")
    ours = segments.get_pixels_by_source_instance(uids, segment_numbers=[1])
    assert np.count_nonzero(theirs) == pytest.approx(np.count_nonzero(ours), rel=0.005)
    [group] = volumetric(tmp_path / "sr.dcm")
    [counted] = [m.value for m in group.get_measurements() if m.method and m.method == BY_VOXELS]
    assert counted == pytest.approx(
        np.count_nonzero(theirs) * math.prod(label_map.GetSpacing()), rel=0.005
    )


@pytest.mark.parametrize("ellipses", [LARGE, SMALL], ids=["large", "small"])
@pytest.mark.parametrize("case", [AXIAL, CASES[3], TILTED, UNEVEN], ids=lambda case: case.name)
def test_each_volume_says_how_it_was_measured(
    case: Case, ellipses: list[Ellipse], tmp_path: Path
) -> None:
    """Curves, occupancy and the closed form agree however small; voxels are counted beside."""
    scan = read_scan(write_series(case, tmp_path / "series"))
    suggestion = suggest(scan, [placed("outline", e, case) for e in ellipses])
    exported("sr", suggestion, scan, tmp_path)
    [group] = volumetric(tmp_path / "sr.dcm")
    volumes = [m for m in group.get_measurements() if m.name == codes.SCT.Volume]
    assert [m.method for m in volumes] == [BY_AREAS, BY_VOXELS]
    by_areas, by_voxels = (m.value for m in volumes)
    thick = [thickness(case, e.k) for e in ellipses]
    exact = sum(np.pi * np.prod(e.half_axes) * t for e, t in zip(ellipses, thick, strict=True))
    assert by_areas == pytest.approx(exact, rel=0.005)
    voxel = case.row_spacing * case.column_spacing * np.array(thick)
    uids = [scan.sop_instance_uids[e.k] for e in ellipses]
    for name in ("seg", "seg-fractional"):
        exported(name, suggestion, scan, tmp_path)
    counted, shares = (
        hd.seg.segread(tmp_path / name).get_pixels_by_source_instance(uids, segment_numbers=[1])
        for name in ("seg.dcm", "seg_fractional.dcm")
    )
    assert by_voxels == pytest.approx(counted.sum(axis=(1, 2, 3)) @ voxel, rel=1e-5)
    assert shares.sum(axis=(1, 2, 3)) @ voxel == pytest.approx(exact, rel=0.005)


def test_a_finding_is_the_segment_of_the_segmentation(scan: Scan, tmp_path: Path) -> None:
    contours = [circle(scan, 1, (20, 20), 8), circle(scan, 2, (20, 20), 8)]
    contours += [circle(scan, 2, (45, 20), 6)]
    suggestion = suggest(scan, contours, labels=["mass", "mass", "nodule"])
    for edited in (False, True):
        exported("sr", replace(suggestion, edited=edited), scan, tmp_path)
        segments = exported("seg", replace(suggestion, edited=edited), scan, tmp_path)
        groups = [*volumetric(tmp_path / "sr.dcm"), *planar(tmp_path / "sr.dcm")]
        assert [g.tracking_identifier for g in groups] == ["mass 1", "nodule 2"]
        for group, segment in zip(groups, segments.SegmentSequence, strict=True):
            assert group.tracking_uid == segment.TrackingUID
            assert group.tracking_identifier == segment.TrackingID
            [source] = [
                image
                for measurement in group.get_measurements()
                for image in measurement.referenced_images
                if image.referenced_sop_class_uid == segments.SOPClassUID
            ]
            [reference] = source.ReferencedSOPSequence
            assert reference.ReferencedSOPInstanceUID == segments.SOPInstanceUID
            assert reference.ReferencedSegmentNumber == segment.SegmentNumber
        named = _evidence(tmp_path / "sr.dcm")
        assert (segments.SeriesInstanceUID, segments.SOPInstanceUID) in named
        for k in (1, 2):
            assert (scan.series_instance_uid, scan.sop_instance_uids[k]) in named


@pytest.mark.parametrize("case", [AXIAL, CASES[3], TILTED, UNEVEN], ids=lambda case: case.name)
def test_viewers_find_the_largest_outline_first(case: Case, tmp_path: Path) -> None:
    """On its image, in pixels: the first pixel's upper left corner is (0, 0)."""
    case = replace(case, row_spacing=0.8, column_spacing=0.8)
    scan = read_scan(write_series(case, tmp_path / "series"))
    exported("sr", suggest(scan, [placed("outline", e, case) for e in LARGE]), scan, tmp_path)
    [group] = volumetric(tmp_path / "sr.dcm")
    first, *others = [item for item in group[0].ContentSequence if "GraphicData" in item]
    assert {item.ValueType for item in others} == {"SCOORD3D"}
    assert (first.ValueType, first.GraphicType) == ("SCOORD", "POLYLINE")
    widest = max(LARGE, key=lambda e: max(e.half_axes))
    [image] = first.ContentSequence
    [reference] = image.ReferencedSOPSequence
    assert reference.ReferencedSOPInstanceUID == scan.sop_instance_uids[widest.k]
    points = np.reshape(first.GraphicData, (-1, 2))
    np.testing.assert_array_equal(points[0], points[-1])
    expected = widest.outline(case)
    assert len(points) - 1 == len(expected)
    np.testing.assert_allclose(case.place(points[:-1] - 0.5, widest.k), expected, atol=1e-3)


def test_viewers_that_mistake_oblong_pixels_find_no_outline(scan: Scan, tmp_path: Path) -> None:
    assert len(set(scan.pixel_spacing)) == 2
    exported("sr", suggest(scan, [circle(scan, 2, (30, 20), 10)]), scan, tmp_path)
    [group] = planar(tmp_path / "sr.dcm")
    [item] = [item for item in group[0].ContentSequence if "GraphicData" in item]
    assert item.ValueType == "SCOORD3D"


def _evidence(path: Path) -> set[tuple[str, str]]:
    [study] = pydicom.dcmread(path).CurrentRequestedProcedureEvidenceSequence
    return {
        (series.SeriesInstanceUID, item.ReferencedSOPInstanceUID)
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }


def test_a_finding_on_one_slice_has_an_area(scan: Scan, tmp_path: Path) -> None:
    exported("sr", suggest(scan, [circle(scan, 2, (30, 20), 10)]), scan, tmp_path)
    [group] = planar(tmp_path / "sr.dcm")
    area, unit = measured(group)["Area"]
    row, column = scan.pixel_spacing
    assert (area, unit) == (pytest.approx(np.pi * 100 * row * column, rel=1e-3), "mm2")
    assert "Volume" not in measured(group)


def test_the_figures_are_those_of_the_surest_slice(study: tuple, tmp_path: Path) -> None:
    scan, suggestion = study
    exported("sr", suggestion, scan, tmp_path)
    [group] = volumetric(tmp_path / "sr.dcm")
    surest = max(suggestion.findings[0].slices, key=lambda part: part.score)
    found = measured(group)
    assert found["Probability"] == (surest.score, "1")
    own = surest.evidence
    assert found["Probability with only the evidence kept"] == (own.preserved, "1")
    assert found["Probability with the evidence removed"] == (own.deleted, "1")
    assert found["p value of the placement test"] == (own.p_value, "1")
    for measurement in group.get_measurements():
        if measurement.name.scheme_designator == "99MEDCONTOUR":
            [image] = measurement.referenced_images
            assert image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == (
                surest.sop_instance_uid
            )
    [status] = [
        each
        for each in group.get_qualitative_evaluations()
        if each.name.scheme_designator == "99MEDCONTOUR"
    ]
    assert status.value.meaning == suggestion.findings[0].status
    [scheme] = pydicom.dcmread(tmp_path / "sr.dcm").CodingSchemeIdentificationSequence
    assert scheme.CodingSchemeDesignator == "99MEDCONTOUR"


@pytest.mark.parametrize(
    ("label", "code"),
    [
        ("nodule", codes.SCT.Nodule),
        ("Tumour", codes.SCT.Tumor),
        ("pleural_effusion", codes.SCT.PleuralEffusion),
        ("haemorrhage", codes.SCT.Hemorrhage),
    ],
)
def test_common_classes_have_the_codes_of_snomed(
    label: str, code: object, scan: Scan, tmp_path: Path
) -> None:
    exported("sr", suggest(scan, [circle(scan, 2, (30, 20), 10)], labels=[label]), scan, tmp_path)
    [group] = planar(tmp_path / "sr.dcm")
    assert group.finding_type == code


def test_other_classes_have_codes_of_their_own(scan: Scan, tmp_path: Path) -> None:
    """Part of a name may say the opposite of the whole."""
    names = ["no tumour", "No tumour", "grade 3", "結節"]
    contours = [circle(scan, k, (30, 20), 10) for k in range(4)]
    exported("sr", suggest(scan, contours, labels=names), scan, tmp_path)
    types = [group.finding_type for group in planar(tmp_path / "sr.dcm")]
    assert [each.meaning for each in types] == names
    assert {each.scheme_designator for each in types} == {"99MEDCONTOUR"}
    assert len({each.value for each in types}) == len(names)


def test_what_covers_nothing_is_left_out(scan: Scan, tmp_path: Path) -> None:
    line = replace(
        circle(scan, 1, (30, 20), 10),
        polygon_lps_mm=scan.to_lps(np.array([[3.0, 4], [9, 4], [6, 4]]), 1),
    )
    exported("sr", suggest(scan, [line, circle(scan, 2, (30, 20), 10)]), scan, tmp_path)
    assert len(planar(tmp_path / "sr.dcm")) == 1
    with pytest.raises(NothingToWrite):
        export(suggest(scan, [line]), scan, "sr", tmp_path / "nothing.dcm")
    assert not (tmp_path / "nothing.dcm").exists()


def test_evidence_alone_has_regions_and_no_size(scan: Scan, tmp_path: Path) -> None:
    """What a score rests on is no lesion's size."""
    exported("sr", case_suggestion(scan, AXIAL, outline="none"), scan, tmp_path)
    [group] = volumetric(tmp_path / "sr.dcm")
    assert {"Volume", "Area", "Long axis"}.isdisjoint(measured(group))
    assert measured(group)["Probability"]


def test_where_outlines_overlap_they_count_once(scan: Scan, tmp_path: Path) -> None:
    twice = [circle(scan, 2, (30, 20), 10), circle(scan, 2, (30.2, 20), 10)]
    exported("sr", suggest(scan, twice), scan, tmp_path)
    [group] = volumetric(tmp_path / "sr.dcm")
    row, column = scan.pixel_spacing
    one = np.pi * 100 * row * column
    assert one < measured(group)["Area"][0] < 1.05 * one


def test_without_a_frame_of_reference_regions_are_of_the_image(
    sample_data: Path, tmp_path: Path
) -> None:
    """A radiograph has no place in space; the first pixel's upper left corner is (0, 0)."""
    scan = read_scan(sample_data / "radiograph.dcm")
    assert not scan.frame_of_reference_uid
    middle, half_axes = np.array([100.4, 80.7]), np.array([30.2, 12.6])
    t = np.arange(128) * 2 * np.pi / 128
    index = middle + half_axes * np.stack([np.cos(t), np.sin(t)], axis=1)
    oval = replace(circle(scan, 0, (100, 80), 9), polygon_lps_mm=scan.to_lps(index, 0))
    others = [circle(scan, 0, (40, 30), 8), circle(scan, 0, (150, 30), 8)]
    suggestion = suggest(scan, [oval, *others], labels=["mass", "nodule", "nodule"])
    exported("sr", suggestion, scan, tmp_path)
    [mass], [nodules] = planar(tmp_path / "sr.dcm"), volumetric(tmp_path / "sr.dcm")
    for region in (mass.roi, *nodules.roi):
        assert region.graphic_type.value == "POLYLINE"
        [image] = region.ContentSequence
        [reference] = image.ReferencedSOPSequence
        assert reference.ReferencedSOPInstanceUID == scan.sop_instance_uids[0]
    points = mass.roi.value
    np.testing.assert_array_equal(points[0], points[-1])
    np.testing.assert_allclose(points[:-1], index + 0.5, atol=1e-4)
    row, column = scan.pixel_spacing
    assert measured(mass)["Area"][0] == pytest.approx(
        np.pi * np.prod(half_axes) * row * column, rel=1e-3
    )
    refined = mc.refine(suggestion, tmp_path / "sr.dcm", scan)
    assert not refined.report.changed


@pytest.mark.dicom_tools
def test_dciodvfy_finds_no_error_in_reports_with_regions_of_the_image(
    sample_data: Path, tmp_path: Path
) -> None:
    radiograph = read_scan(sample_data / "radiograph.dcm")
    exported("sr", suggest(radiograph, [circle(radiograph, 0, (40, 30), 8)]), radiograph, tmp_path)
    assert errors_of_dciodvfy(tmp_path / "sr.dcm") == []
    case = replace(AXIAL, row_spacing=0.8, column_spacing=0.8)
    series = read_scan(write_series(case, tmp_path / "series"))
    exported("sr", suggest(series, [placed("outline", e, case) for e in LARGE]), series, tmp_path)
    assert errors_of_dciodvfy(tmp_path / "sr.dcm") == []


def test_an_edit_names_the_report_it_began_from(study: tuple, tmp_path: Path) -> None:
    scan, suggestion = study
    before = exported("sr", suggestion, scan, tmp_path)
    reference = mc.results.parts.ObjectReference(before.SOPInstanceUID, before.SeriesInstanceUID)
    edited: Suggestion = replace(suggestion, edited=True, predecessors={"sr": reference})
    after = exported("sr", edited, scan, tmp_path)
    [predecessor] = after.PredecessorDocumentsSequence
    assert predecessor.StudyInstanceUID == before.StudyInstanceUID
    [series] = predecessor.ReferencedSeriesSequence
    [item] = series.ReferencedSOPSequence
    assert item.ReferencedSOPInstanceUID == before.SOPInstanceUID
    assert item.ReferencedSOPClassUID == before.SOPClassUID
