"""Metrics that ask the network: faithfulness and curves, in closed form."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_cases import disc, few_levels, linear, random_case, same, smooth_score
from scipy.integrate import trapezoid
from torch import Tensor

from medcontour.benchmark.metrics import (
    deletion_auc,
    faithfulness_correlation,
    insertion_auc,
)
from medcontour.explain import BACKGROUNDS


@settings(max_examples=30, deadline=None)
@given(few_levels, st.integers(0, 2**31))
def test_curves_of_a_linear_score_are_the_mean_over_all_orders(
    case: tuple[Tensor, Tensor], seed: int
) -> None:
    maps = case[0][:1]
    generator = torch.Generator().manual_seed(seed)
    weights, image, base = torch.randn(3, 1, 2, 6, generator=generator, dtype=torch.float64)
    gain = (weights * (image - base)).sum((0, 1)).numpy()
    start = (weights * base).sum().item()
    areas = []
    for order in permutations(range(6)):
        falling = sorted(order, key=lambda p: -maps[0, p].item())
        curve = start + np.concatenate([[0.0], np.cumsum(gain[falling])])
        areas.append(trapezoid(curve, dx=1 / 6))

    def score(inputs: Tensor, which: Tensor) -> Tensor:
        return (weights * inputs).sum((1, 2))

    inserted = insertion_auc(score, image, maps, steps=6, baseline=base)
    deleted = deletion_auc(score, image, maps, steps=6, baseline=base)
    assert inserted.item() == pytest.approx(np.mean(areas), abs=1e-9)
    # What the one curve gains the other loses.
    assert deleted.item() == pytest.approx(2 * start + gain.sum() - np.mean(areas), abs=1e-9)


def test_the_map_of_a_linear_model_is_wholly_faithful_and_its_negative_wholly_not() -> None:
    generator = torch.Generator().manual_seed(7)
    weights = torch.randn(1, 8, 9, generator=generator, dtype=torch.float64)
    images, base = torch.randn(2, 3, 1, 8, 9, generator=generator, dtype=torch.float64)
    maps = (weights * (images - base)).squeeze(1)
    for sign in (1, -1):
        value = faithfulness_correlation(
            linear(weights), images, sign * maps, subset_size=20, baseline=base
        )
        assert same(value, torch.full((3,), float(sign), dtype=torch.float64))


@pytest.mark.parametrize(("runs", "deviation"), [(10, 1 / 3), (100, 1 / math.sqrt(99))])
def test_a_map_without_relation_has_the_spread_that_so_many_runs_give(
    runs: int, deviation: float
) -> None:
    generator = torch.Generator().manual_seed(8)
    maps = torch.randn(300, 20, 20, generator=generator, dtype=torch.float64)
    images = torch.randn(300, 1, 20, 20, generator=generator, dtype=torch.float64)
    weights = torch.randn(1, 20, 20, generator=generator, dtype=torch.float64)
    found = faithfulness_correlation(
        linear(weights), images, maps, runs=runs, subset_size=40, batch=1024
    )
    # 300 values: the mean within 4, the deviation within 5 of its own standard errors.
    assert abs(found.mean().item()) < 4 * deviation / math.sqrt(300)
    assert found.std().item() == pytest.approx(deviation, rel=5 / math.sqrt(600))


def test_a_seed_is_a_seed_and_a_constant_map_has_no_correlation() -> None:
    maps, _ = random_case(9)
    images = torch.rand(4, 2, 9, 6, dtype=torch.float64)
    maps[1] = 0.1
    asked = {"runs": 10, "subset_size": 20}
    first = faithfulness_correlation(smooth_score, images, maps, seed=3, **asked)
    assert torch.equal(
        first.nan_to_num(9),
        faithfulness_correlation(smooth_score, images, maps, seed=3, **asked).nan_to_num(9),
    )
    other = faithfulness_correlation(smooth_score, images, maps, seed=4, **asked)
    assert (first != other)[[0, 2, 3]].all()
    assert first.isnan().tolist() == other.isnan().tolist() == [False, True, False, False]


def test_curves_of_a_linear_score_in_closed_form() -> None:
    # One channel weighs w in the disc and nothing outside; the map is the disc.
    inside = disc((40, 50), (15.0, 20.0), 9.0)
    weights = inside.double()[None]
    total, share = weights.sum().item(), inside.double().mean().item()
    images, maps = torch.ones(1, 1, 40, 50, dtype=torch.float64), inside[None].double()
    found = deletion_auc(linear(weights), images, maps)
    assert found.item() == pytest.approx(total * share / 2, abs=1e-9)
    found = insertion_auc(linear(weights), images, maps)
    assert found.item() == pytest.approx(total * (1 - share / 2), abs=1e-9)
    # Distinct weights, every pixel a step: the heaviest first, and the lightest first.
    weights = torch.arange(1.0, 31.0, dtype=torch.float64).view(1, 5, 6)
    ones = torch.ones(1, 1, 5, 6, dtype=torch.float64)
    heaviest = np.concatenate([[0.0], np.cumsum(np.arange(30.0, 0.0, -1.0))])
    lightest = np.concatenate([[0.0], np.cumsum(np.arange(1.0, 31.0))])
    found = insertion_auc(linear(weights), ones, weights, steps=30)
    assert found.item() == pytest.approx(trapezoid(heaviest, dx=1 / 30))
    found = deletion_auc(linear(weights), ones, -weights, steps=30)
    assert found.item() == pytest.approx(trapezoid(465 - lightest, dx=1 / 30))


def test_a_binary_map_costs_three_scores_and_a_map_without_ties_one_a_step() -> None:
    asked: list[int] = []

    def counting(inputs: Tensor, which: Tensor) -> Tensor:
        asked.append(len(inputs))
        return smooth_score(inputs, which)

    images = torch.rand(1, 1, 20, 20, dtype=torch.float64)
    deletion_auc(counting, images, disc((20, 20), (8.0, 9.0), 4.0)[None].double())
    assert sum(asked) == 3
    asked.clear()
    deletion_auc(counting, images, random_case(0, (1, 20, 20))[0], steps=16)
    assert sum(asked) == 17


def test_insertion_from_a_blur_starts_at_its_score_and_ends_at_the_images() -> None:
    images = torch.rand(2, 3, 24, 30, generator=torch.Generator().manual_seed(1))
    maps, _ = random_case(6, (2, 24, 30))
    which = torch.arange(2)
    ends = (smooth_score(BACKGROUNDS["blur"](images), which) + smooth_score(images, which)) / 2
    found = insertion_auc(smooth_score, images, maps, steps=1, baseline=BACKGROUNDS["blur"])
    assert same(found, ends.double(), 1e-6)
