"""Networks that another process can load."""

from __future__ import annotations

import os
import signal

import torch
from small_files import BIRTH, FAMILY, GIVEN, NUMBER

WIDE = 40
LIGHT = 0.9
LABELS = ["none", "bright"]


class Deadly(torch.nn.Module):
    """Finds nothing, and takes its process along at an image of more than `WIDE` columns."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if images.shape[-1] > WIDE:
            os.kill(os.getpid(), signal.SIGKILL)
        score = images.mean((1, 2, 3)) - 1000
        return torch.stack([-score, score], 1)


class Loud(torch.nn.Module):
    """Finds nothing, and at a light image raises an error that says who the patient is."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        score = images.mean((1, 2, 3)) - 1000
        if images.max() > LIGHT:
            raise RuntimeError(f"{FAMILY}^{GIVEN} {NUMBER} {BIRTH}")
        return torch.stack([-score, score], 1)
