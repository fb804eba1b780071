"""Outlines from a closed evidence surface: of the whole object that it sits on, in the patient."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from monai.transforms import Compose, EnsureChannelFirst, ScaleIntensityRange
from planted_stacks import AT, RADIUS, SHAPE, suggested, usual_classifier, voxel_places, write_nifti
from planted_volumes import BrightVoxels
from volume_grids import AFFINES, affine

import medcontour as mc

BALL = 4 / 3 * np.pi * RADIUS**3


def label_map(suggestion: mc.Suggestion, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """What is inside, by nibabel, and (..., 3) LPS mm of the voxels."""
    suggestion.save(folder / "out", formats=["labelmap"])
    image = nib.load(folder / "out" / "labelmap.nii.gz")
    places = voxel_places(image.affine, image.shape) * (-1, -1, 1)
    return np.asarray(image.dataobj) == 1, places


@pytest.mark.parametrize(
    "grid", [pytest.param(g, marks=() if "and" in g else pytest.mark.slow) for g in AFFINES]
)
def test_the_outlines_are_the_ball_s(grid: str, tmp_path: Path) -> None:
    """By nibabel, from the label map: every voxel is at its own place in the patient."""
    suggestion, middle = suggested(tmp_path, grid)
    [finding] = suggestion
    inside, places = label_map(suggestion, tmp_path)
    truth = np.linalg.norm(places - middle, axis=-1) < RADIUS
    assert 2 * (inside & truth).sum() / (inside.sum() + truth.sum()) > 0.9
    assert finding.volume_mm3 == pytest.approx(BALL, rel=0.1)
    for outline in finding.outlines:
        assert outline.quality["preserved"] > 0.5 > outline.quality["deleted"]
    assert finding.evidence_surface is not None
    assert finding.evidence_surface.volume_mm3 < BALL  # evidence and outline stay two things


def test_a_slice_beyond_the_surface_is_taken_in_and_says_so(tmp_path: Path) -> None:
    suggestion, _ = suggested(tmp_path, "oblique and flipped")
    [finding] = suggestion
    taken_in = [part for part in finding.slices if not part.evidence_contours]
    assert taken_in
    for part in taken_in:
        assert part.outlines
        assert part.evidence is None
        assert "goes on from a neighbouring slice" in part.note
    assert finding.cost == pytest.approx(suggestion.run["evaluations_per_surface"], abs=0.01)


def test_a_like_object_beside_is_not_outlined(tmp_path: Path) -> None:
    """A ball half as bright, for a network that needs the brighter one."""
    middle = write_nifti(tmp_path / "scan.nii.gz", affine(), SHAPE, AT)
    image = nib.load(tmp_path / "scan.nii.gz")
    places = voxel_places(image.affine, image.shape) * (-1, -1, 1)
    other = middle + np.array([14.0, 0.0, 0.0])
    values = np.asarray(image.dataobj) * 2
    values += np.linalg.norm(places - other, axis=-1) < 5.0
    nib.save(nib.Nifti1Image(values.astype(np.float32), image.affine), tmp_path / "scan.nii.gz")
    suggestion = mc.suggest(tmp_path / "scan.nii.gz", usual_classifier(scale=2.0))
    inside, places = label_map(suggestion, tmp_path)
    distance = np.linalg.norm(places - middle, axis=-1)
    assert inside[distance < 0.8 * RADIUS].mean() > 0.9
    assert not inside[np.linalg.norm(places - other, axis=-1) < 4.0].any()


def test_where_no_boundary_passes_the_outlines_are_copies_and_say_so(tmp_path: Path) -> None:
    """Brightness that fades out has no boundary."""
    middle = write_nifti(tmp_path / "scan.nii.gz", affine(), SHAPE, AT)
    image = nib.load(tmp_path / "scan.nii.gz")
    places = voxel_places(image.affine, image.shape) * (-1, -1, 1)
    away = np.linalg.norm(places - middle, axis=-1)
    values = 1.6 * np.exp(-((away / 14.0) ** 2))
    nib.save(nib.Nifti1Image(values.astype(np.float32), image.affine), tmp_path / "scan.nii.gz")
    steps = [EnsureChannelFirst(), ScaleIntensityRange(0, 1, 0, 1)]
    classifier = mc.load_classifier(BrightVoxels(), labels=["bright"], preprocessing=Compose(steps))
    suggestion = mc.suggest(tmp_path / "scan.nii.gz", classifier)
    [finding] = suggestion
    for part in finding.slices:
        for outline, own in zip(part.outlines, part.evidence_contours, strict=True):
            np.testing.assert_array_equal(outline.polygon_lps_mm, own.polygon_lps_mm)
            assert outline.quality["follows"] == "evidence contour"
            assert "copy of the evidence contour" in part.note
