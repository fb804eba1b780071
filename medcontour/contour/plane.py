"""Where a curve lives: the coordinates of an image plane."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["PlaneGeometry"]


@dataclass(frozen=True)
class PlaneGeometry:
    """An image plane and its isotropic plane coordinates.

    Plane coordinates are ``(x, y)`` with x along columns and y along rows, origin in the middle
    of the plane, scaled so that the plane's longer physical side spans [-1, 1]. A unit is the
    same length in x and y even where pixels are not square, so a circle in plane coordinates is
    a circle in the patient. Index coordinates are ``(column, row)``; pixel centres are integers.

    Attributes
    ----------
    rows, columns
        Pixels of the plane.
    pixel_spacing
        Millimetres between rows, then between columns (DICOM PixelSpacing order).

    Examples
    --------
    >>> plane = PlaneGeometry(rows=100, columns=100, pixel_spacing=(2.0, 1.0))
    >>> plane.unit_mm
    100.0
    >>> plane.to_index(torch.tensor([0.0, 1.0])).tolist()
    [49.5, 99.5]
    """

    rows: int
    columns: int
    pixel_spacing: tuple[float, float] = (1.0, 1.0)

    @property
    def unit_mm(self) -> float:
        """Millimetres in one unit of plane coordinates: half the longer side."""
        row, column = self.pixel_spacing
        return max(self.rows * row, self.columns * column) / 2

    @property
    def extent(self) -> tuple[float, float]:
        """Half width and half height of the plane, in plane coordinates; the longer is 1."""
        row, column = self.pixel_spacing
        return self.columns * column / 2 / self.unit_mm, self.rows * row / 2 / self.unit_mm

    @property
    def area(self) -> float:
        """Area of the plane in plane coordinates: ``S`` of Eq. 7 (4 for a square plane)."""
        half_width, half_height = self.extent
        return 4 * half_width * half_height

    @property
    def pixel(self) -> float:
        """Side of a square as large as a pixel, in plane coordinates."""
        row, column = self.pixel_spacing
        return math.sqrt(row * column) / self.unit_mm

    def from_index(self, points: Tensor) -> Tensor:
        """Index points (..., 2) as (column, row) to plane coordinates."""
        row, column = self.pixel_spacing
        middle = points.new_tensor([(self.columns - 1) / 2, (self.rows - 1) / 2])
        return (points - middle) * points.new_tensor([column, row]) / self.unit_mm

    def to_index(self, points: Tensor) -> Tensor:
        """Plane coordinates (..., 2) to index points as (column, row)."""
        row, column = self.pixel_spacing
        middle = points.new_tensor([(self.columns - 1) / 2, (self.rows - 1) / 2])
        return points * self.unit_mm / points.new_tensor([column, row]) + middle

    def pixel_centres(self) -> Tensor:
        """(rows, columns, 2): plane coordinates of every pixel's centre, float32."""
        row, column = torch.meshgrid(
            torch.arange(self.rows, dtype=torch.float64),
            torch.arange(self.columns, dtype=torch.float64),
            indexing="ij",
        )
        return self.from_index(torch.stack([column, row], dim=-1)).float()
