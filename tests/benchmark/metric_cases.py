"""Maps, truths and scores that the metrics are tried on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

from medcontour.benchmark.metrics import (
    agreement,
    best_iou,
    complexity,
    deletion_auc,
    faithfulness_correlation,
    insertion_auc,
    overlap,
    pointing_game,
    relevance_mass,
    relevance_rank,
    sparseness,
)

PLACE = [relevance_rank, relevance_mass, pointing_game, best_iou]


RANKED = [relevance_rank, pointing_game, best_iou]


SPREAD = [complexity, sparseness]


def same(a: Tensor, b: Tensor, tolerance: float = 1e-9) -> bool:
    return torch.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True)


def disc(shape: tuple[int, ...], center: tuple[float, ...], radius: float) -> Tensor:
    axes = torch.meshgrid(*(torch.arange(n).double() for n in shape), indexing="ij")
    square = sum((axis - c) ** 2 for axis, c in zip(axes, center, strict=True))
    return torch.as_tensor(square).sqrt() <= radius


def random_case(seed: int, shape: tuple[int, ...] = (4, 9, 6)) -> tuple[Tensor, Tensor]:
    """Signed maps without ties, and truths that are not empty."""
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(shape, generator=generator, dtype=torch.float64)
    truth = torch.rand(shape, generator=generator) < 0.3
    truth.flatten(1)[:, 0] = True
    return maps, truth


# Maps of a few levels have ties of every kind; the truths hold something.
few_levels = st.tuples(
    arrays(np.float64, (3, 6), elements=st.sampled_from([-2.0, -0.5, 0.0, 1.0, 3.0])),
    arrays(np.bool_, (3, 6)),
).map(
    lambda drawn: (
        torch.from_numpy(drawn[0]),
        torch.from_numpy(drawn[1]).index_fill(1, torch.tensor([2]), True),
    )
)


laws = settings(max_examples=60, deadline=None)


def smooth_score(inputs: Tensor, which: Tensor) -> Tensor:
    """A score that bends, and that knows which image it judges."""
    weights = torch.linspace(-1, 1, inputs[0].numel(), dtype=inputs.dtype)
    return torch.tanh((inputs.flatten(1) * weights).mean(1) * (3 + which))


def every_metric(images: Tensor, maps: Tensor, truth: Tensor, seed: int = 0) -> Tensor:
    runs = torch.stack([maps, maps.sin(), maps.roll(1, 1)])
    values = [metric(maps, truth) for metric in PLACE]
    values += [spread(maps) for spread in SPREAD]
    values += [agreement(runs), overlap(runs)]
    values += [
        curve(smooth_score, images, maps, steps=7) for curve in (insertion_auc, deletion_auc)
    ]
    values += [
        faithfulness_correlation(smooth_score, images, maps, runs=12, subset_size=9, seed=seed)
    ]
    return torch.stack(values)


def linear(weights: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda inputs, which: (weights * inputs).flatten(1).sum(1)
