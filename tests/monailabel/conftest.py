"""One server for the folder of NIfTI files that the tests of this room look at."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import nibabel
import numpy as np
import pytest
from label_server import LabelServer, environment, running_server, variables

import medcontour as mc

SLICES = slice(17, 19)


def _rotated(affine: np.ndarray) -> np.ndarray:
    """Turned by 20 degrees about x and 10 about z, about the grid's first voxel."""
    a, b = np.radians(20), np.radians(10)
    about_x = [[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]]
    about_z = [[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]]
    turned = affine.copy()
    turned[:3, :3] = np.array(about_x) @ np.array(about_z) @ affine[:3, :3]
    return turned


@pytest.fixture(scope="session")
def studies(sample_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two slices of the sample study on three grids, all with pixels of 1.75 x 1.875 x 5 mm.

    ``oblique``: turned in space. ``flipped``: the axes exchanged and turned round. ``quiet``: two
    slices without a nodule.
    """
    folder = tmp_path_factory.mktemp("studies")
    scan = mc.read_scan(sample_data / "ct_study")
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ scan.affine_lps
    voxels = scan.voxels.transpose(2, 1, 0).astype(np.int16)  # (column, row, slice)
    place = affine.copy()
    place[:3, 3] = (affine @ [0, 0, SLICES.start, 1])[:3]
    part = voxels[..., SLICES]
    _write(part, _rotated(place), folder / "oblique.nii.gz")
    _write(voxels[..., 2:4], affine, folder / "quiet.nii.gz")
    # (slice, column, row), columns and slices the other way.
    flip = np.zeros((4, 4))
    flip[0, 1], flip[1, 2], flip[2, 0], flip[3, 3] = -1, 1, -1, 1
    flip[0, 3], flip[2, 3] = part.shape[0] - 1, part.shape[2] - 1
    turned = part.transpose(2, 0, 1)[::-1, ::-1]
    _write(np.ascontiguousarray(turned), place @ flip, folder / "flipped.nii.gz")
    return folder


def _write(voxels: np.ndarray, affine: np.ndarray, path: Path) -> None:
    image = nibabel.Nifti1Image(voxels, affine)
    image.set_qform(affine, 1)
    image.set_sform(affine, 1)
    nibabel.save(image, path)


@pytest.fixture(scope="session")
def server(
    studies: Path, sample_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LabelServer]:
    bundle = str(sample_data / "nodule_classifier")
    folder = tmp_path_factory.mktemp("server")
    with running_server(folder, studies, "classifier", bundle, "most_seconds", "none") as running:
        yield running


@pytest.fixture(scope="session")
def by_command(studies: Path, sample_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `medcontour suggest` of the same environment gives for ``oblique``."""
    out = tmp_path_factory.mktemp("command") / "out"
    subprocess.run(
        [
            environment() / "bin" / "medcontour",
            *("suggest", studies / "oblique.nii.gz", "--out", out),
            *("--classifier", sample_data / "nodule_classifier"),
            *("--export", "labelmap,markups"),
        ],
        check=True,
        env=variables(),
        capture_output=True,
    )
    return out
