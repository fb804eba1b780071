"""Metrics of explanations: closed forms, laws, ties by counting all orders."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from metric_cases import (
    PLACE,
    RANKED,
    SPREAD,
    disc,
    every_metric,
    few_levels,
    laws,
    random_case,
    same,
    smooth_score,
)
from scipy.stats import spearmanr
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
from medcontour.errors import MedcontourError

# Closed forms


def test_a_disc_on_a_disc_off_center_has_the_areas_of_their_lens() -> None:
    shape, radius, apart = (160, 240), 50.0, 40.0
    maps = disc(shape, (80.0, 100.0), radius)[None].double()
    truth = disc(shape, (80.0, 100.0 + apart), radius)[None]
    angle = math.acos(apart / (2 * radius))
    lens = 2 * radius**2 * angle - apart * math.sqrt(radius**2 - apart**2 / 4)
    area, image = math.pi * radius**2, 160.0 * 240
    assert relevance_mass(maps, truth).item() == pytest.approx(lens / area, abs=0.005)
    assert pointing_game(maps, truth).item() == pytest.approx(lens / area, abs=0.005)
    assert best_iou(maps, truth).item() == pytest.approx(lens / (2 * area - lens), abs=0.005)
    assert relevance_rank(maps, truth).item() == pytest.approx(lens / area, abs=0.005)
    assert complexity(maps).item() == pytest.approx(math.log(area), abs=0.005)
    assert sparseness(maps).item() == pytest.approx(1 - area / image, abs=0.001)


def test_a_smaller_disc_fills_up_the_rank_from_the_even_rest() -> None:
    truth = disc((50, 80), (20.0, 30.0), 12.0)[None]
    maps = disc((50, 80), (20.0, 30.0), 6.0)[None].float()
    k, a, pixels = truth.sum().item(), maps.sum().item(), 4000
    expected = (a + (k - a) * (k - a) / (pixels - a)) / k
    assert relevance_rank(maps, truth).item() == pytest.approx(expected, abs=1e-12)
    assert best_iou(maps, truth).item() == pytest.approx(a / k, abs=1e-12)


def test_a_constant_map_has_the_level_of_chance() -> None:
    truth = disc((7, 11), (3.0, 4.0), 2.0)[None]
    share = truth.double().mean().item()
    maps = torch.full((1, 7, 11), 0.3)
    for metric in PLACE:
        assert metric(maps, truth).item() == pytest.approx(share, abs=1e-12)
    assert complexity(maps).item() == pytest.approx(math.log(77), abs=1e-12)
    assert sparseness(maps).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("value", [1e-300, 1.0, 1e300])
def test_one_pixel_is_as_compact_as_can_be(value: float) -> None:
    maps = torch.zeros(1, 5, 8, dtype=torch.float64)
    maps[0, 3, 2] = value
    truth = maps > 0
    for metric in PLACE:
        assert metric(maps, truth).item() == 1.0
    assert complexity(maps).item() == 0.0
    assert sparseness(maps).item() == pytest.approx(1 - 1 / 40, abs=1e-12)


def test_a_signed_map_is_clipped_for_mass_and_absolute_for_spread() -> None:
    maps = torch.tensor([[[3.0, -4.0], [1.0, 0.0]]])
    truth = torch.tensor([[[True, True], [False, False]]])
    assert relevance_mass(maps, truth).item() == 0.75
    assert same(complexity(maps), complexity(maps.abs()))
    assert same(sparseness(maps), sparseness(maps.abs()))
    assert relevance_rank(maps, truth).item() == 0.5
    assert pointing_game(-maps, truth).item() == 1.0


def test_what_cannot_be_judged_is_nan_and_leaves_the_others_alone() -> None:
    maps, truth = random_case(1)
    empty = truth.clone()
    empty[1] = False
    for metric in PLACE:
        values = metric(maps, empty)
        assert values.isnan().tolist() == [False, True, False, False]
        assert same(values[[0, 2, 3]], metric(maps, truth)[[0, 2, 3]])
    maps[2] = 0.0
    for spread in SPREAD:
        assert spread(maps).isnan().tolist() == [False, False, True, False]
    assert relevance_mass(maps - 9.0, truth).isnan().all()
    assert agreement(torch.stack([maps, maps])).isnan().tolist() == [False, False, True, False]
    assert overlap(torch.stack([maps, maps])).isnan().tolist() == [False, False, True, False]


# Ties


@laws
@given(few_levels)
def test_ties_are_the_mean_over_all_orders(case: tuple[Tensor, Tensor]) -> None:
    maps, truth = case
    rank, hit, best = relevance_rank(maps, truth), pointing_game(maps, truth), best_iou(maps, truth)
    for i in range(3):
        row, inside = maps[i].tolist(), truth[i].tolist()
        k = sum(inside)
        ranks, hits = [], []
        for order in permutations(range(6)):
            falling = sorted(order, key=lambda p: -row[p])  # stable: the order breaks the ties
            ranks.append(sum(inside[p] for p in falling[:k]) / k)
            hits.append(float(inside[falling[0]]))
        assert rank[i].item() == pytest.approx(np.mean(ranks), abs=1e-12)
        assert hit[i].item() == pytest.approx(np.mean(hits), abs=1e-12)
        ious = []
        for level in row:
            taken = [value >= level for value in row]
            both = sum(a and b for a, b in zip(taken, inside, strict=True))
            ious.append(both / sum(a or b for a, b in zip(taken, inside, strict=True)))
        assert best[i].item() == pytest.approx(max(ious), abs=1e-12)


# Laws


@pytest.mark.parametrize("metric", RANKED)
@laws
@given(few_levels)
def test_a_rising_function_changes_no_ranked_metric(
    metric: Callable[[Tensor, Tensor], Tensor], case: tuple[Tensor, Tensor]
) -> None:
    maps, truth = case
    assert same(metric(maps, truth), metric(maps.exp() - 7.0, truth))
    assert same(metric(maps, truth), metric(maps**3, truth))


@laws
@given(few_levels, st.permutations(range(6)), st.floats(1e-3, 1e3))
def test_places_may_be_shuffled_and_the_scale_changed(
    case: tuple[Tensor, Tensor], order: list[int], scale: float
) -> None:
    maps, truth = case
    for metric in PLACE:
        expected = metric(maps, truth)
        assert same(metric(maps[:, order], truth[:, order]), expected)
        assert same(metric(scale * maps, truth), expected)
        assert ((expected >= 0) & (expected <= 1) | expected.isnan()).all()
    for spread in SPREAD:
        assert same(spread(scale * maps[:, order]), spread(maps))


@laws
@given(few_levels)
def test_best_iou_is_at_least_chance_and_at_least_that_of_any_threshold(
    case: tuple[Tensor, Tensor],
) -> None:
    maps, truth = case
    assert (best_iou(maps, truth) >= truth.double().mean(1) - 1e-12).all()
    taken = maps >= 1.0
    iou = (taken & truth).sum(1) / (taken | truth).sum(1)
    assert (best_iou(maps, truth) >= iou * taken.any(1) - 1e-6).all()


@laws
@given(few_levels)
def test_a_metric_on_the_truth_itself_is_one(case: tuple[Tensor, Tensor]) -> None:
    truth = case[1]
    for metric in PLACE:
        assert same(metric(truth.double(), truth), torch.ones(3, dtype=torch.float64))


def test_agreement_is_spearmans_over_the_pairs_of_runs() -> None:
    generator = torch.Generator().manual_seed(5)
    runs = torch.randint(0, 4, (3, 4, 5, 7), generator=generator).double()
    for i, value in enumerate(agreement(runs).tolist()):
        rows = runs[:, i].flatten(1).numpy()
        pairs = [spearmanr(rows[a], rows[b]).statistic for a, b in ((0, 1), (0, 2), (1, 2))]
        assert value == pytest.approx(np.mean(pairs), abs=1e-12)
    assert same(agreement(torch.stack([runs[0], 3 * runs[0] - 9])), torch.ones(4).double())
    assert same(agreement(torch.stack([runs[0], -runs[0]])), -torch.ones(4).double())


def test_overlap_of_soft_discs_is_that_of_their_insides() -> None:
    axes = torch.meshgrid(torch.arange(60.0), torch.arange(90.0), indexing="ij")
    soft = torch.stack(
        [torch.sigmoid(2 * (15 - torch.hypot(axes[0] - 30, axes[1] - x))) for x in (40.0, 46.0)]
    )
    a, b = (disc((60, 90), (30.0, x), 15.0) for x in (40.0, 46.0))
    expected = (a & b).sum() / (a | b).sum()
    assert overlap(soft[:, None]).item() == pytest.approx(expected.item(), abs=1e-6)


def test_three_dimensions_are_the_same_flattened_to_two_or_one() -> None:
    maps, truth = random_case(2, (3, 4, 5, 6))
    images = torch.rand(3, 2, 4, 5, 6, dtype=torch.float64)
    solid = every_metric(images, maps, truth)
    for spatial in ((20, 6), (120,)):
        shape = (3, *spatial)
        # The rolled run is another in each shape: those two are compared below.
        flattened = every_metric(
            images.reshape(3, 2, *spatial), maps.reshape(shape), truth.reshape(shape)
        )
        apart = torch.ones(len(solid), dtype=torch.bool)
        apart[6:8] = False
        assert same(flattened[apart], solid[apart])
    runs = torch.stack([maps, maps.sin(), maps.roll(1, 1)])
    assert same(agreement(runs), agreement(runs.flatten(2)))
    assert same(overlap(runs), overlap(runs.flatten(2)))


def test_a_batch_is_its_images_one_by_one() -> None:
    maps, truth = random_case(3)
    maps[1] = maps[1].round()
    images = torch.rand(4, 2, 9, 6, dtype=torch.float64)
    together = every_metric(images, maps, truth, seed=40)
    for i in range(4):

        def of_one(inputs: Tensor, which: Tensor, i: int = i) -> Tensor:
            return smooth_score(inputs, which + i)

        one, places = maps[i : i + 1], truth[i : i + 1]
        alone = [metric(one, places) for metric in PLACE] + [spread(one) for spread in SPREAD]
        runs = torch.stack([one, one.sin(), one.roll(1, 1)])
        alone += [agreement(runs), overlap(runs)]
        alone += [f(of_one, images[i : i + 1], one, steps=7) for f in (insertion_auc, deletion_auc)]
        alone += [
            faithfulness_correlation(
                of_one, images[i : i + 1], one, runs=12, subset_size=9, seed=40 + i
            )
        ]
        assert same(torch.stack(alone).squeeze(1), together[:, i])


@pytest.mark.parametrize("batch", [1, 5, 1000])
def test_parts_scored_at_once_change_nothing(batch: int) -> None:
    maps, _ = random_case(4)
    images = torch.rand(4, 2, 9, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for metric in (insertion_auc, deletion_auc, faithfulness_correlation):
        more = {"subset_size": 20} if metric is faithfulness_correlation else {}
        assert same(
            metric(smooth_score, images, maps, batch=batch, **more),
            metric(smooth_score, images, maps, **more),
        )


# What a user can get wrong


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m, t, x: relevance_rank(m, t[:, :4]), "do not belong together"),
        (lambda m, t, x: complexity(m[:, 0, 0]), "cannot be judged"),
        (lambda m, t, x: sparseness(m / 0.0), "not finite"),
        (lambda m, t, x: agreement(m[None]), "at least two runs"),
        (lambda m, t, x: insertion_auc(smooth_score, x, m, steps=0), "steps"),
        (lambda m, t, x: deletion_auc(smooth_score, x, x), "do not belong together"),
        (lambda m, t, x: deletion_auc(smooth_score, x, m, baseline=x[..., :3]), "baseline"),
        (lambda m, t, x: deletion_auc(lambda i, w: i.mean((2, 3)), x, m), "one number an image"),
        (lambda m, t, x: deletion_auc(lambda i, w: i.mean((1, 2, 3)).log(), x, m), "overflow"),
        (lambda m, t, x: faithfulness_correlation(smooth_score, x, m), "subset_size"),
        (lambda m, t, x: faithfulness_correlation(smooth_score, x, m, runs=1), "runs"),
    ],
)
def test_a_mistake_is_one_plain_sentence(
    call: Callable[[Tensor, Tensor, Tensor], Tensor], words: str
) -> None:
    maps, truth = random_case(11)
    images = torch.rand(4, 2, 9, 6)
    with pytest.raises(MedcontourError, match=words):
        call(maps, truth, images)
