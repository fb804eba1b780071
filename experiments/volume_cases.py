"""Drawn volumes with and without one object, and a small 3D network that learns from labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from medcontour.contour import HarmonicSurface, VolumeGeometry
from medcontour.contour.spherical import degrees

DRAWN = VolumeGeometry(20, 48, 48, (2.5, 1.0, 1.0))
SEED = 2020


@dataclass(frozen=True)
class Cases:
    """Volumes (B, 1, D, H, W), labels (B,), truths (B, D, H, W) and the part of each."""

    volumes: Tensor
    labels: Tensor
    truths: Tensor
    parts: list[str]
    grid: VolumeGeometry

    def part(self, name: str) -> Cases:
        """Those of one part."""
        return self.rows([row for row, part in enumerate(self.parts) if part == name])

    def rows(self, rows: list[int]) -> Cases:
        """Some of them."""
        parts = [self.parts[row] for row in rows]
        tensors = self.volumes[rows], self.labels[rows], self.truths[rows]
        return Cases(*tensors, parts, self.grid)


def drawn_cases(counts: dict[str, int]) -> Cases:
    """Draw volumes: textured ground, bright tubes in all, an uneven bright lump in every other."""
    rng = np.random.default_rng(SEED)
    points, volumes, truths, parts = DRAWN.voxel_centres(), [], [], []
    for part, count in counts.items():
        for number in range(count):
            shape = (DRAWN.slices, DRAWN.rows, DRAWN.columns)
            texture = gaussian_filter(rng.normal(size=shape), (1.2, 3, 3))
            volume = torch.from_numpy(0.25 * texture / texture.std()).float()
            for _ in range(3):  # tubes through all slices
                x, y = rng.uniform(-0.9, 0.9, 2)
                lean = torch.from_numpy(rng.uniform(-0.5, 0.5, 2))
                off = points[..., :2] - torch.tensor([x, y]) - points[..., 2:] * lean
                volume[off.norm(dim=-1) < 0.06] += 1.0
            truth = torch.zeros(shape, dtype=torch.bool)
            if number % 2:
                lump = _lump(rng)
                truth = lump.contains(points)[0]
                volume[truth] = volume[truth].clamp(max=0.6) + 0.9
            volumes.append(volume + 0.1 * torch.from_numpy(rng.normal(size=shape)).float())
            truths.append(truth)
            parts.append(part)
    stack = torch.stack(truths)
    return Cases(
        torch.stack(volumes)[:, None], stack.flatten(1).any(1).float(), stack, parts, DRAWN
    )


def _lump(rng: np.random.Generator) -> HarmonicSurface:
    order = np.array(degrees(4))
    return HarmonicSurface(
        torch.from_numpy(rng.uniform(-0.55, 0.55, (1, 3))).float(),
        torch.tensor([np.log(rng.uniform(0.16, 0.3))]).float(),
        torch.from_numpy(0.25 * rng.normal(size=(1, len(order))) / order**1.5).float(),
        torch.from_numpy(rng.uniform(-0.25, 0.25, (1, 5))).float(),
    )


def presence_network(cases: Cases, steps: int) -> nn.Module:
    """Train a small network on the training part's labels, mirrored, shifted and brightened."""
    torch.manual_seed(SEED)
    layers: list[nn.Module] = []
    for ins, outs, stride in ((1, 8, (1, 2, 2)), (8, 16, 1), (16, 32, 2), (32, 32, 1)):
        convolution = nn.Conv3d(ins, outs, 3, stride=stride, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm3d(outs), nn.ReLU()]
    last = nn.AdaptiveMaxPool3d((1, 1, 1)), nn.Flatten(), nn.Linear(32, 1)
    network = nn.Sequential(*layers, *last)
    part = cases.part("train")
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    generator = torch.Generator().manual_seed(SEED)
    for _ in range(steps):
        rows = torch.randint(len(part.labels), (8,), generator=generator)
        batch = part.volumes[rows]
        batch = batch.flip([axis for axis in (2, 3) if torch.rand((), generator=generator) < 0.5])
        moved = [int(torch.randint(-4, 5, (), generator=generator)) for _ in range(2)]
        batch = batch.roll(moved, (3, 4)) * (0.8 + 0.4 * torch.rand((), generator=generator))
        loss = F.binary_cross_entropy_with_logits(network(batch)[:, 0], part.labels[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return network.eval().requires_grad_(False)
