"""IBA: bits by torch's own divergence, none where all is noise, and the layer it restricts."""

from __future__ import annotations

import planted_square as planted
import pytest
import torch
from planted_square import TARGETS
from torch.distributions import Normal, kl_divergence

from medcontour.benchmark.methods import Iba, TrainingImages, feature_layer, held
from medcontour.benchmark.methods.iba import (
    FeatureStatistics,
    capacity,
    feature_statistics,
    features,
    restricted,
)
from medcontour.errors import MedcontourError

KIND = TrainingImages("squares", lambda: planted.others(32, seed=8)[:2], serves=16)


def test_the_capacity_is_the_divergence_of_the_mixture_from_the_noise() -> None:
    generator = torch.Generator().manual_seed(0)
    passing = torch.rand(200, generator=generator) * 0.99
    usual = 3 * torch.randn(200, generator=generator)
    judge = kl_divergence(Normal(passing * usual, 1 - passing), Normal(0.0, 1.0))
    torch.testing.assert_close(capacity(passing, usual), judge, atol=1e-5, rtol=1e-5)
    assert not capacity(torch.zeros(200), usual).any()


def test_no_bits_pass_where_they_cost_too_much() -> None:
    """With a large beta the bottleneck ends as noise alone."""
    model, images = planted.network(), planted.images()
    bits = [
        Iba(steps=60, beta=beta, training=KIND)(model, images, TARGETS).maps.sum((1, 2, 3))
        for beta in (1.0, 10.0, 1e6)
    ]
    assert bool((bits[0] > bits[1]).all())
    assert bool((bits[1] > bits[2]).all())
    assert bool((bits[2] < 0.01).all())


def test_the_map_has_as_many_bits_as_the_layer() -> None:
    model, images = planted.network(), planted.images()
    with held(model, images):
        layer = feature_layer(model, images, TARGETS)
        statistics = feature_statistics(model, *KIND.given(), layer.name)
        bits = Iba().bits(model, images[0], TARGETS[0], layer, statistics)
    found = Iba(training=KIND)(model, images, TARGETS)
    assert float(found.maps[0].sum()) == pytest.approx(float(bits.sum()), rel=0.02)
    assert found.evaluations.tolist() == [50.25 + 0.25 * 32 / 16] * 2


@pytest.mark.parametrize("kind", ["network", "Transformer"])
def test_a_restricted_layer_gives_what_it_is_told(kind: str) -> None:
    model, images = getattr(planted, kind)().eval(), planted.images()
    with held(model, images):
        layer = feature_layer(model, images, TARGETS)
        own = features(model, images, layer)
        before = model(images)
        with restricted(model, layer, own):
            torch.testing.assert_close(model(images), before)
        with restricted(model, layer, own.flip(0)):
            changed = features(model, images, layer)
            after = model(images)
    torch.testing.assert_close(changed, own.flip(0), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(after, before, atol=1e-5)


def test_statistics_are_those_of_each_feature_over_the_images() -> None:
    model = planted.network()
    images = torch.cat([planted.images(), torch.rand(40, 1, planted.ROWS, planted.COLUMNS)])
    targets = torch.ones(len(images), dtype=torch.int64)
    found = feature_statistics(model, images, targets)
    with torch.no_grad():
        judge = model[:7](images).double()
    torch.testing.assert_close(found.mean.double(), judge.mean(0), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found.std.double(), judge.std(0), atol=1e-5, rtol=1e-4)
    assert found.evaluations == 0.25 * 42
    maps = Iba(statistics=found)(model, planted.images(), TARGETS).maps
    inside = planted.squares().flatten(1) > 0
    peaks = maps.flatten(1).argmax(1)
    assert [bool(row[peak]) for row, peak in zip(inside, peaks, strict=True)] == [True, True]


def test_volumes_have_bits_as_well() -> None:
    model, volumes = planted.volume_network(200.0), planted.volume()
    others = torch.zeros(16, 1, 12, 16, 20)
    for index, other in enumerate(others):
        other[:, index % 8 : index % 8 + 4, index % 12 : index % 12 + 4, index : index + 4] = 1.0
    kind = TrainingImages("cubes", lambda: (others, torch.ones(16, dtype=torch.int64)))
    maps = Iba(training=kind)(model, volumes, torch.tensor([1])).maps
    assert maps.shape == volumes.shape
    assert volumes.flatten()[maps.argmax()] == 1


def test_what_does_not_fit_is_refused_in_a_sentence() -> None:
    model, images = planted.network(), planted.images()
    other = FeatureStatistics(torch.zeros(4, 3, 3), torch.ones(4, 3, 3), 1.0)
    with pytest.raises(MedcontourError, match="same layer and image size"):
        Iba(statistics=other)(model, images, TARGETS)
    with pytest.raises(MedcontourError, match="other images of the kind"):
        Iba()(model, images, TARGETS)
    with pytest.raises(MedcontourError, match="two or more"):
        feature_statistics(model, images[:1], TARGETS[:1])
    with pytest.raises(MedcontourError, match="one or more of each"):
        Iba(samples=0)
