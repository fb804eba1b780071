"""Searching in half precision, where the machine gains by it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from medcontour.explain.objectives.objective import Objective

__all__ = ["InBFloat16"]


@dataclass(frozen=True)
class InBFloat16:
    """An objective whose network runs in bfloat16 (`torch.autocast`); answers are float32.

    The curves and masks stay in float32: only the network's own products are rounded. What a
    search finds this way is to be judged by the objective itself.

    Attributes
    ----------
    objective
        Whose similarity is asked.

    Examples
    --------
    >>> from medcontour.explain import CallableObjective
    >>> layers = torch.nn.Flatten(), torch.nn.Linear(64, 1), torch.nn.Flatten(0)
    >>> network = torch.nn.Sequential(*layers)
    >>> images = torch.rand(2, 1, 8, 8)
    >>> exact = CallableObjective(network, images, torch.zeros_like(images))
    >>> InBFloat16(exact).similarity(images, torch.arange(2)).dtype
    torch.float32
    """

    objective: Objective

    def similarity(self, inputs: Tensor, which: Tensor) -> Tensor:
        """As `Objective.similarity`."""
        with torch.autocast(inputs.device.type, torch.bfloat16):
            return self.objective.similarity(inputs, which).float()
