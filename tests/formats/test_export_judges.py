"""Programs of others read what we write: where each stands, and what it cannot judge."""

from __future__ import annotations

import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from export_cases import (
    AXIAL,
    CASES,
    ELLIPSES,
    TILTED,
    UNEVEN,
    Case,
    case_suggestion,
    dice,
    each,
    read_series_by_itk,
    structures_by_itk,
    suggest,
    write_series,
)
from pydicom.uid import SegmentationStorage

from medcontour.formats import label_volume
from medcontour.results import PlacedContour, Suggestion, export, refusal
from medcontour.scan import Scan, read_scan

LABEL_MAP_SEGMENTATION_STORAGE = "1.2.840.10008.5.1.4.1.1.66.7"
Made = tuple[Path, Scan, Suggestion]


def made(case: Case, folder: Path) -> Made:
    series = write_series(case, folder / "series")
    scan = read_scan(series)
    return series, scan, case_suggestion(scan, case)


def dciodvfy(path: Path) -> list[str]:
    done = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, check=False)
    lines = (done.stdout + done.stderr).decode("utf-8", "replace").splitlines()
    return [line for line in lines if line.startswith("Error")]


@pytest.mark.parametrize("case", each(*CASES), ids=lambda case: case.name)
def test_a_reader_of_others_finds_the_structures_as_the_label_map(
    case: Case, tmp_path: Path
) -> None:
    series, scan, suggestion = made(case, tmp_path)
    path = tmp_path / "rtstruct.dcm"
    export(suggestion, scan, "rtstruct", path)
    masks = structures_by_itk(path, series)
    assert list(masks) == ["nodule 1", "nodule 1 evidence"]
    export(suggestion, scan, "labelmap", tmp_path / "ours.nii")
    ours = sitk.Resample(
        sitk.ReadImage(str(tmp_path / "ours.nii")),
        read_series_by_itk(series),
        sitk.Transform(),
        sitk.sitkNearestNeighbor,
    )
    assert dice(masks["nodule 1"], sitk.GetArrayFromImage(ours) > 0) > 0.99


# DICOM SEG of the other types


