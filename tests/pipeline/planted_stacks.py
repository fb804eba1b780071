"""Stacks with one bright ball at a known place in the patient, as files of others write them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pydicom
from export_cases import Case, write_series
from monai.transforms import (
    Compose,
    CropForeground,
    EnsureChannelFirst,
    Orientation,
    ResizeWithPadOrCrop,
    ScaleIntensityRange,
    Spacing,
)
from planted_volumes import BrightVoxels
from volume_grids import AFFINES

import medcontour as mc
from medcontour.classifier import VolumeNetwork, load_classifier

Array = npt.NDArray[np.float64]
RADIUS = 8.0
SHAPE = (40, 32, 16)
AT = np.array([22.0, 15.0, 7.3])
"""Voxels of a file (i, j, k), and the index of the ball's middle."""
NOISE = 0.1


def ball(places_mm: Array, centre_mm: Array) -> npt.NDArray[np.float32]:
    """Values from about 0 outside to about 1 inside, at places (..., 3)."""
    inside = np.linalg.norm(places_mm - centre_mm, axis=-1) < RADIUS
    noise = np.random.default_rng(3).normal(size=inside.shape)
    return (inside + NOISE * noise).astype(np.float32)


def voxel_places(affine_ras: Array, shape: tuple[int, ...]) -> Array:
    """(i, j, k, 3) RAS mm of voxel centres."""
    index = np.moveaxis(np.indices(shape), 0, -1)
    return np.asarray(index @ affine_ras[:3, :3].T + affine_ras[:3, 3])


def write_nifti(path: Path, affine_ras: Array, shape: tuple[int, int, int], at: Array) -> Array:
    """Write a volume whose ball is about the index `at` (i, j, k); its middle in LPS mm."""
    middle = affine_ras[:3, :3] @ at + affine_ras[:3, 3]
    values = ball(voxel_places(affine_ras, shape), middle)
    nib.save(nib.Nifti1Image(values, affine_ras), path)
    return middle * (-1, -1, 1)


def write_dicom(folder: Path, case: Case, at: Array) -> Array:
    """Write a series whose ball is about the index `at` (column, row, slice); its middle in mm."""
    case = replace(case, heights=range(16), rows=40, columns=44)
    write_series(case, folder)
    low = case.place(np.array([at[:2]]), int(at[2]))[0]
    middle = low + (at[2] - int(at[2])) * 2.7 * case.normal
    index = np.moveaxis(np.indices((case.columns, case.rows)), 0, -1).reshape(-1, 2)
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        heights = [
            np.linalg.norm(case.slice_origin(k) - dataset.ImagePositionPatient) for k in range(16)
        ]
        places = case.place(index.astype(float), int(np.argmin(heights)))
        values = ball(places, middle).reshape(case.columns, case.rows).T
        dataset.PixelData = (1024 + 1000 * values).astype(np.int16).tobytes()
        dataset.save_as(path, enforce_file_format=True)
    return middle


def usual_classifier(scale: float = 1.0) -> VolumeNetwork:
    """What sees bright voxels, after a bundle's usual preprocessing in three dimensions."""
    steps = [
        EnsureChannelFirst(),
        Orientation("RAS"),
        Spacing((1.5, 1.5, 2.0), mode="bilinear"),
        ScaleIntensityRange(0, scale, 0, 1),
        CropForeground(select_fn=lambda x: x > -1, margin=1),
        ResizeWithPadOrCrop((32, 32, 24)),
    ]
    made = load_classifier(
        BrightVoxels(), labels=["nodule"], preprocessing=Compose(steps), name="bright voxels"
    )
    assert isinstance(made, VolumeNetwork)
    return made


def suggested(folder: Path, grid: str, **settings: Any) -> tuple[mc.Suggestion, np.ndarray]:
    """What is suggested for a file on one of the grids, and the ball's middle in LPS mm."""
    middle = write_nifti(folder / "scan.nii.gz", AFFINES[grid], SHAPE, AT)
    return mc.suggest(folder / "scan.nii.gz", usual_classifier(), **settings), middle
