"""Metrics against Quantus, where its definition has no tie or sign problem."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator
from types import ModuleType

import numpy as np
import pytest
import torch
from metric_cases import disc, random_case, same
from torch import Tensor

from medcontour.benchmark.metrics import (
    complexity,
    pointing_game,
    relevance_mass,
    relevance_rank,
    sparseness,
)
from medcontour.benchmark.metrics.faithful import correlation_over_subsets

QUANTUS_CASES = 200


@pytest.fixture(scope="module")
def quantus() -> Iterator[ModuleType]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield importlib.import_module("quantus")


def judged(metric: Callable[..., object], maps: Tensor, truth: Tensor) -> Tensor:
    """What a Quantus metric says of maps that are given as they are."""
    found = metric(
        model=None,
        x_batch=np.zeros((len(maps), 1, *maps.shape[1:])),
        y_batch=np.zeros(len(maps), dtype=int),
        a_batch=maps[:, None].numpy().copy(),
        s_batch=truth[:, None].numpy().copy(),
    )
    return torch.from_numpy(np.asarray(found, dtype=np.float64))


PLAIN = {"abs": False, "normalise": False, "disable_warnings": True, "display_progressbar": False}


@pytest.mark.quantus
@pytest.mark.parametrize(
    ("ours", "theirs", "prepare"),
    [
        (relevance_rank, "RelevanceRankAccuracy", torch.Tensor.clone),
        (pointing_game, "PointingGame", torch.Tensor.clone),
        (relevance_mass, "RelevanceMassAccuracy", torch.Tensor.abs),
    ],
)
def test_place_is_quantus_without_ties_and_signs(
    quantus: ModuleType,
    ours: Callable[[Tensor, Tensor], Tensor],
    theirs: str,
    prepare: Callable[[Tensor], Tensor],
) -> None:
    maps, truth = random_case(20, (QUANTUS_CASES, 12, 17))
    maps = prepare(maps)
    found = judged(getattr(quantus, theirs)(**PLAIN), maps, truth)
    assert found.isfinite().all()
    assert same(ours(maps, truth), found, 1e-6)


@pytest.mark.quantus
def test_spread_is_quantus_on_absolute_values(quantus: ModuleType) -> None:
    maps, truth = random_case(21, (QUANTUS_CASES, 12, 17))
    absolute = {**PLAIN, "abs": True}
    assert same(complexity(maps), judged(quantus.Complexity(**absolute), maps, truth), 1e-6)
    theirs = judged(quantus.Sparseness(**absolute), maps, truth)
    assert same(sparseness(maps), theirs, 1e-6)
    # Of small values its 1e-7 on each is felt; the closed form of that is exact.
    faint = 1e-6 * maps
    theirs = judged(quantus.Sparseness(**absolute), faint, truth)
    assert not same(sparseness(faint), theirs, 1e-3)
    assert same(sparseness(faint), theirs * (1 + 1e-7 / faint.abs().mean((1, 2))))


@pytest.mark.quantus
def test_where_quantus_depends_on_a_sort_or_favours_ties_we_differ(quantus: ModuleType) -> None:
    # A binary map, as a contour is: 10 of 20 pixels, the truth has 5, of which 4 in the map.
    maps = torch.zeros(1, 4, 5, dtype=torch.float64)
    maps[:, :2] = 1.0
    truth = disc((4, 5), (1.0, 1.0), 1.0)[None]
    assert judged(quantus.PointingGame(**PLAIN), maps, truth).item() == 1.0
    assert pointing_game(maps, truth).item() == 0.4
    turned = maps.flip(1, 2), truth.flip(1, 2)
    metric = quantus.RelevanceRankAccuracy(**PLAIN)
    assert judged(metric, maps, truth).item() != judged(metric, *turned).item()
    assert relevance_rank(maps, truth).item() == relevance_rank(*turned).item() == 0.4


class Double(torch.nn.Module):
    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, inputs: Tensor) -> Tensor:
        return self.inner(inputs.double())


@pytest.mark.quantus
def test_faithfulness_is_quantus_over_the_same_subsets(quantus: ModuleType) -> None:
    count, runs, size = QUANTUS_CASES, 10, 15
    generator = torch.Generator().manual_seed(22)
    images = torch.rand(count, 2, 6, 7, generator=generator)
    maps = torch.randn(count, 6, 7, generator=generator)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3), torch.nn.Tanh(), torch.nn.Flatten(), torch.nn.Linear(80, 3)
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 3)
    # In float64: Quantus hands its inputs on in float32.
    model = Double(model.double()).eval()
    classes = torch.randint(0, 3, (count,), generator=generator)
    drawn = []

    def recording(arr: np.ndarray, indices: np.ndarray, **asked: object) -> np.ndarray:
        drawn.append(indices)
        replace = quantus.functions.perturb_func.batch_baseline_replacement_by_indices
        return np.asarray(replace(arr=arr, indices=indices, **asked))

    metric = quantus.FaithfulnessCorrelation(
        nr_runs=runs,
        subset_size=size,
        perturb_func=recording,
        perturb_baseline="black",
        return_aggregate=False,
        **PLAIN,
    )
    theirs = metric(
        model=model,
        x_batch=images.double().numpy(),
        y_batch=classes.numpy(),
        a_batch=maps[:, None].double().numpy(),
        batch_size=count,
        softmax=True,
    )
    assert len(drawn) == runs

    def score(inputs: Tensor, which: Tensor) -> Tensor:
        return model(inputs).softmax(1).gather(1, classes[which, None]).squeeze(1)

    ours = correlation_over_subsets(
        score,
        images.double(),
        maps,
        torch.from_numpy(np.stack(drawn, 1)),
        baseline=images.double().amin((1, 2, 3), keepdim=True),
    )
    assert ours.isfinite().all()
    assert same(ours, torch.tensor(theirs, dtype=torch.float64), 1e-6)
