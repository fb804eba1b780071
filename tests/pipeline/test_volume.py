"""Classifiers of volumes: one closed surface, exact in the patient, and its cuts by the slices."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.transforms import (
    Compose,
    EnsureChannelFirst,
    Resize,
    ScaleIntensityRangePercentiles,
)
from planted_stacks import (
    AT,
    RADIUS,
    SHAPE,
    suggested,
    usual_classifier,
    voxel_places,
    write_nifti,
)
from planted_volumes import BrightVoxels
from scipy import ndimage
from torch import nn
from volume_grids import AFFINES, affine

import medcontour as mc
from medcontour.contour import HarmonicSurface
from medcontour.contour.polygons import region
from medcontour.scan import read_scan


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[mc.Suggestion, np.ndarray, Path]:
    folder = tmp_path_factory.mktemp("volume")
    suggestion, middle = suggested(folder, "oblique and flipped")
    suggestion.save(folder / "out")
    return suggestion, middle, folder


SLOW = ("flipped", "permuted", "oblique")


@pytest.mark.parametrize(
    "grid",
    [pytest.param(g, marks=pytest.mark.slow) if g in SLOW else g for g in AFFINES],
)
def test_the_surface_lies_on_the_ball_in_the_patient(grid: str, tmp_path: Path) -> None:
    suggestion, middle = suggested(tmp_path, grid, outline="none")
    [finding] = suggestion
    assert finding.status == "suggested"
    assert suggestion.editable == "evidence"
    surface = finding.evidence_surface
    assert surface is not None
    corners, _ = surface.mesh()
    away = np.linalg.norm(corners - middle, axis=1)
    assert np.linalg.norm(corners.mean(0) - middle) < 2.0
    assert 0.5 * RADIUS < away.mean() < 1.3 * RADIUS
    suggestion.save(tmp_path / "out", formats=["labelmap"])
    judged_by_nibabel(suggestion, tmp_path)


def judged_by_nibabel(suggestion: mc.Suggestion, folder: Path) -> None:
    """The label map holds the voxels whose centres the surface of the JSON holds, by nibabel."""
    [finding] = mc.Suggestion.read_json(folder / "out" / "suggestion.json")
    surface = finding.evidence_surface
    assert surface is not None
    image = nib.load(folder / "out" / "labelmap.nii.gz")
    places = voxel_places(image.affine, image.shape) * (-1, -1, 1)
    back = np.linalg.inv(surface.lps_from_volume)
    points = torch.from_numpy(places @ back[:3, :3].T + back[:3, 3])
    gap = HarmonicSurface.from_dict(surface.parameters).gap(points)[0].numpy()
    clear = np.abs(gap) > 1e-3  # of half the stack's longest side: 0.03 mm
    assert ((np.asarray(image.dataobj) == 1) == (gap > 0))[clear].all()
    voxel = abs(np.linalg.det(image.affine[:3, :3]))
    assert (gap > 0).sum() * voxel == pytest.approx(surface.volume_mm3, rel=0.12)


def test_cuts_lie_on_the_surface_and_in_their_slices(found: Any) -> None:
    suggestion, _, _ = found
    [finding] = suggestion
    scan, surface = suggestion.source, finding.evidence_surface
    back = np.linalg.inv(surface.lps_from_volume)
    unit_mm = abs(np.linalg.det(surface.lps_from_volume)) ** (1 / 3)
    exact = HarmonicSurface.from_dict(surface.parameters)
    slices = [contour.slice for contour in finding.evidence_contours]
    assert slices == list(range(slices[0], slices[-1] + 1))
    assert len(slices) >= 5
    for contour in finding.evidence_contours:
        corners = contour.polygon_lps_mm
        middles = (corners + np.roll(corners, -1, 0)) / 2
        off_plane = corners - scan.to_lps(scan.to_index(corners, contour.slice), contour.slice)
        assert np.abs(off_plane).max() < 1e-6
        for points in (corners, middles):
            at = torch.from_numpy(points @ back[:3, :3].T + back[:3, 3])
            assert float(exact.distance(at).abs().max()) * unit_mm < 0.05
        assert contour.exact_polygon_lps_mm is None
        in_mm = scan.to_index(corners, contour.slice) * scan.pixel_spacing[::-1]
        assert contour.area_mm2 == pytest.approx(region(in_mm).area, rel=1e-6)


def test_what_is_said_of_a_surface(found: Any) -> None:
    suggestion, _, folder = found
    [finding] = suggestion
    assert suggestion.of_volume
    assert suggestion.editable == "outline"
    assert len(set(suggestion.slice_scores.values())) == 1
    assert set(suggestion.slice_scores) == set(range(16))
    evidence = {part.evidence for part in finding.slices if part.evidence_contours}
    [own] = evidence
    assert own.preserved > 0.5 > own.deleted
    assert (own.p_value, own.views_held, own.views_tested) == (0.05, 4, 4)
    assert finding.cost == pytest.approx(suggestion.run["evaluations_per_surface"], abs=0.01)
    assert any("whole stack as one input" in note for note in suggestion.notes)
    assert suggestion.run["peak_memory_mb"] > 0
    page = (folder / "out" / "report.html").read_text()
    assert "The stack as a whole is called" in page
    assert "it may not be made for scans like this one" not in page


def test_the_views_are_of_the_ball(found: Any) -> None:
    """What the classifier was shown is on the slice's own pixels: bright where the ball is."""
    suggestion, middle, _ = found
    [finding] = suggestion
    scan = suggestion.source
    explained = [part for part in finding.slices if part.evidence_contours]
    largest = max(explained, key=lambda part: part.evidence_contours[0].area_mm2)
    [[column, row]] = scan.to_index(middle, largest.slice).round().astype(int)
    views = largest.views
    around = np.s_[row - 1 : row + 2, column - 1 : column + 2]
    assert views.preserved[around].mean() == pytest.approx(views.original[around].mean(), abs=0.02)
    assert views.deleted[around].mean() < views.original[around].mean() - 0.2
    inside = finding.mask(kind="evidence")[largest.slice]
    both = ~inside & np.isfinite(views.original)
    assert views.original.shape == inside.shape
    assert both.any()


