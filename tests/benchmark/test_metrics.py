"""Metrics of explanations: closed forms, laws, ties by counting all orders, Quantus as judge."""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Callable, Iterator
from itertools import permutations
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.integrate import trapezoid
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
from medcontour.benchmark.metrics_faithful import correlation_over_subsets
from medcontour.errors import MedcontourError
from medcontour.explain import BACKGROUNDS

PLACE = [relevance_rank, relevance_mass, pointing_game, best_iou]
RANKED = [relevance_rank, pointing_game, best_iou]
SPREAD = [complexity, sparseness]
QUANTUS_CASES = 200


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


# Shapes


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


# Faithfulness


def linear(weights: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda inputs, which: (weights * inputs).flatten(1).sum(1)


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


# Quantus


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
