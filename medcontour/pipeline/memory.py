"""How many images may go through a classifier at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

from medcontour.classifier import Classifier
from medcontour.limits import memory_limit

__all__ = ["at_most", "images_at_once"]

DEVICE_SHARE = 0.5
"""Of what is free on an accelerator."""

_MOST: ContextVar[int | None] = ContextVar("_MOST", default=None)


@contextmanager
def at_most(images: int | None) -> Iterator[None]:
    """Put no more images through a classifier at once than so many, whatever memory there is.

    Parameters
    ----------
    images
        None leaves it to memory.
    """
    before = _MOST.set(images)
    try:
        yield
    finally:
        _MOST.reset(before)


def images_at_once(classifier: Classifier, image: Tensor) -> int:
    """Count the images that fit into memory while their gradients are worked out, at least one.

    One image is run, and what the network keeps of it for its gradients is added up: the same on
    every machine. A processor's budget is `medcontour.limits.memory_limit`, an accelerator's half
    of what is free on it.

    Parameters
    ----------
    classifier
        The classifier.
    image
        (channels, height, width), as the network takes it.
    """
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        # Without its graph: a graph that keeps what is of itself is never freed.
        alone = tensor.detach()
        kept[alone.untyped_storage().data_ptr()] = alone
        return alone

    most = _MOST.get()
    if most == 1:  # nothing to work out, and it may be that not even this fits
        return 1
    one = image[None].detach().clone().requires_grad_(True)
    with torch.no_grad():
        classifier.score(one)  # what it finds out about its network at first is no image's cost
    with (
        torch.enable_grad(),
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
    ):
        classifier.score(one)
    each = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    device = next((tensor.device for tensor in kept.values() if tensor.is_cuda), image.device)
    if device.type == "cuda":
        budget = DEVICE_SHARE * torch.cuda.mem_get_info(device)[0]
    else:
        budget = memory_limit()
    fit = max(1, int(budget // max(each, 1)))
    return fit if most is None else min(fit, most)
