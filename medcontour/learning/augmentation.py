"""Images and their masks altered at random, alike."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["augmented"]


def augmented(images: Tensor, masks: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mirror, turn, zoom, stretch, bend, brighten, blur and roughen images; move masks alike.

    Parameters
    ----------
    images
        (B, C, H, W), values from 0 to 1.
    masks
        (B, K, H, W).
    draw
        Where randomness comes from.
    """
    n, _, height, width = images.shape

    def uniform(*shape: int, low: float = -1.0, high: float = 1.0) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=draw)

    turn, zoom, stretch = uniform(n) * 0.25, uniform(n) * 0.3, uniform(n) * 0.15
    mirror = torch.where(uniform(n) < 0, -1.0, 1.0)
    theta = torch.zeros(n, 2, 3)
    wide, high = torch.exp(zoom + stretch), torch.exp(zoom - stretch)
    theta[:, 0, 0], theta[:, 0, 1] = torch.cos(turn) * wide * mirror, -torch.sin(turn) * high
    theta[:, 1, 0], theta[:, 1, 1] = torch.sin(turn) * wide * mirror, torch.cos(turn) * high
    theta[:, :, 2] = uniform(n, 2) * 0.15
    grid = F.affine_grid(theta, [n, 1, height, width], align_corners=False)
    bend = uniform(n, 2, 5, 5) * 0.06
    grid = grid + F.interpolate(bend, (height, width), mode="bicubic", align_corners=True).permute(
        0, 2, 3, 1
    )
    moved = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    target = F.grid_sample(masks, grid, padding_mode="zeros", align_corners=False)
    gamma = torch.exp(uniform(n, 1, 1, 1) * 0.4)
    gain = 1 + F.interpolate(
        uniform(n, 1, 3, 3) * 0.25, (height, width), mode="bicubic", align_corners=True
    )
    moved = moved.clamp(1e-3, 1) ** gamma * gain
    blurred = F.avg_pool2d(moved, 3, 1, 1, count_include_pad=False)
    mix = uniform(n, 1, 1, 1, low=-1.0).clamp_min(0)
    moved = moved + (blurred - moved) * mix
    rough = torch.randn(moved.shape, generator=draw) * uniform(n, 1, 1, 1, low=0.0) * 0.08
    return (moved + rough * moved).clamp(0, 1), target
