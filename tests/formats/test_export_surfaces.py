"""What a classifier of volumes finds, in every format, judged by programs of others."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import highdicom as hd
import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import vtk
from dicom_files import errors_of_dciodvfy, rasterised_by_plastimatch
from export_cases import CASES, Case, dice, read_series_by_itk, structures_by_itk
from planted_stacks import usual_classifier, write_dicom
from result_files import OF_DICOM

import medcontour as mc
from medcontour.errors import MedcontourError

AT = np.array([24.0, 17.0, 8.4])
OBLIQUE = next(case for case in CASES if case.name == "oblique")
MIRRORED = next(case for case in CASES if case.name == "mirrored")
Made = tuple[mc.Suggestion, np.ndarray, Path]
STRUCTURES = {"nodule 1": "out", "nodule 1 evidence": "evidence"}
"""The folder that holds the label map of each."""


def made(case: Case, folder: Path) -> Made:
    middle = write_dicom(folder / "series", case, AT)
    suggestion = mc.suggest(folder / "series", usual_classifier(scale=1000.0))
    saved = suggestion.save(folder / "out")
    assert saved.left_out == {}
    evidence = replace(suggestion, settings={**suggestion.settings, "outline": "none"})
    evidence.save(folder / "evidence", formats=["labelmap"])
    return suggestion, middle, folder


@pytest.fixture(
    scope="module",
    params=[OBLIQUE, pytest.param(MIRRORED, marks=pytest.mark.slow)],
    ids=lambda case: case.name,
)
def study(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made(request.param, tmp_path_factory.mktemp("volume"))


def test_every_format_is_there(study: Made) -> None:
    _, _, folder = study
    there = {path.name for path in (folder / "out").iterdir()}
    assert there == {*OF_DICOM, "surfaces"}


def masks(study: Made, of: str = "out") -> tuple[np.ndarray, sitk.Image]:
    """A label map on the series' grid as SimpleITK reads both."""
    _, _, folder = study
    series = read_series_by_itk(folder / "series")
    ours = sitk.Resample(
        sitk.ReadImage(str(folder / of / "labelmap.nii.gz")),
        series,
        sitk.Transform(),
        sitk.sitkNearestNeighbor,
    )
    return sitk.GetArrayFromImage(ours) > 0, series


def test_the_label_map_lies_on_the_ball(study: Made) -> None:
    _, middle, _ = study
    mask, series = masks(study)
    slices, rows, columns = (float(axis.mean()) for axis in np.nonzero(mask))
    found = series.TransformContinuousIndexToPhysicalPoint((columns, rows, slices))
    assert np.linalg.norm(np.subtract(found, middle)) < 2.0


def test_structure_set_and_label_map_agree_by_another_reader(study: Made) -> None:
    _, _, folder = study
    found = structures_by_itk(folder / "out" / "rtstruct.dcm", folder / "series")
    assert list(found) == list(STRUCTURES)
    for name, of in STRUCTURES.items():
        assert dice(found[name], masks(study, of)[0]) >= 0.99


@pytest.mark.dicom_tools
def test_plastimatch_reads_the_structure_set_as_the_label_map(study: Made, tmp_path: Path) -> None:
    _, _, folder = study
    series = masks(study)[1]
    structures = shutil.copy(folder / "out" / "rtstruct.dcm", tmp_path)
    rasterised = rasterised_by_plastimatch(Path(structures), folder / "series", series)
    for name, of in STRUCTURES.items():
        read = sitk.GetArrayFromImage(sitk.ReadImage(str(rasterised / f"{name}.nrrd")))
        assert dice(read > 0, masks(study, of)[0]) >= 0.97  # it fills by a rule of its own


def test_segmentation_and_label_map_agree_by_highdicom(study: Made) -> None:
    suggestion, _, folder = study
    scan = suggestion.source
    assert scan is not None
    segments = hd.seg.segread(folder / "out" / "seg.dcm")
    assert [s.SegmentLabel for s in segments.SegmentSequence] == ["nodule 1"]
    pixels = segments.get_pixels_by_source_instance(
        list(scan.sop_instance_uids), ignore_spatial_locations=True
    )[..., 0]
    np.testing.assert_array_equal(pixels > 0, suggestion.findings[0].mask(kind="outline"))


@pytest.mark.dicom_tools
@pytest.mark.parametrize("name", ["seg.dcm", "rtstruct.dcm", "sr.dcm"])
def test_dciodvfy_finds_no_error(study: Made, name: str) -> None:
    _, _, folder = study
    assert errors_of_dciodvfy(folder / "out" / name) == []


def test_the_report_in_dicom_holds_the_evidence(study: Made) -> None:
    suggestion, _, folder = study
    document = hd.sr.srread(folder / "out" / "sr.dcm")
    [group] = document.content.get_volumetric_roi_measurement_groups()
    values = {item.name.meaning: float(item.value) for item in group.get_measurements()}
    own = next(part.evidence for part in suggestion.findings[0].slices if part.evidence)
    assert any(value == pytest.approx(own.preserved, abs=1e-6) for value in values.values())


