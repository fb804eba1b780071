"""RTSTRUCT and SEG as DICOM objects: valid, referring to the right images, with the right names."""

from __future__ import annotations

import subprocess
import warnings
from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from export_cases import (
    AXIAL,
    BIRTH_DATE,
    CASES,
    PATIENT,
    PATIENT_ID,
    TILTED,
    UNEVEN,
    Case,
    Ellipse,
    case_suggestion,
    dice,
    headers_by_uid,
    placed,
    suggest,
    write_series,
)
from pydicom.dataset import Dataset

from medcontour.scan import Scan, read_scan
from medcontour.suggestion import PlacedContour, Suggestion, export, refusal

FILES = {
    "rtstruct": "rtstruct.dcm",
    "seg": "seg.dcm",
    "seg-fractional": "seg_fractional.dcm",
    "seg-labelmap": "seg_labelmap.dcm",
}


# dciodvfy does not know label map segmentations: see test_export_judges.
VALID = [name for name in FILES if name != "seg-labelmap"]


def exported(name: str, suggestion: Suggestion, scan: Scan, folder: Path) -> Dataset:
    export(suggestion, scan, name, folder / FILES[name])
    return pydicom.dcmread(folder / FILES[name])


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_series(AXIAL, tmp_path_factory.mktemp("series"))


@pytest.fixture(scope="module")
def scan(series: Path) -> Scan:
    return read_scan(series)


def circle(
    scan: Scan, k: int, centre: tuple[float, float], radius: float, n: int = 128
) -> PlacedContour:
    """A circle in pixels about (column, row)."""
    t = np.arange(n) * 2 * np.pi / n
    points = scan.to_lps(np.stack([np.cos(t), np.sin(t)], 1) * radius + centre, k)
    return PlacedContour("outline", k, {}, points, 1.0)


def errors_of_dciodvfy(path: Path) -> list[str]:
    done = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, check=False)
    lines = (done.stdout + done.stderr).decode("utf-8", "replace").splitlines()
    assert any(line.strip() in ("RTStructureSet", "Segmentation") for line in lines)
    return [line for line in lines if line.startswith("Error")]


@pytest.mark.dicom_tools
@pytest.mark.parametrize("name", VALID)
@pytest.mark.parametrize("case", [AXIAL, CASES[3], TILTED, UNEVEN], ids=lambda case: case.name)
@pytest.mark.parametrize("edited", [False, True])
def test_dciodvfy_finds_no_error(name: str, case: Case, edited: bool, tmp_path: Path) -> None:
    scan = read_scan(write_series(case, tmp_path / "series"))
    suggestion = case_suggestion(scan, case, edited=edited)
    export(suggestion, scan, name, tmp_path / FILES[name])
    assert errors_of_dciodvfy(tmp_path / FILES[name]) == []


@pytest.mark.dicom_tools
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_plastimatch_rasterises_the_structures_as_the_label_map(case: Case, tmp_path: Path) -> None:
    """plastimatch, too, takes a pixel in when its centre is: only voxels on the edge may differ."""
    folder = write_series(case, tmp_path / "series")
    scan = read_scan(folder)
    suggestion = case_suggestion(scan, case)
    export(suggestion, scan, "rtstruct", tmp_path / "rtstruct.dcm")
    export(suggestion, scan, "labelmap", tmp_path / "labelmap.nii.gz")
    label_map = sitk.ReadImage(str(tmp_path / "labelmap.nii.gz"))
    sitk.WriteImage(label_map * 0, str(tmp_path / "grid.nrrd"))
    command = (
        f"plastimatch convert --input {tmp_path}/rtstruct.dcm --referenced-ct {folder} "
        f"--fixed {tmp_path}/grid.nrrd --output-prefix {tmp_path}/out --prefix-format nrrd"
    )
    subprocess.run(command.split(), capture_output=True, check=True)
    theirs = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out" / "nodule.nrrd"))) > 0
    assert dice(sitk.GetArrayFromImage(label_map) == 1, theirs) > 0.995
    assert (tmp_path / "out" / "nodule evidence.nrrd").exists()


