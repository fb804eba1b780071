"""What RTSTRUCT and SEG say of each structure and segment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from dicom_files import exported
from export_cases import (
    AXIAL,
    CASES,
    Ellipse,
    case_suggestion,
    circle,
    headers_by_uid,
    placed,
    suggest,
    write_series,
)

from medcontour.results import export
from medcontour.scan import Scan, read_scan

# RTSTRUCT


def test_structure_set_refers_to_every_slice(scan: Scan, series: Path, tmp_path: Path) -> None:
    ours = exported("rtstruct", case_suggestion(scan, AXIAL), scan, tmp_path)
    headers = headers_by_uid(series)
    [frame] = ours.ReferencedFrameOfReferenceSequence
    [study] = frame.RTReferencedStudySequence
    [referenced] = study.RTReferencedSeriesSequence
    some = next(iter(headers.values()))
    assert frame.FrameOfReferenceUID == ours.FrameOfReferenceUID == some.FrameOfReferenceUID
    assert study.ReferencedSOPInstanceUID == some.StudyInstanceUID
    assert referenced.SeriesInstanceUID == some.SeriesInstanceUID
    images = [item.ReferencedSOPInstanceUID for item in referenced.ContourImageSequence]
    assert sorted(images) == sorted(headers)
    heights = [float(headers[uid].ImagePositionPatient[2]) for uid in images]
    assert heights == sorted(heights)


@pytest.mark.parametrize("edited", [False, True])
def test_structures_say_what_they_are(edited: bool, scan: Scan, tmp_path: Path) -> None:
    ours = exported("rtstruct", case_suggestion(scan, AXIAL, edited=edited), scan, tmp_path)
    assert ours.ApprovalStatus == "UNAPPROVED"
    assert ours.SeriesDescription == ("medcontour edited" if edited else "medcontour suggestion")
    numbers = [roi.ROINumber for roi in ours.StructureSetROISequence]
    assert numbers == [1, 2]
    assert [roi.ReferencedROINumber for roi in ours.ROIContourSequence] == numbers
    assert [item.ReferencedROINumber for item in ours.RTROIObservationsSequence] == numbers
    for roi in ours.StructureSetROISequence:
        assert roi.ROIGenerationAlgorithm == ("SEMIAUTOMATIC" if edited else "AUTOMATIC")
        [algorithm] = roi.ROIDerivationAlgorithmIdentificationSequence
        assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == (
            "medcontour",
            ours.SoftwareVersions,
        )
        assert roi.ReferencedFrameOfReferenceUID == ours.FrameOfReferenceUID
    outline, evidence = (roi.ROIDescription for roi in ours.StructureSetROISequence)
    assert outline.startswith("nodule 1, score 0.530")
    assert "boundary" in outline
    assert "classifier" in evidence
    colours = [tuple(roi.ROIDisplayColor) for roi in ours.ROIContourSequence]
    assert len(set(colours)) == 2
    for roi in ours.ROIContourSequence:
        found = [contour.ContourNumber for contour in roi.ContourSequence]
        assert found == list(range(1, len(found) + 1))


def test_a_kind_without_contours_has_no_structure(scan: Scan, tmp_path: Path) -> None:
    evidence = replace(circle(scan, 2, (20, 20), 6), kind="evidence")
    ours = exported("rtstruct", suggest(scan, [evidence]), scan, tmp_path)
    assert [roi.ROIName for roi in ours.StructureSetROISequence] == ["nodule 1 evidence"]
    assert len(ours.ROIContourSequence) == len(ours.RTROIObservationsSequence) == 1


def test_decimal_strings_are_short_and_exact(tmp_path: Path) -> None:
    """Coordinates far from the origin and with many digits keep within 16 bytes and 1e-6 mm."""
    case = replace(CASES[3], origin=(-1234.56789012345, 987.654321098765, -2345.67890123456))
    scan = read_scan(write_series(case, tmp_path / "series"))
    contour = placed("outline", Ellipse(2, (20.123, 19.877), (7.7, 5.5)), case)
    export(suggest(scan, [contour]), scan, "rtstruct", tmp_path / "rtstruct.dcm")
    ours = pydicom.dcmread(tmp_path / "rtstruct.dcm")
    data = ours.ROIContourSequence[0].ContourSequence[0].ContourData
    assert max(len(value.original_string) for value in data) <= 16
    points = np.array(data, dtype=float).reshape(-1, 3)
    assert np.abs(points - contour.polygon_lps_mm).max() < 1e-6


def test_a_contour_of_many_points_is_whole(scan: Scan, tmp_path: Path) -> None:
    """More points than the 64 KiB that explicit VR holds, as a person's freehand edit may have."""
    contour = circle(scan, 2, (30, 22), 15, n=4000)
    ours = exported("rtstruct", suggest(scan, [contour]), scan, tmp_path)
    [item] = ours.ROIContourSequence[0].ContourSequence
    assert item["ContourData"].VR == "DS"
    points = np.array(item.ContourData, dtype=float).reshape(-1, 3)
    assert np.abs(points - contour.polygon_lps_mm).max() < 1e-6


# SEG


def test_segments_say_what_they_are(scan: Scan, tmp_path: Path) -> None:
    contours = [circle(scan, 1, (15.3, 15.4), 6), circle(scan, 1, (18.3, 15.4), 6)]
    suggestion = suggest(scan, contours, labels=["nodule", "scar"])
    ours = exported("seg", suggestion, scan, tmp_path)
    assert ours.SegmentationType == "BINARY"
    assert ours.ContentLabel == "MEDCONTOUR"
    assert [segment.SegmentNumber for segment in ours.SegmentSequence] == [1, 2]
    assert [segment.SegmentLabel for segment in ours.SegmentSequence] == ["nodule 1", "scar 2"]
    for segment in ours.SegmentSequence:
        assert segment.SegmentAlgorithmType == "AUTOMATIC"
        [category] = segment.SegmentedPropertyCategoryCodeSequence
        [kind] = segment.SegmentedPropertyTypeCodeSequence
        assert (category.CodingSchemeDesignator, category.CodeValue) == ("SCT", "309825002")
        assert (kind.CodingSchemeDesignator, kind.CodeValue) == ("DCM", "111099")
        [algorithm] = segment.SegmentationAlgorithmIdentificationSequence
        assert algorithm.AlgorithmName == "medcontour"
        assert segment.TrackingID == segment.SegmentLabel
    assert len({segment.TrackingUID for segment in ours.SegmentSequence}) == 2
    assert len({tuple(s.RecommendedDisplayCIELabValue) for s in ours.SegmentSequence}) == 2
    # Overlapping segments keep all their pixels.
    masks = hd.seg.segread(tmp_path / "seg.dcm").get_volume().array
    for i in range(2):
        assert masks[..., i].sum() == pytest.approx(np.pi * 6**2, rel=0.05)


def test_an_edited_segment_is_semiautomatic(scan: Scan, tmp_path: Path) -> None:
    ours = exported("seg", case_suggestion(scan, AXIAL, edited=True), scan, tmp_path)
    assert ours.SegmentSequence[0].SegmentAlgorithmType == "SEMIAUTOMATIC"


def test_a_segment_without_pixels_is_left_out(scan: Scan, tmp_path: Path) -> None:
    contours = [circle(scan, 1, (15.5, 15.5), 0.2), circle(scan, 1, (30, 15), 5)]
    ours = exported("seg", suggest(scan, contours, labels=["speck", "mass"]), scan, tmp_path)
    assert [(s.SegmentNumber, s.SegmentLabel) for s in ours.SegmentSequence] == [(1, "mass 2")]