@pytest.mark.parametrize("case", each(*CASES, TILTED, UNEVEN), ids=lambda case: case.name)
def test_label_map_segmentation_read_by_highdicom_and_pydicom(case: Case, tmp_path: Path) -> None:
    _, scan, suggestion = made(case, tmp_path)
    path = tmp_path / "seg_labelmap.dcm"
    export(suggestion, scan, "seg-labelmap", path)
    truth = label_volume(suggestion, scan)
    dataset = pydicom.dcmread(path)
    assert dataset.SegmentationType == "LABELMAP"
    assert dataset.SOPClassUID == LABEL_MAP_SEGMENTATION_STORAGE
    assert [s.SegmentLabel for s in dataset.SegmentSequence if s.SegmentNumber] == ["nodule 1"]
    frames = pydicom.pixels.pixel_array(dataset)
    uids = list(scan.sop_instance_uids)
    found = np.zeros_like(truth)
    for frame, groups in zip(frames, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        [image] = groups.DerivationImageSequence[0].SourceImageSequence
        found[uids.index(image.ReferencedSOPInstanceUID)] = frame
    np.testing.assert_array_equal(found, truth)
    by_highdicom = hd.seg.segread(path).get_pixels_by_source_instance(uids, combine_segments=True)
    np.testing.assert_array_equal(by_highdicom, truth)


def test_where_labels_overlap_a_label_map_segmentation_shows_the_later(tmp_path: Path) -> None:
    _, scan, suggestion = made(AXIAL, tmp_path)
    contours = [c for c in suggestion.contours("outline") if c.slice == 1]
    both = suggest(scan, contours * 2, labels=["nodule", "scar"])
    export(both, scan, "seg-labelmap", tmp_path / "seg.dcm")
    segments = hd.seg.segread(tmp_path / "seg.dcm")
    assert [s.SegmentLabel for s in segments.SegmentSequence][1:] == ["nodule 1", "scar 2"]
    assert set(np.unique(segments.pixel_array)) == {0, 2}


@pytest.mark.parametrize("case", each(*CASES, TILTED, UNEVEN), ids=lambda case: case.name)
def test_fractional_segmentation_keeps_the_area_of_each_curve(case: Case, tmp_path: Path) -> None:
    """The soft mask of an ellipse has the ellipse's area; counted pixels are up to 2 % off."""
    _, scan, suggestion = made(case, tmp_path)
    path = tmp_path / "seg_fractional.dcm"
    export(suggestion, scan, "seg-fractional", path)
    dataset = pydicom.dcmread(path)
    assert dataset.SegmentationType == "FRACTIONAL"
    assert dataset.SegmentationFractionalType == "OCCUPANCY"
    segments = hd.seg.segread(path)
    shares = segments.get_pixels_by_source_instance(list(scan.sop_instance_uids))[..., 0]
    assert shares.dtype.kind == "f"
    pixel = case.row_spacing * case.column_spacing
    for k, share in enumerate(shares):
        area = sum(np.pi * np.prod(e.half_axes) for e in ELLIPSES if e.k == k)
        assert share.sum() * pixel == pytest.approx(area, rel=2e-3)
    # Half covered or more is what the label map holds, but for pixels that the edge halves.
    assert dice(shares >= 0.5, label_volume(suggestion, scan) == 1) > 0.98


def test_a_curve_between_pixel_centres_is_in_the_fractional_segmentation(tmp_path: Path) -> None:
    _, scan, _ = made(AXIAL, tmp_path)
    corners = np.array([[20.6, 20.6], [20.9, 20.6], [20.9, 20.9], [20.6, 20.9]])
    speck = PlacedContour("outline", 2, {}, scan.to_lps(corners - 0.4, 2), 0.1)
    export(suggest(scan, [speck]), scan, "seg-fractional", tmp_path / "seg.dcm")
    stored = pydicom.dcmread(tmp_path / "seg.dcm")
    np.testing.assert_array_equal(np.unique(stored.pixel_array), [0, round(0.09 * 255)])


@pytest.mark.dicom_tools
def test_what_dciodvfy_says_of_a_label_map_segmentation(tmp_path: Path) -> None:
    """dciodvfy of 2023 is older than this kind of object (supplement 243).

    Under its own class it is not known. Given the class of the other segmentations, without the
    background segment that the supplement asks for, all its modules are judged; what is left is
    where the supplement differs: the type, and no segment number for each frame.
    """
    _, scan, suggestion = made(AXIAL, tmp_path)
    path = tmp_path / "seg_labelmap.dcm"
    export(suggestion, scan, "seg-labelmap", path)
    said = dciodvfy(path)
    assert len(said) == 2
    assert "SegmentNumber not monotonically increasing" in said[0]
    assert said[1] == "Error - Information Object Not found"

    dataset = pydicom.dcmread(path)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = SegmentationStorage
    background, *segments = dataset.SegmentSequence
    assert (background.SegmentNumber, background.SegmentLabel) == (0, "Background")
    dataset.SegmentSequence = segments
    dataset.save_as(tmp_path / "as_segmentation.dcm")
    left = Counter(
        "type" if "Unrecognized enumerated value = <LABELMAP>" in line
        else "number" if "SegmentIdentificationSequence(0062,000a)> - Missing" in line
        else line
        for line in dciodvfy(tmp_path / "as_segmentation.dcm")
    )  # fmt: skip
    assert left == {"type": 1, "number": 1 + int(dataset.NumberOfFrames)}


def test_itk_reads_the_series_where_we_place_it(tmp_path: Path) -> None:
    """What the judges above rest on: ITK's geometry of the series is the standard's."""
    series, _, _ = made(CASES[3], tmp_path)
    image = read_series_by_itk(series)
    for k in range(5):
        point = image.TransformIndexToPhysicalPoint((7, 11, k))
        np.testing.assert_allclose(point, CASES[3].place(np.array([[7, 11]]), k)[0], atol=1e-6)


PLACED = {
    "MR": pydicom.uid.MRImageStorage,
    "PT": pydicom.uid.PositronEmissionTomographyImageStorage,
}
FLAT = {
    "CR": pydicom.uid.ComputedRadiographyImageStorage,
    "DX": pydicom.uid.DigitalXRayImageStorageForPresentation,
    "US": pydicom.uid.UltrasoundImageStorage,
    "OT": pydicom.uid.SecondaryCaptureImageStorage,
}


@pytest.mark.dicom_tools
@pytest.mark.parametrize("modality", [*PLACED, *FLAT])
def test_dciodvfy_finds_no_error_whatever_the_modality(modality: str, tmp_path: Path) -> None:
    """Series in the patient get all objects, single images without a place all segmentations."""
    if modality in PLACED:
        case, attributes = CASES[3], {"SOPClassUID": PLACED[modality]}
    else:
        case = replace(AXIAL, heights=(0,))
        gone = ("FrameOfReferenceUID", "ImagePositionPatient", "ImageOrientationPatient")
        attributes = {"SOPClassUID": FLAT[modality], **dict.fromkeys(gone)}
    scan = read_scan(write_series(case, tmp_path / "series", Modality=modality, **attributes))
    if modality in PLACED:
        suggestion, names = case_suggestion(scan, case), ["rtstruct", "seg", "seg-fractional"]
    else:
        t = np.arange(128) * 2 * np.pi / 128
        points = scan.to_lps(np.stack([np.cos(t), np.sin(t)], 1) * 9.2 + (30.1, 20.4), 0)
        suggestion = suggest(scan, [PlacedContour("outline", 0, {}, points, 1.0)])
        names = ["seg", "seg-fractional"]
        assert refusal(scan, "rtstruct") is not None
    for name in [*names, "seg-labelmap"]:
        export(suggestion, scan, name, tmp_path / f"{name}.dcm")
    for name in names:
        assert dciodvfy(tmp_path / f"{name}.dcm") == []
    pixels = {
        name: hd.seg.segread(tmp_path / f"{name}.dcm").pixel_array
        for name in ("seg", "seg-labelmap")
    }
    np.testing.assert_array_equal(pixels["seg"], pixels["seg-labelmap"])
