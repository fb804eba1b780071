"""The placement test and the altered views that it is made in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from planted_images import Planted
from scipy import ndimage
from torch import Tensor

from medcontour.contour import FourierContour
from medcontour.explain import (
    AlteredViews,
    EmbeddingObjective,
    Perturbation,
    PlacementTest,
    TargetObjective,
    placement_test,
    views_of_class,
)
from medcontour.explain.analysis.placement import placed_at_random
from medcontour.explain.analysis.views import UNMIRRORED, VIEWS, View

PLANE = torch.rand(48, 64, generator=torch.Generator().manual_seed(2))


def seen(view: View, plane: Tensor, points: Tensor) -> np.ndarray:
    grid = view.grid(points)[None]
    return torch.nn.functional.grid_sample(
        plane[None, None], grid, padding_mode="border", align_corners=False
    )[0, 0].numpy()


def by_scipy(view: View, plane: np.ndarray) -> np.ndarray:
    """Zoom about the middle, mirror left for right, then move."""
    middle = (np.array(plane.shape) - 1) / 2
    zoomed = ndimage.affine_transform(
        plane, np.eye(2) / view.zoom, middle - middle / view.zoom, order=1, mode="nearest"
    )
    mirrored = zoomed[:, ::-1] if view.mirrored else zoomed
    return ndimage.shift(mirrored, view.shift[::-1], order=1, mode="nearest")


@pytest.mark.parametrize("view", dict.fromkeys((*VIEWS, *UNMIRRORED)), ids=str)
@pytest.mark.parametrize("turn", ["as shown", "transposed", "upside down"])
def test_a_view_is_of_the_plane_however_the_network_has_it(view: View, turn: str) -> None:
    points = Perturbation.of_images(PLANE[None, None], PLANE[None, None]).points
    expected = by_scipy(view, PLANE.numpy())
    if turn == "transposed":
        given = seen(view, PLANE.T.contiguous(), points.transpose(0, 1)).T
    elif turn == "upside down":
        view = View(view.mirrored, (view.shift[0], -view.shift[1]), view.zoom)
        given = seen(view, PLANE.flip(0), points.flip(0))[::-1]
    else:
        given = seen(view, PLANE, points)
    assert np.abs(given - expected).max() < 1e-4


def test_a_shift_leaves_most_of_a_small_input_in_sight() -> None:
    plane = torch.rand(16, 16)
    points = Perturbation.of_images(plane[None, None], plane[None, None]).points
    assert (
        np.abs(seen(View(shift=(-7, 3)), plane, points)[2:, :-2] - plane[:-2, 2:].numpy()).max()
        < 1e-4
    )


def test_intensities_are_altered_within_the_range_of_each_channel() -> None:
    draw = torch.Generator().manual_seed(4)
    images = torch.rand(1, 2, 32, 48, generator=draw) * torch.tensor([10.0, 0.1])[:, None, None]
    images, background = images - 3, torch.full_like(images, -3.0)
    images[0, :, 5, 6] = -3  # the least of each channel, in both
    views = AlteredViews.of(Perturbation.of_images(images, background), 0)
    plain = tuple(replace(view, gain=1.0, gamma=1.0) for view in VIEWS)
    moved = AlteredViews(views.perturbation, plain).images.double() + 3
    high = (images.double() + 3).amax((0, 2, 3))[:, None, None]
    for view, own, shown in zip(VIEWS, moved, views.images.double() + 3, strict=True):
        torch.testing.assert_close(
            shown, (own / high) ** view.gamma * view.gain * high, atol=1e-4, rtol=1e-4
        )


def judged(planted: Planted, curve: FourierContour, index: int = 0, seed: int = 0) -> PlacementTest:
    views = AlteredViews.of(planted.perturbation, index)
    objective = TargetObjective(planted.score, views.images, views.background, target=0)
    body = planted.perturbation.points.reshape(-1, 2)
    return placement_test(views, objective, curve, body, seed)


def test_true_evidence_holds_in_every_view(planted: Planted) -> None:
    test = judged(planted, planted.truth[[0]])
    assert test.p_values == (0.05,) * len(VIEWS)
    assert (test.views_held, test.count, test.evaluations) == (4, 76, 40)
    assert (test.preserved < 0.5).all()
    assert (test.deleted > 0.5).all()


@pytest.mark.slow
def test_what_is_a_random_placement_itself_does_not_hold(planted: Planted) -> None:
    """Placed as the places that it is compared with are, it holds in one view in twenty."""
    body = planted.perturbation.points.reshape(-1, 2)
    generator = torch.Generator().manual_seed(11)
    tests = [
        judged(planted, placed_at_random(planted.truth[[0]], body, 1, generator), seed=seed)
        for seed in range(40)
    ]
    assert sum(test.p_value <= 0.05 for test in tests) <= 2
    small = np.array([p <= 0.05 for test in tests for p in test.p_values])
    assert small.mean() < 0.12
    assert max(test.p_value for test in tests) > 0.5
    # A view that has failed is not gone on with.
    assert np.mean([test.evaluations for test in tests]) < 25
    assert all(len(test.view) == len(test.curves) == test.count <= 76 for test in tests)


def test_the_same_seed_gives_the_same_test(planted: Planted) -> None:
    tests = [judged(planted, planted.truth[[1]], 1, seed) for seed in (5, 5, 6)]
    assert torch.equal(tests[0].curves.center, tests[1].curves.center)
    assert not torch.equal(tests[0].curves.center[:1], tests[2].curves.center[:1])


def test_each_view_has_its_own_scale(planted: Planted) -> None:
    """What the network says of the mirrored original is 1 there, however else it calls it."""

    def doubled_where_bright_left(inputs: Tensor) -> Tensor:
        left = inputs[:, 0, :, : inputs.shape[-1] // 2].sum((1, 2)).unsqueeze(1)
        return planted.score(inputs) * (1 + left / planted.mask.sum())

    views = AlteredViews.of(planted.perturbation, 0)
    objective = TargetObjective(doubled_where_bright_left, views.images, views.background, 0)
    originals = objective.original_log_odds
    assert originals.max() - originals.min() > 1
    assert torch.allclose(objective.similarity(views.images, views.every), torch.ones(len(VIEWS)))


SIDE = 64


def bright_on_the_right() -> tuple[Perturbation, FourierContour]:
    """A bright square right of the middle, and a contour on it."""
    images = torch.zeros(1, 1, SIDE, SIDE)
    images[..., 20:30, 42:52] = 1.0
    perturbation = Perturbation.of_images(images, torch.zeros_like(images))
    return perturbation, FourierContour.circles(
        perturbation.points[25, 47][None], torch.tensor([0.25])
    )


def on_the_right(inputs: Tensor) -> Tensor:
    """(B, 1): the sum of what is bright on the right."""
    return inputs[..., SIDE // 2 :].sum((1, 2, 3)).unsqueeze(1)


def test_views_that_a_network_does_not_know_give_way_to_as_many_others() -> None:
    perturbation, curve = bright_on_the_right()
    views, objective, stable = views_of_class(
        perturbation, 0, lambda x: on_the_right(x) / 5 - 10, 0
    )
    assert not stable
    assert views.views == UNMIRRORED
    assert not any(view.mirrored for view in UNMIRRORED)
    assert len(set(UNMIRRORED)) == len(VIEWS)
    test = placement_test(views, objective, curve, perturbation.points.reshape(-1, 2), 0)
    assert test.p_values == (0.05,) * len(VIEWS)


def test_what_fails_mirrored_fails_where_the_network_still_calls_the_class() -> None:
    """It goes by something else there: the contour holds nothing of that."""
    perturbation, curve = bright_on_the_right()
    views, objective, stable = views_of_class(perturbation, 0, lambda x: on_the_right(x) / 5 + 1, 0)
    assert stable
    assert views.views == VIEWS
    test = placement_test(views, objective, curve, perturbation.points.reshape(-1, 2), 0)
    assert [p <= 0.05 for p in test.p_values] == [not view.mirrored for view in VIEWS]
    assert test.p_value > 0.05


def test_a_network_that_knows_no_view_is_judged_in_all(planted: Planted) -> None:
    """Not called anywhere: nothing says that mirroring is the reason."""
    _, _, stable = views_of_class(planted.perturbation, 0, lambda x: planted.score(x) - 1e3, 0)
    assert stable


def test_the_networks_batch_is_never_larger_than_allowed(planted: Planted) -> None:
    sizes: list[int] = []

    def score(inputs: Tensor) -> Tensor:
        sizes.append(len(inputs))
        return planted.score(inputs)

    whole = planted.perturbation
    limited = Perturbation(whole.images, whole.background, whole.points, whole.plane, most=3)
    views = AlteredViews.of(limited, 0)
    objective = TargetObjective(views.in_pieces(score), views.images, views.background, 0)
    body = whole.points.reshape(-1, 2)
    test = placement_test(views, objective, planted.truth[[0]], body, 0)
    assert test.p_values == judged(planted, planted.truth[[0]]).p_values
    assert max(sizes) <= 3
    scales = 2 * len(VIEWS)  # the original and its background in each view
    assert sum(sizes) == 2 * test.evaluations * 2 + scales


def test_a_cosine_is_what_its_similarity_stands_for(planted: Planted) -> None:
    images, background = planted.images, planted.perturbation.background
    objective = EmbeddingObjective(lambda x: x.flatten(1), images, background)
    which = torch.arange(len(images))
    mixed = (images + background) / 2
    expected = torch.cosine_similarity(mixed.flatten(1), images.flatten(1))
    found = objective.cosine(objective.similarity(mixed, which), which)
    assert torch.allclose(found, expected, atol=1e-5)
