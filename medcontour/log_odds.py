"""From what a network gives to log-odds: the one place where this is done.

A *logit* is a network's raw output for a class. The *log-odds* of a class are those of the class
against all the rest, ``log(p / (1 - p))``: its probability is their sigmoid. A single logit under
a sigmoid is its own log-odds; a logit under a softmax is not, since the others count as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

__all__ = ["Outputs", "log_odds", "recognise"]

Outputs = Literal["softmax", "sigmoid", "probabilities"]
"""What a network gives: logits of classes that exclude each other, logits of classes that do not
(or of a single one), or probabilities of either kind."""

_TOLERANCE = 1e-3  # half precision rounds probabilities to about 5e-4
_SPREAD = 0.2
_BOUNDING = ("Softmax", "Sigmoid", "Hardsigmoid")
_LAYERS = ("Convolution", "Addmm", "Mm", "Bmm", "Linear", "AccumulateGrad", "NativeLayerNorm")


def log_odds(outputs: Tensor, kind: Outputs) -> Tensor:
    """Give the log-odds of each class against the rest.

    Of a softmax ``z_t - logsumexp(z_others)``, which keeps a gradient where the probability
    saturates; logits under a sigmoid are log-odds themselves; of probabilities
    ``log(p / (1 - p))``, where rows sum to 1 by way of the other classes' share, which is exact
    where p is near 1.

    Parameters
    ----------
    outputs
        (B, classes), as the network gives them.
    kind
        What they are.

    Returns
    -------
    Tensor
        (B, classes); the probabilities are ``log_odds(...).sigmoid()``.

    Examples
    --------
    >>> log_odds(torch.tensor([[0.0, 0.0, 0.0, 0.0]]), "softmax").sigmoid()
    tensor([[0.2500, 0.2500, 0.2500, 0.2500]])
    >>> log_odds(torch.tensor([[0.2500, 0.7500]]), "probabilities")
    tensor([[-1.0986,  1.0986]])
    """
    if kind == "sigmoid":
        return outputs
    if kind == "softmax":
        return _of_softmax(outputs)
    if _exclusive(outputs):  # the logarithms of such probabilities are logits of theirs
        return _of_softmax(outputs.clamp_min(torch.finfo(outputs.dtype).tiny).log())
    return torch.logit(outputs, eps=torch.finfo(outputs.dtype).eps)


def recognise(network: Callable[[Tensor], Tensor], images: Sequence[Tensor]) -> bool:
    """Say whether a network gives probabilities, by what it gives for very different images.

    All outputs must lie in 0..1, and each row sum to 1, or come from a sigmoid or softmax that no
    layer follows; of a single class for which that cannot be told, they must spread over 0..1.

    Parameters
    ----------
    network
        (B, C, H, W) to (B, classes).
    images
        Batches (B, C, H, W) that drive a network without such an end out of 0..1.

    Examples
    --------
    >>> images = [torch.randn(4, 3, 1, 1), 100 * torch.randn(4, 3, 1, 1)]
    >>> recognise(lambda x: x.flatten(1), images)
    False
    >>> recognise(lambda x: x.flatten(1).softmax(1), images)
    True
    """
    with torch.inference_mode(False), torch.enable_grad():
        found = [_alone(network(batch.detach().clone().requires_grad_())) for batch in images]
    values = torch.cat([outputs for outputs, _ in found])
    values = values[values.isfinite().all(1)]  # what overflows for such images says nothing
    if not len(values) or float(values.min()) < -1e-6 or float(values.max()) > 1 + 1e-6:
        return False
    if _exclusive(values) or any(bounded for _, bounded in found):
        return True
    spread = float(values.max() - values.min())
    return values.shape[1] == 1 and spread > _SPREAD


def _exclusive(probabilities: Tensor) -> bool:
    """Whether there are several columns whose rows sum to 1."""
    sums = probabilities.detach().float().sum(1)
    return probabilities.shape[1] > 1 and bool(((sums - 1).abs() < _TOLERANCE).all())


def _of_softmax(logits: Tensor) -> Tensor:
    """Log-odds of each class under a softmax, without cancellation near 0 and 1.

    ``log(1 - p)`` cancels only where p is near 1, that is, for the largest logit: there the
    others are summed without it.
    """
    top = torch.zeros_like(logits, dtype=torch.bool).scatter(
        1, logits.argmax(1, keepdim=True), True
    )
    total = logits.logsumexp(1, keepdim=True)
    probability = (logits - total).exp().masked_fill(top, 0)
    others = total + torch.log1p(-probability)
    others_of_top = logits.masked_fill(top, -torch.inf).logsumexp(1, keepdim=True)
    return logits - torch.where(top, others_of_top, others)


def _alone(outputs: Tensor) -> tuple[Tensor, bool]:
    """Outputs without their graph, of which memory may hold one at a time, and `_is_bounded`."""
    return outputs.detach().float(), _is_bounded(outputs)


def _is_bounded(outputs: Tensor) -> bool:
    """Whether the outputs come from a sigmoid or softmax, with no layer in between."""
    waiting: list[Any] = [outputs.grad_fn]
    seen: set[Any] = set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        name = node.name()
        if name.startswith(_BOUNDING):
            return True
        if not name.startswith(_LAYERS) and "AccumulateGrad" not in name:
            waiting.extend(parent for parent, _ in node.next_functions)
    return False
