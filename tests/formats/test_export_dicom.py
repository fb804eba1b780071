"""RTSTRUCT, SEG and SR as DICOM objects: valid, of the right patient, with the right names."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
import SimpleITK as sitk
from dicom_files import FILES, VALID, errors_of_dciodvfy, exported, rasterised_by_plastimatch
from export_cases import (
    AXIAL,
    BIRTH_DATE,
    CASES,
    PATIENT,
    PATIENT_ID,
    TILTED,
    UNEVEN,
    Case,
    case_suggestion,
    circle,
    dice,
    each,
    headers_by_uid,
    suggest,
    write_series,
)
from pydicom.dataset import Dataset

from medcontour.results import export
from medcontour.scan import Scan, read_scan


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
@pytest.mark.parametrize("case", each(*CASES), ids=lambda case: case.name)
def test_plastimatch_rasterises_the_structures_as_the_label_map(case: Case, tmp_path: Path) -> None:
    """plastimatch, too, takes a pixel in when its centre is: only voxels on the edge may differ."""
    folder = write_series(case, tmp_path / "series")
    scan = read_scan(folder)
    suggestion = case_suggestion(scan, case)
    export(suggestion, scan, "rtstruct", tmp_path / "rtstruct.dcm")
    export(suggestion, scan, "labelmap", tmp_path / "labelmap.nii.gz")
    label_map = sitk.ReadImage(str(tmp_path / "labelmap.nii.gz"))
    rasterised = rasterised_by_plastimatch(tmp_path / "rtstruct.dcm", folder, label_map)
    theirs = sitk.GetArrayFromImage(sitk.ReadImage(str(rasterised / "nodule 1.nrrd"))) > 0
    assert dice(sitk.GetArrayFromImage(label_map) == 1, theirs) > 0.995
    assert (rasterised / "nodule 1 evidence.nrrd").exists()


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
        *(["FrameOfReferenceUID"] if name != "sr" else []),  # a report has it with each region
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
    [finding] = suggestion.findings
    first_slice = replace(finding.slices[0], outlines=tuple(moved[:1]))
    finding = replace(finding, slices=(first_slice, *finding.slices[1:]))
    others = (
        replace(suggestion, edited=True),
        replace(suggestion, findings=(finding,)),
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


@pytest.mark.parametrize("name", [name for name in FILES if name != "parametric-map"])
def test_labels_in_any_script_and_length(name: str, scan: Scan, tmp_path: Path) -> None:
    labels = ["Rundherd (Lunge) ü", "結節", "a\\b", "x" * 80]
    contours = [circle(scan, k, (20, 20), 6) for k in range(4)]
    evidence = [replace(c, kind="evidence") for c in contours]
    suggestion = suggest(scan, contours + evidence, labels=labels + labels)
    ours = exported(name, suggestion, scan, tmp_path)
    expected = [f"{labels[0]} 1", f"{labels[1]} 2", "a/b 3", "x" * 62 + " 4"]
    if name == "sr":
        report = hd.sr.srread(tmp_path / FILES[name]).content
        groups = report.get_planar_roi_measurement_groups()
        assert [group.tracking_identifier for group in groups] == expected
    elif name != "rtstruct":
        segments = [s for s in ours.SegmentSequence if s.SegmentNumber]  # 0 is the background
        assert [segment.SegmentLabel for segment in segments] == expected
    else:
        names = [roi.ROIName for roi in ours.StructureSetROISequence]
        assert names[0::2] == expected
        assert names[1::2] == [*(f"{e} evidence" for e in expected[:3]), "x" * 53 + " 4 evidence"]
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
        for name in FILES
    ]
    assert len(set(found)) == len(FILES)
    assert all(own < number < 100 * (own + 1) for number in found)