def test_the_json_keeps_the_surface_and_the_schema(found: Any) -> None:
    suggestion, _, folder = found
    again = mc.Suggestion.read_json(folder / "out")
    one, other = again.findings[0].evidence_surface, suggestion.findings[0].evidence_surface
    assert one.parameters == other.parameters
    np.testing.assert_array_equal(one.lps_from_volume, other.lps_from_volume)
    assert again.of_volume
    assert again.to_json(folder / "out") == (folder / "out" / "suggestion.json").read_text()


def test_the_same_seed_gives_the_same_file(found: Any, tmp_path: Path) -> None:
    suggestion, _, folder = found
    again = mc.suggest(folder / "scan.nii.gz", usual_classifier())
    before, after = (json.loads(each.to_json()) | {"run": None} for each in (suggestion, again))
    assert before == after


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"objective": "embedding"},
        {"area": 0.03},
        {"background": "mean"},
        {"outline": "none", "seed": 3},
        {"preset": "thorough"},
    ],
)
def test_settings_that_volumes_have(settings: Any, tmp_path: Path) -> None:
    suggestion, middle = suggested(tmp_path, "anisotropic", **settings)
    surface = suggestion.findings[0].evidence_surface
    assert surface is not None
    assert np.linalg.norm(surface.mesh()[0].mean(0) - middle) < 3.0
    if "area" in settings:
        share = surface.volume_mm3 / (np.prod(SHAPE) * 0.8 * 1.1 * 2.5)
        assert share == pytest.approx(0.03, rel=0.05)


def test_volumes_go_through_the_network_one_by_one(tmp_path: Path) -> None:
    """While gradients are kept, whatever memory there is: a surface does not depend on it."""
    classifier = usual_classifier()
    seen: set[int] = set()
    classifier.network.register_forward_pre_hook(
        lambda _, given: seen.add(len(given[0])) if torch.is_grad_enabled() else None
    )
    write_nifti(tmp_path / "scan.nii.gz", AFFINES["anisotropic"], SHAPE, AT)
    assert mc.suggest(tmp_path / "scan.nii.gz", classifier).findings
    assert seen == {1}


def test_a_negative_stack_has_no_finding(tmp_path: Path) -> None:
    path = tmp_path / "scan.nii.gz"
    values = np.random.default_rng(0).normal(0, 0.1, SHAPE).astype(np.float32)
    nib.save(nib.Nifti1Image(values, affine()), path)
    suggestion = mc.suggest(path, usual_classifier())
    assert not suggestion.findings
    assert max(suggestion.slice_scores.values()) < 0.5
    saved = suggestion.save(tmp_path / "out")
    assert "surfaces" in saved.left_out
    page = (tmp_path / "out" / "report.html").read_text()
    assert "the score of the stack for" in page


def test_a_network_without_preprocessing(tmp_path: Path) -> None:
    middle = write_nifti(tmp_path / "scan.nii.gz", AFFINES["flipped"], SHAPE, AT)
    suggestion = mc.suggest(tmp_path / "scan.nii.gz", BrightVoxels(), labels=["nodule"])
    surface = suggestion.findings[0].evidence_surface
    assert surface is not None
    assert np.linalg.norm(surface.mesh()[0].mean(0) - middle) < 2.0


