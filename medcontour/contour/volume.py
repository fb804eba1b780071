"""Where a surface lives: the coordinates of a volume."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["VolumeGeometry"]


@dataclass(frozen=True)
class VolumeGeometry:
    """A volume of voxels and its isotropic volume coordinates.

    Volume coordinates are ``(x, y, z)`` with x along columns, y along rows and z along slices,
    origin in the middle of the volume, scaled so that its longest physical side spans [-1, 1]. A
    unit is the same length in all three even where voxels are not cubes, so a sphere in volume
    coordinates is a sphere in the patient. Index coordinates are ``(column, row, slice)``; voxel
    centres are integers.

    Attributes
    ----------
    slices, rows, columns
        Voxels of the volume.
    spacing
        Millimetres between slices, then between rows, then between columns.

    Examples
    --------
    >>> volume = VolumeGeometry(slices=20, rows=100, columns=50, spacing=(4.0, 1.0, 1.0))
    >>> volume.unit_mm, volume.extent
    (50.0, (0.5, 1.0, 0.8))
    >>> volume.to_index(torch.tensor([0.0, 1.0, 0.0])).tolist()
    [24.5, 99.5, 9.5]
    """

    slices: int
    rows: int
    columns: int
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @property
    def unit_mm(self) -> float:
        """Millimetres in one unit of volume coordinates: half the longest side."""
        return max(self._sides_mm) / 2

    @property
    def extent(self) -> tuple[float, float, float]:
        """Half of the volume's sides along x, y and z, in volume coordinates; the longest is 1."""
        x, y, z = self._sides_mm
        return x / 2 / self.unit_mm, y / 2 / self.unit_mm, z / 2 / self.unit_mm

    @property
    def content(self) -> float:
        """Volume of all voxels together in volume coordinates: 8 for a cube."""
        return 8 * math.prod(self.extent)

    def from_index(self, points: Tensor) -> Tensor:
        """Index points (..., 3) as (column, row, slice) to volume coordinates."""
        return (points - self._middle(points)) * self._step(points)

    def to_index(self, points: Tensor) -> Tensor:
        """Volume coordinates (..., 3) to index points as (column, row, slice)."""
        return points / self._step(points) + self._middle(points)

    def voxel_centres(self) -> Tensor:
        """(slices, rows, columns, 3): volume coordinates of every voxel's centre, float32."""
        number, row, column = torch.meshgrid(
            *(
                torch.arange(count, dtype=torch.float64)
                for count in (self.slices, self.rows, self.columns)
            ),
            indexing="ij",
        )
        return self.from_index(torch.stack([column, row, number], dim=-1)).float()

    @property
    def _sides_mm(self) -> tuple[float, float, float]:
        slice_mm, row_mm, column_mm = self.spacing
        return self.columns * column_mm, self.rows * row_mm, self.slices * slice_mm

    def _middle(self, points: Tensor) -> Tensor:
        return points.new_tensor(
            [(self.columns - 1) / 2, (self.rows - 1) / 2, (self.slices - 1) / 2]
        )

    def _step(self, points: Tensor) -> Tensor:
        return points.new_tensor(self.spacing[::-1]) / self.unit_mm
