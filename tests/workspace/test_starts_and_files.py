"""Clicks and drawings on a turned and flipped grid, and the files that clients show."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import planted
import pytest
import SimpleITK

import medcontour as mc
from medcontour.results import NothingToWrite
from medcontour.workspace import Workspace, clicked, drawn, summary, write_curves, write_label_map


def _voxel_lps(path: Path, voxel: list[float]) -> np.ndarray:
    """LPS mm of a voxel of the file, by nibabel."""
    return (nibabel.load(path).affine @ [*voxel, 1])[:3] * (-1, -1, 1)


def test_a_circle_lies_about_the_clicks_voxel(studies: Path) -> None:
    path = studies / "spot.nii.gz"
    scan = mc.read_scan(path)
    voxel = [40, 18, 1]
    [(k, corners)] = clicked([voxel], scan).items()
    middle = _voxel_lps(path, voxel)
    np.testing.assert_allclose(corners.mean(0), middle, atol=1e-3)
    away = np.linalg.norm(corners - middle, axis=1)
    np.testing.assert_allclose(away, away[0], rtol=1e-4)  # a circle in the patient
    np.testing.assert_allclose(scan.to_lps(scan.to_index(corners, k), k), corners, atol=1e-3)
    [(_, both)] = clicked([voxel, [50, 18, 1]], scan).items()
    assert np.linalg.norm(both - both.mean(0), axis=1).min() > away.max()


@pytest.mark.parametrize(
    ("points", "said"),
    [
        (None, "Clicks must be voxels"),
        ([], "Clicks must be voxels"),
        ([[1, 2]], "Clicks must be voxels"),
        ([["a", 1, 1]], "Clicks must be voxels"),
        ([[float("nan"), 1, 1]], "Clicks must be voxels"),
        ([[1, 1, 3]], "outside the image"),
        ([[-1, 1, 1]], "outside the image"),
    ],
)
def test_clicks_that_are_none(studies: Path, points: object, said: str) -> None:
    with pytest.raises(mc.MedcontourError, match=said):
        clicked(points, mc.read_scan(studies / "spot.nii.gz"))


def test_a_drawing_is_its_outline_in_the_patient(studies: Path, tmp_path: Path) -> None:
    path = studies / "spot.nii.gz"
    image = nibabel.load(path)
    painted = np.zeros(image.shape, np.uint8)
    painted[37:43, 15:21, 1] = 2
    painted[:5, :5, :] = 1
    nibabel.save(nibabel.Nifti1Image(painted, image.affine), tmp_path / "drawn.nii.gz")
    scan = mc.read_scan(path)
    assert len(drawn(tmp_path / "drawn.nii.gz", scan)) == 3
    [(_, corners)] = drawn(tmp_path / "drawn.nii.gz", scan, 2).items()
    inverse = np.linalg.inv(image.affine)
    voxels = np.c_[corners * (-1, -1, 1), np.ones(len(corners))] @ inverse.T
    np.testing.assert_allclose(voxels[:, 2], 1, atol=1e-3)
    np.testing.assert_allclose(voxels[:, :2].min(0), (36.5, 14.5), atol=0.01)
    np.testing.assert_allclose(voxels[:, :2].max(0), (42.5, 20.5), atol=0.01)


def test_a_click_leads_to_the_spot(workspace: Workspace, studies: Path) -> None:
    scan = mc.read_scan(studies / "spot.nii.gz")
    [part] = workspace.snap(scan, clicked([[40, 18, 1]], scan)).slices
    assert part.outlines
    voxels = np.zeros(scan.voxels.shape[:3], bool)
    voxels[part.slice] = part.mask(scan)
    assert scan.grid is not None
    on_file = scan.grid.from_scan(voxels)[..., 1].T
    assert planted.dice(on_file, planted.disc(planted.SPOT[0], planted.SPOT[1])) > 0.8
    assert workspace.kept("spot") is None


def test_nothing_drawn_is_no_start(studies: Path, tmp_path: Path) -> None:
    image = nibabel.load(studies / "spot.nii.gz")
    empty = np.zeros(image.shape, np.uint8)
    nibabel.save(nibabel.Nifti1Image(empty, image.affine), tmp_path / "drawn.nii.gz")
    with pytest.raises(mc.MedcontourError, match="Nothing is drawn"):
        drawn(tmp_path / "drawn.nii.gz", mc.read_scan(studies / "spot.nii.gz"))


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".nrrd", ".seg.nrrd"])
def test_a_label_map_lies_on_the_files_own_grid(
    suggestion: mc.Suggestion, studies: Path, tmp_path: Path, ending: str
) -> None:
    """SimpleITK reads both, image and label map."""
    path = tmp_path / f"label{ending}"
    write_label_map(suggestion, path)
    label = SimpleITK.ReadImage(str(path))
    image = SimpleITK.ReadImage(str(studies / "spot.nii.gz"))
    for part in ("GetSize", "GetOrigin", "GetSpacing", "GetDirection"):
        np.testing.assert_allclose(getattr(label, part)(), getattr(image, part)(), atol=1e-4)
    own = tmp_path / "own.nii.gz"
    mc.export(suggestion, suggestion.source, "labelmap", own)
    np.testing.assert_array_equal(
        SimpleITK.GetArrayViewFromImage(label),
        SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(own))),
    )
    assert SimpleITK.GetArrayViewFromImage(label).any()


def test_voxels_and_packing_of_an_nrrd_are_as_asked_for(
    suggestion: mc.Suggestion, tmp_path: Path
) -> None:
    write_label_map(suggestion, tmp_path / "a.nrrd", voxels="int16", packed=False)
    write_label_map(suggestion, tmp_path / "b.nrrd")
    assert SimpleITK.ReadImage(str(tmp_path / "a.nrrd")).GetPixelID() == SimpleITK.sitkInt16
    assert SimpleITK.ReadImage(str(tmp_path / "b.nrrd")).GetPixelID() == SimpleITK.sitkUInt8
    assert b"encoding: raw" in (tmp_path / "a.nrrd").read_bytes()
    with pytest.raises(mc.MedcontourError, match="voxels of float64"):
        write_label_map(suggestion, tmp_path / "c.nrrd", voxels="float64")
    with pytest.raises(mc.MedcontourError, match=r"as \.stl"):
        write_label_map(suggestion, tmp_path / "c.stl")


def test_without_findings_a_label_map_is_zeros_and_there_are_no_curves(
    workspace: Workspace, studies: Path, tmp_path: Path
) -> None:
    nothing = workspace.suggest(mc.read_scan(studies / "quiet.nii.gz"))
    for ending in (".nii", ".nrrd", ".seg.nrrd"):
        write_label_map(nothing, tmp_path / f"label{ending}")
        voxels = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / f"label{ending}")))
        assert voxels.size
        assert not voxels.any()
    with pytest.raises(NothingToWrite):
        write_curves(nothing, tmp_path / "curves.mrk.json")
    assert not (tmp_path / "curves.mrk.json").exists()


def test_curves_are_one_file_that_comes_back_unchanged(
    suggestion: mc.Suggestion, tmp_path: Path
) -> None:
    write_curves(suggestion, tmp_path / "curves.mrk.json")
    markups = json.loads((tmp_path / "curves.mrk.json").read_text(encoding="utf-8"))["markups"]
    assert len(markups) == sum(len(f.outlines) + len(f.evidence_contours) for f in suggestion)
    assert not mc.refine(suggestion, tmp_path / "curves.mrk.json").report.changed


def test_the_summary_is_json_and_says_what_was_found(suggestion: mc.Suggestion) -> None:
    said = json.loads(json.dumps(summary(suggestion)))
    [finding] = said["findings"]
    [own] = suggestion
    assert (finding["score"], finding["status"]) == (own.score, own.status)
    assert [part["evidence"]["p_value"] for part in finding["slices"]] == [
        part.evidence.p_value for part in own.slices
    ]
    assert {int(k): v for k, v in said["slice_scores"].items()} == suggestion.slice_scores
    assert suggestion.source.source not in json.dumps(said)
