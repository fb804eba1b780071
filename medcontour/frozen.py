"""A network held still while it is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

__all__ = ["frozen"]


@contextmanager
def frozen(model: Callable[..., Any]) -> Iterator[None]:
    """Hold a network in evaluation mode, its parameters without gradients; then restore both.

    Parameters
    ----------
    model
        A module, or a method of one. Of any other callable nothing is known and nothing changed.

    Examples
    --------
    >>> network = nn.Linear(2, 2)
    >>> with frozen(network):
    ...     network.training, network.weight.requires_grad
    (False, False)
    >>> network.training, network.weight.requires_grad
    (True, True)
    """
    owner = model if isinstance(model, nn.Module) else getattr(model, "__self__", None)
    network = owner if isinstance(owner, nn.Module) else nn.Module()
    # Only what changes is touched: not all of a script module's parts have a mode.
    training = [module for module in network.modules() if getattr(module, "training", False)]
    wanting = [parameter for parameter in network.parameters() if parameter.requires_grad]
    try:
        for module in training:
            module.training = False
        for parameter in wanting:
            parameter.requires_grad_(False)
        yield
    finally:
        for module in training:
            module.training = True
        for parameter in wanting:
            parameter.requires_grad_(True)
