"""A folder of two NIfTI studies on a turned, flipped grid, and a workspace beside it."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import planted
import pytest

import medcontour as mc
from medcontour.workspace import Setup, Workspace


def _affine() -> np.ndarray:
    """RAS mm: turned by 20 degrees about z, pixels of 1.5 x 1 mm, the third axis downwards."""
    c, s = np.cos(np.radians(20)), np.sin(np.radians(20))
    turned = np.array([[c, -s, 0], [s, c, 0], [0, 0, -1]]) * (1.5, 1.0, 3.0)
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = turned, (10.0, -20.0, 30.0)
    return affine


def write_study(path: Path, *planes: np.ndarray) -> None:
    volume = np.stack(planes, -1).transpose(1, 0, 2)
    nibabel.save(nibabel.Nifti1Image(volume.astype(np.float32), _affine()), path)


@pytest.fixture(scope="session")
def setup() -> Setup:
    return Setup(planted.classifier(planted.Spots()), mc.Settings())


@pytest.fixture(scope="session")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``spot.nii.gz``, with one on the second of three slices, and ``quiet.nii.gz`` without."""
    folder = tmp_path_factory.mktemp("studies")
    quiet = [planted.ground(seed) for seed in range(3)]
    write_study(folder / "quiet.nii.gz", *quiet)
    write_study(folder / "spot.nii.gz", quiet[0], planted.with_spots([planted.SPOT]), quiet[2])
    return folder


@pytest.fixture
def workspace(studies: Path, setup: Setup, tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "kept", setup, lambda study: studies / f"{study}.nii.gz")


@pytest.fixture(scope="session")
def suggestion(studies: Path, setup: Setup) -> mc.Suggestion:
    """What is suggested for the study with a spot; it has its scan."""
    return Workspace(studies, setup, lambda study: studies / study).suggest(
        mc.read_scan(studies / "spot.nii.gz")
    )


@pytest.fixture
def suggested(workspace: Workspace, suggestion: mc.Suggestion) -> Workspace:
    """The workspace, with what is suggested for the study with a spot in it."""
    suggestion.save(workspace.folder("spot"), [])
    return workspace