READERS = {".stl": vtk.vtkSTLReader, ".vtp": vtk.vtkXMLPolyDataReader}


@pytest.mark.parametrize("ending", READERS)
def test_meshes_are_closed_and_placed_as_vtk_reads_them(study: Made, ending: str) -> None:
    suggestion, middle, folder = study
    surface = suggestion.findings[0].evidence_surface
    assert surface is not None
    reader = READERS[ending]()
    reader.SetFileName(str(folder / "out" / "surfaces" / f"nodule_1_evidence{ending}"))
    reader.Update()
    mesh = reader.GetOutput()
    edges = vtk.vtkFeatureEdges()
    edges.SetInputData(mesh)
    edges.FeatureEdgesOff()
    edges.ManifoldEdgesOff()
    edges.Update()
    assert edges.GetOutput().GetNumberOfCells() == 0  # no border, no edge of more than two
    measured = vtk.vtkMassProperties()
    measured.SetInputData(mesh)
    measured.Update()
    assert measured.GetVolume() == pytest.approx(surface.volume_mm3, rel=0.01)
    assert np.linalg.norm(np.subtract(mesh.GetCenter(), middle)) < 2.5
    if ending == ".vtp":
        assert mesh.GetFieldData().GetAbstractArray("SPACE").GetValue(0) == "LPS"
    else:
        content = (folder / "out" / "surfaces" / "nodule_1_evidence.stl").read_bytes()
        assert b"SPACE=LPS" in content[:80]


def test_meshes_are_closed_by_counting(study: Made) -> None:
    """Each edge is of two triangles that go opposite ways along it; all face outward."""
    suggestion, _, _ = study
    surface = suggestion.findings[0].evidence_surface
    assert surface is not None
    corners, triangles = surface.mesh(3)
    edges = np.concatenate([triangles[:, [n, (n + 1) % 3]] for n in range(3)]).tolist()
    ways = {tuple(edge) for edge in edges}
    assert len(ways) == len(edges)
    assert all((b, a) in ways for a, b in ways)
    assert len(corners) - len(edges) // 2 + len(triangles) == 2  # Euler: one sphere
    placed = corners[triangles] - corners.mean(0)
    assert np.linalg.det(placed).sum() / 6 == pytest.approx(surface.volume_mm3, rel=0.02)
    assert (np.linalg.det(placed) > 0).all()


def test_a_label_map_segment_and_structure_are_one_place_for_nibabel(study: Made) -> None:
    _, middle, folder = study
    image = nib.load(folder / "out" / "labelmap.nii.gz")
    index = np.argwhere(np.asarray(image.dataobj) == 1)
    found = (index.mean(0) @ image.affine[:3, :3].T + image.affine[:3, 3]) * (-1, -1, 1)
    assert np.linalg.norm(found - middle) < 2.0
    points = np.concatenate(
        [
            np.reshape(item.ContourData, (-1, 3)).astype(float)
            for item in pydicom.dcmread(folder / "out" / "rtstruct.dcm")
            .ROIContourSequence[0]
            .ContourSequence
        ]
    )
    assert np.linalg.norm(points.mean(0) - middle) < 2.5


def test_no_patient_in_the_result(study: Made) -> None:
    _, _, folder = study
    for path in (folder / "out").rglob("*"):
        if path.is_file() and path.suffix != ".dcm":
            content = path.read_bytes()
            for secret in ("PAT-4711", "rgen", "19610203"):
                assert secret.encode() not in content, path.name


def test_an_edit_keeps_the_surface(study: Made, tmp_path: Path) -> None:
    """A label map taken back: the outline is the reader's, the surface what it was."""
    _, _, folder = study
    refined = mc.refine(folder / "out", folder / "out" / "labelmap.nii.gz")
    [finding] = refined.suggestion.findings
    before = mc.Suggestion.read_json(folder / "out").findings[0].evidence_surface
    assert finding.evidence_surface is not None
    assert before is not None
    assert finding.evidence_surface.parameters == before.parameters


def test_surfaces_by_name(study: Made, tmp_path: Path) -> None:
    suggestion, _, folder = study
    saved = suggestion.save(tmp_path / "merged", ["surfaces"], merge_findings=True)
    assert saved.files == ["suggestion.json", "surfaces"]
    assert (tmp_path / "merged" / "surfaces" / "nodule_evidence.stl").is_file()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    scan = suggestion.source
    assert scan is not None
    with pytest.raises(MedcontourError, match="no folder of surfaces alone"):
        mc.export(suggestion, scan, "surfaces", tmp_path / "mine")
    found = [replace(finding, evidence_surface=None) for finding in suggestion.findings]
    flat = replace(suggestion, findings=tuple(found))
    saved = flat.save(tmp_path / "flat", ["surfaces"])
    assert "no closed surface" in saved.left_out["surfaces"]
    document = json.loads((folder / "out" / "suggestion.json").read_text())
    assert "evidence_surface" in document["findings"][0]
