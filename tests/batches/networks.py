"""Networks that another process can load."""

from __future__ import annotations

import os
import signal

import torch

WIDE = 40
LABELS = ["none", "bright"]


class Deadly(torch.nn.Module):
    """Finds nothing, and takes its process along at an image of more than `WIDE` columns."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if images.shape[-1] > WIDE:
            os.kill(os.getpid(), signal.SIGKILL)
        score = images.mean((1, 2, 3)) - 1000
        return torch.stack([-score, score], 1)
