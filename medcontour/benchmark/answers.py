"""What a network's outputs mean."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

__all__ = ["Answers", "probabilities"]

Answers = Literal["softmax", "sigmoid", "probabilities", "embedding"]


def probabilities(outputs: Tensor, answers: Answers) -> Tensor:
    """Probabilities of the classes; an embedding, which has none, as it is.

    Parameters
    ----------
    outputs
        (B, classes) or (B, features).
    answers
        See `Model.answers`.

    Examples
    --------
    >>> import torch
    >>> probabilities(torch.zeros(1, 4), "softmax"), probabilities(torch.zeros(1, 1), "sigmoid")
    (tensor([[0.2500, 0.2500, 0.2500, 0.2500]]), tensor([[0.5000]]))
    """
    if answers == "softmax":
        return outputs.softmax(1)
    return outputs.sigmoid() if answers == "sigmoid" else outputs
