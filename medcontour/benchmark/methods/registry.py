"""Methods by name."""

from __future__ import annotations

from collections.abc import Callable

from medcontour.benchmark.methods.base import Method
from medcontour.benchmark.methods.contours import ExtremalContour, RandomContour
from medcontour.benchmark.methods.covering import Occlusion, Rise
from medcontour.benchmark.methods.grad_cam import GradCamPlusPlus
from medcontour.benchmark.methods.gradients import GradientShap, IntegratedGradients
from medcontour.benchmark.methods.smooth_mask import SmoothMask
from medcontour.errors import MedcontourError

__all__ = ["METHODS", "method_named"]

_MADE: dict[str, Callable[[int], Method]] = {
    "extremal-contour": lambda seed: ExtremalContour(seed=seed),
    "extremal-contour-paper": lambda seed: ExtremalContour("paper", seed=seed),
    "gradient-shap": lambda seed: GradientShap(seed=seed),
    "integrated-gradients": lambda seed: IntegratedGradients(seed=seed),
    "grad-cam++": lambda seed: GradCamPlusPlus(seed=seed),
    "smooth-mask": lambda seed: SmoothMask(seed=seed),
    "rise": lambda seed: Rise(seed=seed),
    "occlusion": lambda seed: Occlusion(seed=seed),
    "random": lambda seed: RandomContour(seed=seed),
}

METHODS: tuple[str, ...] = tuple(_MADE)
"""The names of the methods, in the order of the tables."""


def method_named(name: str, *, seed: int = 0) -> Method:
    """Make a method with the settings it has in the tables.

    Other settings: make the class itself (`Rise(masks=4000)`).

    Parameters
    ----------
    name
        One of `METHODS`.
    seed
        Of what the method draws at random; others do not depend on it.

    Raises
    ------
    MedcontourError
        For another name.

    Examples
    --------
    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.AvgPool2d(8), torch.nn.Flatten())
    >>> images = torch.zeros(1, 1, 32, 32)
    >>> images[..., 8:16, 16:24] = 1.0
    >>> found = method_named("rise", seed=1)(model, images, torch.tensor([6]))
    >>> found.maps.shape, found.evaluations
    (torch.Size([1, 1, 32, 32]), tensor([250.]))
    """
    if name not in _MADE:
        raise MedcontourError(f'There is no method "{name}"; choose from {", ".join(METHODS)}.')
    return _MADE[name](seed)
