"""Phantoms as the network's input, with and without their nodules."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from make_sample import affine_lps
from monai.data import MetaTensor
from monai.transforms import Compose
from phantom import Grid, Thorax, thorax
from torch import Tensor

TRAINING_SEED = 200_000
HELD_OUT_SEED = 950_000
WHOLE = 10_000
SLAB = slice(12, 28)
"""Slices of the input between which a slab lies; what is above and below is padding."""

Voxels = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]
Prepare = Callable[[Voxels, Matrix], Tensor]


@dataclass(frozen=True)
class Volumes:
    """Preprocessed volumes, (n, 1, x, y, z) float16; `image` and `twin` differ by nodules."""

    image: Tensor
    twin: Tensor


def preparation(transforms: Compose) -> Prepare:
    """Give the bundle's preprocessing after loading, for (i, j, k) voxels and their RAS affine."""
    steps = Compose(transforms.transforms[1:])

    def prepare(voxels: Voxels, affine_ras: Matrix) -> Tensor:
        image = MetaTensor(torch.from_numpy(voxels.copy()), affine=torch.from_numpy(affine_ras))
        prepared: Tensor = steps({"image": image})["image"].as_tensor()
        return prepared

    return prepare


def affine_ras(grid: Grid) -> Matrix:
    """(4, 4) index (column, row, slice) to RAS mm."""
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine_lps(grid)


def on_file_axes(volume: npt.NDArray[np.generic]) -> Voxels:
    """(slices, rows, columns) to (i, j, k), as a file holds it."""
    return np.ascontiguousarray(volume.transpose(2, 1, 0), dtype=np.float32)


def training_phantom(number: int, height_mm: float, most: int) -> Thorax:
    """Make one phantom for training, with its own matrix, spacing, place and noise.

    Parameters
    ----------
    number
        Everything follows from it.
    height_mm
        From its lowest slice to its highest, about; what is less than the lungs' lies anywhere in
        them.
    most
        It has one to so many nodules.
    """
    rng = np.random.default_rng([TRAINING_SEED, number])
    rows, columns = int(rng.integers(92, 125)), int(rng.integers(116, 153))
    dx, dy, dz = rng.uniform(345, 390) / columns, rng.uniform(280, 320) / rows, rng.uniform(4, 7)
    height_mm *= rng.uniform(0.88, 1.02)
    lowest = rng.uniform(-118, max(-106, 84 - height_mm))
    grid = Grid((int(height_mm / dz), rows, columns), (dz, dy, dx), lowest, dz)
    nodules = int(rng.integers(1, most + 1))
    return thorax(TRAINING_SEED + number, grid, nodules, noise_hu=rng.uniform(12, 32), planes=2)


def slab(number: int) -> Thorax:
    """Make a part of a thorax: four slabs cost as much as one whole volume."""
    return training_phantom(number, 75.0, 4)


def whole(number: int) -> Thorax:
    """Make a whole thorax."""
    return training_phantom(WHOLE + number, 200.0, 6)


def held_out_phantom(number: int) -> Thorax:
    """Make one phantom on the sample study's grid, with another seed and one nodule."""
    grid = Grid((40, 160, 208), (5.0, 1.875, 1.75), -112.0)
    return thorax(HELD_OUT_SEED + number, grid, 1, planes=2)


def collect(phantoms: Iterable[Thorax], prepare: Prepare, slices: slice = slice(None)) -> Volumes:
    """Preprocess phantoms, each with its nodules and without; one that has none is left out."""
    image, twin = [], []
    for phantom in phantoms:
        if not phantom.nodules:
            continue
        affine = affine_ras(phantom.grid)
        image.append(prepare(on_file_axes(phantom.ct), affine)[..., slices].half())
        twin.append(prepare(on_file_axes(phantom.without_nodules), affine)[..., slices].half())
    return Volumes(torch.stack(image), torch.stack(twin))
