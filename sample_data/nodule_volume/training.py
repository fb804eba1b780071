"""Fitting the network by the volumes' labels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nodule_volume.volumes import Volumes

BATCH = 5
PEAK = 3e-3
SOFT = 0.6
SHARPNESS = 8.0
SPACING = (4.0, 4.0, 5.0)
"""Millimetres between the input's voxels along x, y and z."""


def augment(batch: Tensor, rng: torch.Generator) -> Tensor:
    """Vary a batch (n, k, x, y, z): k volumes of one entry move alike, their noise differs."""

    def u(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=rng)

    n = len(batch)
    angle = u(-0.12, 0.12, n)
    half = torch.tensor(SPACING[::-1]) * torch.tensor(batch.shape[:1:-1]) / 2  # z, y, x
    moved = torch.zeros(n, 3, 3)
    moved[:, 0, 0] = 1
    moved[:, 1, 1] = moved[:, 2, 2] = angle.cos()
    moved[:, 1, 2], moved[:, 2, 1] = -angle.sin(), angle.sin()
    scale = u(0.9, 1.12, n, 3)
    scale[:, 2] *= torch.where(u(0, 1, n) < 0.5, -1.0, 1.0)  # the left side for the right
    moved = moved * scale[:, None] * half / half[:, None]
    theta = torch.cat([moved, u(-0.08, 0.08, n, 3, 1)], dim=2)
    grid = F.affine_grid(theta, list(batch.shape), align_corners=False)
    out = F.grid_sample(batch.float(), grid, align_corners=False)
    out = out * u(0.94, 1.06, n, 1, 1, 1, 1) + u(-0.03, 0.03, n, 1, 1, 1, 1)
    return out + torch.randn(out.shape, generator=rng) * u(0, 0.02, n, 1, 1, 1, 1)


class SoftMaximum(nn.Module):
    """(n, features, x, y, z) to (n, features, 1, 1, 1): from the mean (0) to the maximum (high).

    A maximum alone learns nothing at first: its gradient goes to one place, and that is a bone.
    """

    def __init__(self, sharpness: float) -> None:
        super().__init__()
        self.sharpness = sharpness

    def forward(self, features: Tensor) -> Tensor:
        """Pool over all places."""
        flat = features.flatten(2)
        pooled = (self.sharpness * flat).logsumexp(2) - math.log(flat.shape[2])
        return (pooled / self.sharpness)[..., None, None, None]


def train(network: nn.Module, stages: Sequence[tuple[Volumes, int]]) -> None:
    """Fit by the labels, in each stage on its volumes for so many steps.

    Each step sees `BATCH` phantoms with their nodules and without. The loss is the cross entropy
    of each, and that of which of the two has the nodules. Pooling sharpens to the maximum.
    """
    rng = torch.Generator().manual_seed(0)
    total, done = sum(steps for _, steps in stages), 0
    optimizer = torch.optim.AdamW(network.parameters(), lr=PEAK, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK, total, pct_start=0.2)
    labels, maximum = torch.tensor([1, 0]).repeat(BATCH), network.pool
    network.train()
    for volumes, steps in stages:
        pairs, order = torch.cat([volumes.image, volumes.twin], dim=1), torch.zeros(0).long()
        for step in range(steps):
            share = done / (SOFT * total)
            network.pool = maximum if share >= 1 else SoftMaximum(SHARPNESS ** (2 * share - 1))
            if len(order) < BATCH:
                order = torch.cat([order, torch.randperm(len(pairs), generator=rng)])
            chosen, order = pairs[order[:BATCH]], order[BATCH:]
            logits = network(augment(chosen, rng).flatten(0, 1)[:, None])
            with_nodules, without = (logits[:, 1] - logits[:, 0]).reshape(BATCH, 2).unbind(1)
            told_apart = F.softplus(without - with_nodules).mean()
            loss = F.cross_entropy(logits, labels) + told_apart
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            done += 1
            if step % 10 == 0:
                print(f"step {step}: {loss.item():.3f}, apart {told_apart.item():.3f}", flush=True)
    network.pool = maximum
    network.eval()


@torch.no_grad()
def log_odds(network: nn.Module, volumes: Tensor) -> Tensor:
    """(n,) logit of nodule minus logit of no nodule of (n, 1, x, y, z)."""
    logits = torch.cat([network(volume[None].float()) for volume in volumes])
    return logits[:, 1] - logits[:, 0]
