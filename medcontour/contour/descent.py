"""Adam on the few numbers of a curve."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["Descent"]


class Descent:
    """Adam (Kingma and Ba 2015) with decoupled weight decay (Loshchilov and Hutter 2019).

    Step for step what `torch.optim.AdamW` does on a processor. That one imports PyTorch's compiler
    when it is made, which takes longer than the search on a slice.

    Parameters
    ----------
    parameters
        Leaves that require gradients, by name; they are changed in place.
    betas
        How long the means of gradients and of their squares remember.
    weight_decay
        Times the rate, what each step takes off a parameter.

    Examples
    --------
    >>> place = torch.tensor([3.0], requires_grad=True)
    >>> descent = Descent({"place": place})
    >>> for _ in range(100):
    ...     (place - 1).square().sum().backward()
    ...     descent.step({"place": 0.1})
    >>> abs(float(place) - 1) < 0.02, place.grad
    (True, None)
    """

    def __init__(
        self,
        parameters: Mapping[str, Tensor],
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
    ) -> None:
        self._parameters = dict(parameters)
        self._betas, self._weight_decay = betas, weight_decay
        self._means = {name: torch.zeros_like(own) for name, own in parameters.items()}
        self._squares = {name: torch.zeros_like(own) for name, own in parameters.items()}
        self._steps = 0

    @torch.no_grad()
    def step(self, rates: Mapping[str, float]) -> None:
        """Move by the gradients that are there, and forget them.

        Parameters
        ----------
        rates
            Of this step, for each parameter.
        """
        self._steps += 1
        first, second = self._betas
        unbias, root = 1 - first**self._steps, math.sqrt(1 - second**self._steps)
        for name, parameter in self._parameters.items():
            slope = parameter.grad
            assert slope is not None
            mean = self._means[name].lerp_(slope, 1 - first)
            square = self._squares[name].mul_(second).addcmul_(slope, slope, value=1 - second)
            parameter.mul_(1 - rates[name] * self._weight_decay)
            spread = (square.sqrt() / root).add_(EPSILON)
            parameter.addcdiv_(mean, spread, value=-rates[name] / unbias)
            parameter.grad = None


EPSILON = 1e-8
"""What keeps a division from nothing, as published."""
