"""How many images may go through a classifier at once."""

from __future__ import annotations

import torch
from torch import Tensor

from medcontour.classifier import Classifier
from medcontour.limits import memory_limit

__all__ = ["images_at_once"]

DEVICE_SHARE = 0.5
"""Of what is free on an accelerator."""


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
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

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
    return max(1, int(budget // max(each, 1)))
