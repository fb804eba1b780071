"""The score that a map explains, taken for changed images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import torch
from torch import Tensor

from medcontour.errors import MedcontourError

__all__ = ["Baseline", "Score", "check", "filled", "parts", "scores", "unchanged"]

Baseline = float | Tensor | Callable[[Tensor], Tensor]


class Score(Protocol):
    """What is explained: a number for each changed image, such as its class's probability."""

    def __call__(self, inputs: Tensor, which: Tensor, /) -> Tensor:
        """Score changed images.

        Parameters
        ----------
        inputs
            (N, C, *spatial).
        which
            (N,) int64: the image, by its place in the batch, that each was made of.

        Returns
        -------
        Tensor
            (N,).
        """
        ...


def parts(rows: Tensor, size: int) -> Iterator[Tensor]:
    """Give rows in parts of at most a size."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def unchanged(images: Tensor, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Give the images themselves in parts, each with its places in the batch."""
    for which in parts(torch.arange(len(images), device=images.device), batch):
        yield images[which], which


def scores(score: Score, changed: Iterator[tuple[Tensor, Tensor]]) -> Tensor:
    """Give the (M,) float64 scores of changed images that come in parts."""
    found = []
    with torch.no_grad():
        for inputs, which in changed:
            part = score(inputs, which)
            if part.shape != which.shape:
                raise MedcontourError(
                    f"the score of {len(which)} images has shape {tuple(part.shape)}; it must "
                    "give one number an image, (N,)."
                )
            found.append(part.double())
    together = torch.cat(found)
    if not together.isfinite().all():
        raise MedcontourError(
            "the score of a changed image is not a finite number; look for an overflow in the "
            "network (half precision?) or in the score."
        )
    return together


def filled(images: Tensor, baseline: Baseline) -> Tensor:
    """Give what stands where pixels are taken away, (B, C, *spatial)."""
    given = baseline(images) if callable(baseline) else baseline
    values = torch.as_tensor(given, dtype=images.dtype, device=images.device)
    try:
        return values.expand_as(images)
    except RuntimeError as error:
        raise MedcontourError(
            f"a baseline of shape {tuple(values.shape)} does not fit images of shape "
            f"{tuple(images.shape)}; give a number or what broadcasts to them."
        ) from error


def check(images: Tensor, maps: Tensor) -> None:
    """Refuse maps that are not one an image."""
    if images.ndim < 3 or maps.shape != (len(images), *images.shape[2:]):
        raise MedcontourError(
            f"images of shape {tuple(images.shape)} and maps of shape {tuple(maps.shape)} do not "
            "belong together; give (B, C, *spatial) and (B, *spatial)."
        )
