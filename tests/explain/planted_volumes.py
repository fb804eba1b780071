"""Volumes with a bright ball on a textured ground, and small networks that score it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from medcontour.contour import HarmonicSurface, VolumeGeometry

GRID = VolumeGeometry(16, 40, 36, (2.5, 1.0, 1.2))


@dataclass
class PlantedVolumes:
    """Balls stretched by a frame, brighter than what surrounds them."""

    truth: HarmonicSurface
    mask: Tensor  # (B, D, H, W)
    volumes: Tensor  # (B, 1, D, H, W)

    def dice(self, surfaces: HarmonicSurface) -> Tensor:
        inside = surfaces.contains(GRID.voxel_centres()).float()
        both = (inside * self.mask).flatten(1).sum(1)
        return 2 * both / (inside.flatten(1).sum(1) + self.mask.flatten(1).sum(1))


def plant_volumes(
    centers: list[tuple[float, float, float]], radii: list[float], frame: float = 0.2
) -> PlantedVolumes:
    truth = HarmonicSurface.spheres(torch.tensor(centers), torch.tensor(radii))
    truth.frame[:, 0] = frame
    mask = truth.contains(GRID.voxel_centres()).float()
    noise = torch.randn(mask.shape, generator=torch.Generator().manual_seed(3))
    return PlantedVolumes(truth, mask, (mask + 0.1 * noise).unsqueeze(1))


class BrightVoxels(nn.Module):
    """(B, 1, D, H, W) to (B, 1): how much is brighter than a half after a small blur."""

    def __init__(self) -> None:
        super().__init__()
        self.blur = nn.Conv3d(1, 1, 3, padding=1, bias=False)
        nn.init.constant_(self.blur.weight, 1 / 27)

    def forward(self, volumes: Tensor) -> Tensor:
        bright = torch.relu(self.blur(volumes) - 0.5).flatten(1).sum(1, keepdim=True)
        return 6 - 12 * torch.exp(-bright / 20)
