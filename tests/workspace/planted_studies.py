"""NIfTI studies with planted spots, on a turned, flipped grid."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import planted
import pytest

import medcontour as mc
from medcontour.workspace import Setup


def affine() -> np.ndarray:
    """RAS mm: turned by 20 degrees about z, pixels of 1.5 x 1 mm, the third axis downwards."""
    c, s = np.cos(np.radians(20)), np.sin(np.radians(20))
    turned = np.array([[c, -s, 0], [s, c, 0], [0, 0, -1]]) * (1.5, 1.0, 3.0)
    placed = np.eye(4)
    placed[:3, :3], placed[:3, 3] = turned, (10.0, -20.0, 30.0)
    return placed


def write_study(path: Path, *planes: np.ndarray) -> None:
    volume = np.stack(planes, -1).transpose(1, 0, 2)
    nibabel.save(nibabel.Nifti1Image(volume.astype(np.float32), affine()), path)


@pytest.fixture(scope="session")
def setup() -> Setup:
    """What finds the spot."""
    return Setup(planted.classifier(planted.Spots()), mc.Settings())


@pytest.fixture(scope="session")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of both studies."""
    folder = tmp_path_factory.mktemp("studies")
    write_spot_and_quiet(folder)
    return folder


def write_spot_and_quiet(folder: Path) -> None:
    """``spot.nii.gz``, with one on the second of three slices, and ``quiet.nii.gz`` without."""
    quiet = [planted.ground(seed) for seed in range(3)]
    write_study(folder / "quiet.nii.gz", *quiet)
    write_study(folder / "spot.nii.gz", quiet[0], planted.with_spots([planted.SPOT]), quiet[2])
