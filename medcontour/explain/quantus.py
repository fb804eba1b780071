"""Extremal contours for Quantus, the library of explanation metrics."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from medcontour.explain.attribution import ExtremalContours

__all__ = ["quantus_explain"]


def quantus_explain(
    model: Callable[..., Any],
    inputs: npt.NDArray[Any],
    targets: npt.NDArray[Any],
    *,
    device: str | torch.device | None = None,
    area: float | None = None,
    **choices: Any,
) -> npt.NDArray[np.float32]:
    """Explain as Quantus asks for it: give this as ``explain_func``.

    ``explain_func_kwargs`` carries the choices, such as ``{"preset": "paper"}``.

    Parameters
    ----------
    model
        (B, C, H, W) to (B, classes) logits.
    inputs
        (B, C, H, W).
    targets
        (B,) classes, or one.
    device
        By default where the model's parameters are.
    area
        Fraction of the image to cover (Eq. 10).
    **choices
        As `ExtremalContours` takes them.

    Returns
    -------
    numpy.ndarray
        (B, 1, H, W) float32 in 0 to 1.

    Examples
    --------
    >>> model = torch.nn.Sequential(torch.nn.AvgPool2d(8), torch.nn.Flatten())
    >>> images = np.zeros((1, 1, 32, 32), dtype=np.float32)
    >>> images[..., 8:16, 16:24] = 1.0
    >>> quantus_explain(model, images, np.array([6]), background="mean").shape
    (1, 1, 32, 32)
    """
    if device is None and isinstance(model, torch.nn.Module):
        held = next(chain(model.parameters(), model.buffers()), None)
        device = held.device if held is not None else None
    images = torch.as_tensor(np.asarray(inputs, dtype=np.float32), device=device)
    classes = torch.as_tensor(np.asarray(targets))
    maps = ExtremalContours(model, **choices).attribute(images, target=classes, area=area)
    found: npt.NDArray[np.float32] = maps.float().cpu().numpy()
    return found
