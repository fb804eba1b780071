"""RTSTRUCT and SEG for sources other than a plain series: radiographs, multi-frame, real scans."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_files import FILES, VALID, errors_of_dciodvfy, exported
from export_cases import (
    AXIAL,
    case_suggestion,
    circle,
    dice,
    headers_by_uid,
    suggest,
    write_series,
)

from medcontour.results import export, refusal
from medcontour.scan import Scan, read_scan


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
        "formats that work: coco, labelmap, markups, nrrd, png, seg, seg-fractional, seg-labelmap, "
        "sr."
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
    outlines = [circle(scan, k, centre, radius) for k in range(scan.slices)]
    evidence = [replace(outline, kind="evidence") for outline in outlines]
    suggestion = suggest(scan, [*outlines, *evidence])
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
        exported(name, suggestion, scan, tmp_path)
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