@pytest.mark.parametrize("name", FILES)
def test_patient_and_study_are_those_of_the_source(
    name: str, scan: Scan, series: Path, tmp_path: Path
) -> None:
    ours = exported(name, case_suggestion(scan, AXIAL), scan, tmp_path)
    source = next(iter(headers_by_uid(series).values()))
    for keyword in (
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "PatientSex",
        "StudyInstanceUID",
        "StudyDate",
        "StudyTime",
        "StudyID",
        "AccessionNumber",
        "ReferringPhysicianName",
        "FrameOfReferenceUID",
    ):
        assert str(ours[keyword].value) == str(source[keyword].value), keyword
    assert (ours.PatientName, ours.PatientID, ours.PatientBirthDate) == (
        PATIENT,
        PATIENT_ID,
        BIRTH_DATE,
    )
    assert ours.SeriesInstanceUID != source.SeriesInstanceUID
    assert (ours.Manufacturer, ours.ManufacturerModelName) == ("medcontour", "medcontour")
    assert ours.SoftwareVersions


@pytest.mark.parametrize("name", FILES)
def test_the_same_content_is_the_same_object(name: str, scan: Scan, tmp_path: Path) -> None:
    """An archive that holds it needs it no second time; another content never takes its place."""
    suggestion = case_suggestion(scan, AXIAL)
    first, second = (_without_times(exported(name, suggestion, scan, tmp_path)) for _ in range(2))
    assert first == second
    moved = [
        replace(c, polygon_lps_mm=c.polygon_lps_mm + np.array([0.01, 0, 0]))
        for c in suggestion.contours("outline")
    ]
    finding = replace(suggestion.findings[0], outlines=tuple(moved[:1]))
    others = (
        replace(suggestion, edited=True),
        replace(suggestion, findings=(finding, *suggestion.findings[1:])),
        replace(suggestion, run={"medcontour": "another version"}),
    )
    for other in others:
        written = exported(name, other, scan, tmp_path)
        assert written.SOPInstanceUID != first.SOPInstanceUID
        assert written.SeriesInstanceUID != first.SeriesInstanceUID


def _without_times(dataset: Dataset) -> Dataset:
    """Leave out when it was written."""
    for keyword in ("InstanceCreation", "Content", "StructureSet", "Series"):
        for kind in ("Date", "Time"):
            if keyword + kind in dataset:
                del dataset[keyword + kind]
    for equipment in dataset.get("ContributingEquipmentSequence", ()):
        equipment.pop("ContributionDateTime", None)
    return dataset


@pytest.mark.parametrize("name", FILES)
def test_labels_in_any_script_and_length(name: str, scan: Scan, tmp_path: Path) -> None:
    labels = ["Rundherd (Lunge) ü", "結節", "a\\b", "x" * 80]
    contours = [circle(scan, k, (20, 20), 6) for k in range(4)]
    evidence = [replace(c, kind="evidence") for c in contours]
    suggestion = suggest(scan, contours + evidence, labels=labels + labels)
    ours = exported(name, suggestion, scan, tmp_path)
    expected = [*labels[:2], "a/b", "x" * 64]
    if name != "rtstruct":
        segments = [s for s in ours.SegmentSequence if s.SegmentNumber]  # 0 is the background
        assert [segment.SegmentLabel for segment in segments] == expected
    else:
        names = [roi.ROIName for roi in ours.StructureSetROISequence]
        assert names[0::2] == expected
        assert names[1::2] == [*(f"{e} evidence" for e in expected[:3]), "x" * 55 + " evidence"]
    assert ours.PatientName == PATIENT