def test_the_page_s_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "volumes.md").read_text("utf-8")
    (example,) = re.findall(r"<!-- example -->\n```python\n(.*?)```", page, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    write_nifti(tmp_path / "scan.nii.gz", AFFINES["flipped"], SHAPE, AT)
    image = nib.load(tmp_path / "scan.nii.gz")
    values = 1400 * np.asarray(image.dataobj) - 1000  # as a CT has lungs
    nib.save(nib.Nifti1Image(values.astype(np.float32), image.affine), tmp_path / "scan.nii.gz")
    names: dict[str, Any] = {"network": BrightVoxels()}
    exec(example, names)
    assert len(names["suggestion"]) == 1
    assert len(names["triangles"]) == 5120
    assert (tmp_path / "out" / "surfaces" / "nodule_1_evidence.stl").is_file()


class PooledSlices(nn.Module):
    """(B, slices, channels, H, W) to (B, 1): how much of all slices together is bright."""

    def __init__(self) -> None:
        super().__init__()
        self.blur = nn.Conv2d(1, 1, 3, padding=1, bias=False)
        nn.init.constant_(self.blur.weight, 1 / 9)

    def forward(self, stacks: torch.Tensor) -> torch.Tensor:
        bright = torch.relu(self.blur(stacks.flatten(0, 1)) - 0.5).flatten(1).sum(1)
        pooled = bright.view(stacks.shape[:2]).sum(1, keepdim=True)
        return 6 - 12 * torch.exp(-pooled / 20)


@pytest.mark.slow
def test_a_network_that_pools_over_slices(tmp_path: Path) -> None:
    middle = write_nifti(tmp_path / "scan.nii.gz", AFFINES["flipped"], SHAPE, AT)
    suggestion = mc.suggest(tmp_path / "scan.nii.gz", PooledSlices(), labels=["nodule"])
    [finding] = suggestion
    assert finding.evidence_surface is not None
    assert np.linalg.norm(finding.evidence_surface.mesh()[0].mean(0) - middle) < 2.0


@pytest.mark.slow
def test_stacks_without_a_finding_give_surfaces_a_conformal_p_value(tmp_path: Path) -> None:
    (tmp_path / "checked").mkdir()
    for number in range(4):
        values = np.random.default_rng(number).normal(0, 0.1, SHAPE).astype(np.float32)
        path = tmp_path / "checked" / f"scan{number}.nii.gz"
        nib.save(nib.Nifti1Image(values, affine()), path)
    calibration = mc.calibrate(tmp_path / "checked", usual_classifier())
    suggestion, _ = suggested(tmp_path, "anisotropic", calibration=calibration)
    assert suggestion.findings[0].conformal_p_value == pytest.approx(0.2)


REAL = {
    "half a head": "lgg3d_halfhead/images/TCGA_CS_4942_19970222_L.nii.gz",
    "MR of thick slices": "ct_mr_nifti/pyradiomics/brain1_image.nrrd",
    "CT": "ct_mr_nifti/totalseg/example_ct_sm.nii.gz",
}


@pytest.mark.slow
@pytest.mark.shared_data
@pytest.mark.parametrize("name", REAL)
def test_a_real_volume_runs_through(name: str, shared_data: Path, tmp_path: Path) -> None:
    """A network that goes by what is bright; the label map is the surface's, by SimpleITK."""
    scan = read_scan(shared_data / REAL[name])
    steps = [
        EnsureChannelFirst(),
        Resize((32, 32, 24)),
        ScaleIntensityRangePercentiles(1, 99, 0, 1),
    ]
    classifier = mc.load_classifier(BrightVoxels(), labels=["bright"], preprocessing=Compose(steps))
    suggestion = mc.suggest(scan, classifier, outline="none")
    suggestion.save(tmp_path / "out", include_weak=True)
    [finding] = suggestion
    surface = finding.evidence_surface
    assert surface is not None
    volume = sitk.ReadImage(str(shared_data / REAL[name]))
    mask = sitk.ReadImage(str(tmp_path / "out" / "labelmap.nii.gz"))
    np.testing.assert_allclose(mask.GetOrigin(), volume.GetOrigin(), atol=1e-3)
    index = np.argwhere(sitk.GetArrayFromImage(mask) > 0)[:, ::-1]
    places = np.array([mask.TransformIndexToPhysicalPoint(at.tolist()) for at in index])
    back = np.linalg.inv(surface.lps_from_volume)
    points = torch.from_numpy(places @ back[:3, :3].T + back[:3, 3])
    gap = HarmonicSurface.from_dict(surface.parameters).gap(points)[0]
    assert float(gap.min()) > -1e-3
    values = sitk.GetArrayFromImage(volume)
    inside = sitk.GetArrayFromImage(mask) > 0
    voxel_mm3, edge = np.prod(mask.GetSpacing()), inside & ~ndimage.binary_erosion(inside)
    assert abs(inside.sum() - surface.volume_mm3 / voxel_mm3) <= edge.sum() / 2
    assert values[inside].mean() > values.mean()
