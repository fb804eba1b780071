"""What an explanation method is, and the care that is taken of the network it explains."""

from __future__ import annotations

import importlib
import math
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from medcontour.errors import MedcontourError
from medcontour.frozen import frozen

__all__ = ["BACKWARD", "FORWARD", "Attribution", "Explainer", "Method", "attribution", "held"]

FORWARD = 0.25
"""Evaluations that one image through the network costs, forward only."""

BACKWARD = 0.5
"""Evaluations that one image costs, forward and backward: half of a preserve and delete pair."""


@dataclass(frozen=True)
class Attribution:
    """Maps of a batch, and what they cost.

    Attributes
    ----------
    maps
        (B, 1, H, W) float32, or (B, 1, D, H, W) of volumes: higher speaks more for the class.
        They may be negative where the method is signed.
    evaluations
        (B,) float: passes of the network in units of one preserve and delete pair of one image,
        forward and backward. NaN: not known.
    """

    maps: Tensor
    evaluations: Tensor


Explainer = Callable[[nn.Module, Tensor, Tensor], "Attribution | Tensor"]
"""From a network, images (B, C, ...) and their classes (B,) to maps: what can be compared."""


class Method(ABC):
    """An explanation method by name: a callable that leaves the network as it came.

    Modes, ``requires_grad``, gradients, hooks and the random states of torch, numpy and Python
    are what they were before the call.

    Attributes
    ----------
    name
        As the tables call it.
    draws_contour
        Whether its maps are masks of a contour, at least one half inside; others have a peak.
    together
        How many images it best takes at once. More than 1 where one image alone leaves the
        machine idle, and an image's map does not hang on the others.
    """

    name: str
    draws_contour = False
    together = 1

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> Attribution:
        """Explain one class of each image.

        Parameters
        ----------
        model
            (B, C, H, W) to (B, classes) logits.
        images
            (B, C, H, W), as the network takes them, on its device. Not changed.
        targets
            (B,) int64 classes.

        Raises
        ------
        MedcontourError
            For images or targets of another shape, or a package that is not installed.
        """
        if images.ndim not in self.dimensions or not len(images):
            shapes = " or ".join(
                "(B, C, H, W)" if n == 4 else "(B, C, D, H, W)" for n in self.dimensions
            )
            raise MedcontourError(
                f'"{self.name}" does not take images of shape {tuple(images.shape)}; '
                f"give a batch {shapes}."
            )
        if targets.shape != images.shape[:1]:
            raise MedcontourError(
                f"{len(images)} images have targets of shape {tuple(targets.shape)}; "
                "give one class an image."
            )
        with held(model, images):
            own = images.detach().clone()
            return self._explain(model, own, targets.detach().to(images.device))

    @property
    def dimensions(self) -> tuple[int, ...]:
        """How many axes the images may have, batch and channels among them."""
        return (4,)

    @abstractmethod
    def _explain(self, model: nn.Module, images: Tensor, targets: Tensor) -> Attribution:
        """Explain a copy of the images; the network is held by the caller."""


@dataclass(frozen=True)
class LayerMethod(Method):
    """A method that reads what one layer gives, of images and of volumes.

    Attributes
    ----------
    layer
        Name of the module whose output is read; None chooses it (see `feature_layer`).
    seed
        Changes nothing.
    """

    layer: str | None = None
    seed: int = 0

    @property
    def dimensions(self) -> tuple[int, ...]:
        """Images and volumes."""
        return (4, 5)


def attribution(
    method: Explainer, model: nn.Module, images: Tensor, targets: Tensor
) -> Attribution:
    """Run any method, one of ours or a function of your own that gives a tensor of maps.

    Parameters
    ----------
    method
        Called with the network, the images and the targets. Maps of (B, H, W), and of several
        channels (summed, with their signs), are taken as well as (B, 1, H, W).
    model, images, targets
        As a `Method` takes them.

    Raises
    ------
    MedcontourError
        When the maps do not fit the images.

    Examples
    --------
    >>> images = torch.rand(2, 3, 8, 8)
    >>> found = attribution(lambda model, x, targets: x, nn.Identity(), images, torch.zeros(2))
    >>> found.maps.shape, found.evaluations
    (torch.Size([2, 1, 8, 8]), tensor([nan, nan]))
    """
    with held(model, images):
        given = method(model, images, targets)
    if isinstance(given, Attribution):
        maps, evaluations = given.maps, given.evaluations
    else:
        maps, evaluations = given, torch.full((len(images),), math.nan)
    if maps.ndim == images.ndim - 1:
        maps = maps.unsqueeze(1)
    if maps.ndim != images.ndim or (len(maps), *maps.shape[2:]) != (len(images), *images.shape[2:]):
        raise MedcontourError(
            f"The method gave maps of shape {tuple(maps.shape)} for images of shape "
            f"{tuple(images.shape)}; one value a pixel is wanted, (B, 1, H, W)."
        )
    return Attribution(maps.detach().sum(1, keepdim=True).float(), evaluations)


@contextmanager
def held(model: nn.Module, images: Tensor) -> Iterator[None]:
    """Hold a network still, gradients of inputs on, and restore it and all random states."""
    devices = [images.device] if images.device.type == "cuda" else []
    hooks = [
        (module, {name: dict(module.__dict__[name]) for name in _HOOKS})
        for module in model.modules()
    ]
    state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002 (captum draws there)
    try:
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            torch.random.fork_rng(devices),
            frozen(model),
        ):
            yield
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)  # noqa: NPY002
        for module, before in hooks:
            for name, kept in before.items():
                own = module.__dict__[name]
                for key in [key for key in own if key not in kept]:
                    del own[key]


_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def seed_all(seed: int) -> None:
    """Seed what the libraries draw from, inside `held`."""
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (captum draws there)


def needed(module: str, package: str, method: str) -> Any:
    """Import an optional package.

    Raises
    ------
    MedcontourError
        When it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MedcontourError(
            f'The method "{method}" needs {package}, which is not installed; '
            'run: pip install "medcontour[benchmark]".'
        ) from error


def target_scores(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """(B,) logits of the targets."""
    logits: Tensor = model(images).reshape(len(images), -1)
    return logits.gather(1, targets.view(-1, 1)).squeeze(1)