@pytest.mark.filterwarnings("ignore:Invalid value for VR DA")
@pytest.mark.parametrize("name", FILES)
def test_headers_that_anonymisers_leave_are_mended(name: str, tmp_path: Path) -> None:
    scan = read_scan(
        write_series(
            AXIAL,
            tmp_path / "series",
            PatientName=None,
            PatientID=None,
            AccessionNumber=None,
            StudyID=None,
            StudyTime=None,
            PatientSex="X",
            PatientBirthDate="00000000",
            PositionReferenceIndicator=None,
        )
    )
    ours = exported(name, case_suggestion(scan, AXIAL), scan, tmp_path)
    for keyword in ("PatientName", "PatientID", "AccessionNumber", "PatientSex", "StudyTime"):
        assert keyword in ours
        assert not ours[keyword].value
    assert ours.PatientBirthDate == ""
    assert ours.StudyDate == "20240102"
    # The scan's own headers stay as they were read.
    assert scan.datasets[0].PatientSex == "X"
    assert "PatientID" not in scan.datasets[0]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", FILES)
def test_nothing_is_said_of_the_patient(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """pydicom and highdicom quote values that look wrong to them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = write_series(
            AXIAL, tmp_path / "series", PatientName="Mustermann", PatientBirthDate="3.2.1961"
        )
    caplog.clear()
    scan = read_scan(folder)
    ours = exported(name, case_suggestion(scan, AXIAL), scan, tmp_path)
    assert ours.PatientName == "Mustermann"
    assert not caplog.records


def test_series_numbers_come_after_the_scans_own(scan: Scan, series: Path, tmp_path: Path) -> None:
    own = int(next(iter(headers_by_uid(series).values())).SeriesNumber)
    found = [
        int(exported(name, case_suggestion(scan, AXIAL), scan, tmp_path).SeriesNumber)
        for name in ("rtstruct", "seg", "seg-labelmap", "seg-fractional")
    ]
    assert len(set(found)) == 4
    assert all(own < number < 100 * (own + 1) for number in found)


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
    assert outline.startswith("nodule, score 0.530")
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
    assert [roi.ROIName for roi in ours.StructureSetROISequence] == ["nodule evidence"]
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
    assert [segment.SegmentLabel for segment in ours.SegmentSequence] == ["nodule", "scar"]
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
    assert [(s.SegmentNumber, s.SegmentLabel) for s in ours.SegmentSequence] == [(1, "mass")]


# Other sources


@pytest.mark.parametrize("frame_of_reference", [None, "1.2.826.0.1.3680043.8.498.1"])
def test_a_radiograph_is_segmented_pixel_for_pixel(
    frame_of_reference: str | None, sample_data: Path, tmp_path: Path
) -> None:
    source = pydicom.dcmread(sample_data / "radiograph.dcm")
    if frame_of_reference:
        source.FrameOfReferenceUID = frame_of_reference  # as some devices do, without a position
    source.save_as(tmp_path / "radiograph.dcm")
    scan = read_scan(tmp_path / "radiograph.dcm")
    contour = circle(scan, 0, (100.4, 80.7), 20.2)
    ours = exported("seg", suggest(scan, [contour]), scan, tmp_path)
    assert (ours.Rows, ours.Columns) == (source.Rows, source.Columns)
    [reference] = ours.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    assert reference.ReferencedSOPInstanceUID == source.SOPInstanceUID
    rows, columns = np.mgrid[: source.Rows, : source.Columns]
    mask = hd.seg.segread(tmp_path / "seg.dcm").pixel_array.reshape(rows.shape) > 0
    assert dice(mask, np.hypot(columns - 100.4, rows - 80.7) < 20.2) > 0.995

    sentence = refusal(scan, "rtstruct")
    assert sentence is not None
    assert "no FrameOfReferenceUID" in sentence
    assert sentence.endswith(
        "formats that work: coco, labelmap, markups, nrrd, png, seg, seg-fractional, seg-labelmap."
    )


@pytest.mark.dicom_tools
def test_dciodvfy_finds_no_error_in_a_radiographs_segmentation(
    sample_data: Path, tmp_path: Path
) -> None:
    scan = read_scan(sample_data / "radiograph.dcm")
    export(suggest(scan, [circle(scan, 0, (100, 80), 20)]), scan, "seg", tmp_path / "seg.dcm")
    assert errors_of_dciodvfy(tmp_path / "seg.dcm") == []


@pytest.fixture
def enhanced(series: Path, tmp_path: Path) -> Path:
    """The series as one legacy converted enhanced object, frames in the files' shuffled order."""
    images = [pydicom.dcmread(path) for path in sorted(series.glob("*.dcm"))]
    converted = hd.legacy.LegacyConvertedEnhancedCTImage(
        images, hd.UID(), 9, hd.UID(), 1, include_dimension_index=False
    )
    converted.save_as(tmp_path / "enhanced.dcm")
    return tmp_path / "enhanced.dcm"


def test_frames_of_a_multi_frame_image(enhanced: Path, tmp_path: Path) -> None:
    scan = read_scan(enhanced)
    source = pydicom.dcmread(enhanced)
    positions = [
        np.array(item.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
        for item in source.PerFrameFunctionalGroupsSequence
    ]
    heights = [position[2] for position in positions]
    assert heights != sorted(heights)
    suggestion = case_suggestion(scan, AXIAL)

    structures = exported("rtstruct", suggestion, scan, tmp_path)
    for contour in structures.ROIContourSequence[0].ContourSequence:
        [image] = contour.ContourImageSequence
        assert image.ReferencedSOPInstanceUID == source.SOPInstanceUID
        points = np.array(contour.ContourData, dtype=float).reshape(-1, 3)
        assert np.abs(points[:, 2] - heights[image.ReferencedFrameNumber - 1]).max() < 1e-3

    segments = exported("seg", suggestion, scan, tmp_path)
    for frame in segments.PerFrameFunctionalGroupsSequence:
        [image] = frame.DerivationImageSequence[0].SourceImageSequence
        ours = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
        np.testing.assert_allclose(ours, positions[image.ReferencedFrameNumber - 1])
    volume = hd.seg.segread(tmp_path / "seg.dcm").get_volume(combine_segments=True)
    centres = volume.map_indices_to_reference(np.argwhere(volume.array == 1))
    export(suggestion, scan, "labelmap", tmp_path / "labelmap.nii.gz")
    label_map = sitk.ReadImage(str(tmp_path / "labelmap.nii.gz"))
    written = sitk.GetArrayFromImage(label_map)
    values = [written[label_map.TransformPhysicalPointToIndex(c.tolist())[::-1]] for c in centres]
    assert all(values)
    assert len(values) == written.sum()


def test_images_that_no_segmentation_can_refer_to(scan: Scan, tmp_path: Path) -> None:
    several = replace(scan, frame_numbers=(1, 2, 1, 2, 3))
    retired_ultrasound = "1.2.840.10008.5.1.4.1.1.6"
    folder = write_series(
        replace(AXIAL, heights=(0,)),
        tmp_path,
        Modality="US",
        SOPClassUID=retired_ultrasound,
        FrameOfReferenceUID=None,
        ImagePositionPatient=None,
        ImageOrientationPatient=None,
    )
    for refused, reason in (
        (several, "lie in several multi-frame DICOM objects, so the scan cannot be written as seg"),
        (read_scan(folder), "private or retired kind (Ultrasound Image Storage)"),
    ):
        sentence = refusal(refused, "seg")
        assert sentence is not None
        assert reason in sentence


REAL = {
    "Siemens CT": "dcpt_headphantom",
    "GE CT": "rt_utils/mock_data",
    "CT of three slices": "dcmqi_liver/ct-3slice",
    "enhanced CT": "dcmqi_liver/24x38x3/multiframe",
    "uneven CT": "pydicom/dicomdirtests/77654033/CT2",
}


@pytest.mark.shared_data
@pytest.mark.dicom_tools
@pytest.mark.parametrize("folder", REAL.values(), ids=REAL.keys())
def test_real_scans(folder: str, shared_data: Path, tmp_path: Path) -> None:
    scan = read_scan(shared_data / "dicom" / folder)
    centre, radius = (scan.columns * 0.41, scan.rows * 0.53), scan.columns * 0.11
    suggestion = suggest(scan, [circle(scan, k, centre, radius) for k in range(scan.slices)])
    structures = exported("rtstruct", suggestion, scan, tmp_path)
    found = [
        pydicom.dcmread(path, stop_before_pixels=True)
        for path in (shared_data / "dicom" / folder).iterdir()
        if pydicom.misc.is_dicom(path)
    ]
    headers = {str(header.SOPInstanceUID): header for header in found}
    contours = structures.ROIContourSequence[0].ContourSequence
    assert len(contours) == scan.slices
    for contour in contours:
        [image] = contour.ContourImageSequence
        groups = headers[image.ReferencedSOPInstanceUID]
        position, orientation, measures = groups, groups, groups
        if "ReferencedFrameNumber" in image:
            per_frame = groups.PerFrameFunctionalGroupsSequence[image.ReferencedFrameNumber - 1]
            [shared] = groups.SharedFunctionalGroupsSequence
            [position] = per_frame.PlanePositionSequence
            [orientation] = shared.PlaneOrientationSequence
            [measures] = shared.PixelMeasuresSequence
        cosines = np.array(orientation.ImageOrientationPatient, dtype=float).reshape(2, 3)
        points = np.array(contour.ContourData, dtype=float).reshape(-1, 3)
        offsets = points - np.array(position.ImagePositionPatient, dtype=float)
        assert np.abs(offsets @ np.cross(*cosines)).max() < 1e-3
        row_spacing, column_spacing = map(float, measures.PixelSpacing)
        column = offsets @ cosines[0] / column_spacing - centre[0]
        row = offsets @ cosines[1] / row_spacing - centre[1]
        np.testing.assert_allclose(np.hypot(column, row), radius, atol=1e-3)

    segments = exported("seg", suggestion, scan, tmp_path)
    frames = hd.seg.segread(tmp_path / "seg.dcm").pixel_array.reshape(-1, scan.rows, scan.columns)
    assert len(frames) == segments.NumberOfFrames == scan.slices
    rows, columns = np.mgrid[: scan.rows, : scan.columns]
    disk = np.hypot(columns - centre[0], rows - centre[1]) < radius
    assert min(dice(frame > 0, disk) for frame in frames) > 0.98
    exported("seg-fractional", suggestion, scan, tmp_path)
    exported("seg-labelmap", suggestion, scan, tmp_path)
    labels = hd.seg.segread(tmp_path / "seg_labelmap.dcm").pixel_array
    np.testing.assert_array_equal(labels.reshape(frames.shape) > 0, frames > 0)
    for name in VALID:
        assert errors_of_dciodvfy(tmp_path / FILES[name]) == []


@pytest.mark.shared_data
def test_images_without_their_uids_cannot_be_referred_to(shared_data: Path) -> None:
    """An anonymiser emptied every UID of this CT: nothing could link a structure set to it."""
    scan = read_scan(shared_data / "dicom" / "siemens_ct_totalseg" / "example_ct_dicom")
    for name in FILES:
        assert refusal(scan, name) == (
            "The images have no StudyInstanceUID to refer to, so the scan cannot be written as "
            f"{name}; formats that work: coco, labelmap, markups, nrrd."
        )


def test_an_instance_is_known_by_its_file_meta_information(series: Path, tmp_path: Path) -> None:
    """Anonymisers that empty SOPInstanceUID leave it in the file's meta information."""
    for path in series.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.SOPInstanceUID, dataset.SOPClassUID = "", ""
        with (tmp_path / path.name).open("wb") as file:
            pydicom.dcmwrite(file, dataset, enforce_file_format=False)
    scan = read_scan(tmp_path)
    ours = exported("rtstruct", case_suggestion(scan, AXIAL), scan, tmp_path)
    contours = ours.ROIContourSequence[0].ContourSequence
    referenced = {c.ContourImageSequence[0].ReferencedSOPInstanceUID for c in contours}
    assert len(referenced) == 3
    assert referenced <= set(headers_by_uid(series))
