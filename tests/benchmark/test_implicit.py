"""Masks as implicit neural representations: areas, nesting, and what they keep."""

from __future__ import annotations

import math
from itertools import pairwise

import planted_square as planted
import pytest
import torch
from planted_square import TARGETS

from medcontour.benchmark.methods import ImplicitMask, held
from medcontour.benchmark.methods.implicit import Sine, plane
from medcontour.errors import MedcontourError

AREAS = (0.05, 0.1, 0.2)


@pytest.mark.slow
def test_masks_have_their_areas_nest_and_keep_the_class() -> None:
    """What the publication claims: conditioned on an area, masks have it."""
    model, images = planted.network(), planted.images()[:1]
    square = planted.squares()[0, 0]
    with held(model, images):
        masks = ImplicitMask(AREAS).masks(model, images, TARGETS[:1])[0]
    assert masks.shape == (3, planted.ROWS, planted.COLUMNS)
    assert masks.mean((1, 2)).tolist() == pytest.approx(AREAS, abs=0.01)
    assert bool(((masks * square).sum((1, 2)) / square.sum() > 0.95).all())
    for small, large in pairwise(masks):
        assert float((small * large).sum() / small.sum()) > 0.8


def test_one_area_is_held_and_lies_on_the_square() -> None:
    model, images = planted.network(), planted.images()
    found = ImplicitMask((0.1,), steps=100, rate=1e-2)(model, images, TARGETS)
    square = planted.squares()
    assert found.maps.mean((1, 2, 3)).tolist() == pytest.approx([0.1, 0.1], abs=0.01)
    assert bool(((found.maps * square).sum((1, 2, 3)) / square.sum((1, 2, 3)) > 0.8).all())
    assert found.evaluations.tolist() == [50.0, 50.0]


def test_a_mask_is_a_function_of_the_plane() -> None:
    """At points between the pixels it is what is in between, and it starts about its area."""
    network = Sine(10.0, seed=0)
    coarse, fine = plane((12, 16)), plane((36, 48))
    with torch.no_grad():
        large = network(fine, 0.1).view(36, 48)
        torch.testing.assert_close(network(coarse, 0.1).view(12, 16), large[1::3, 1::3])
        assert float(large.mean()) == pytest.approx(0.1, abs=0.05)
        # Neighbouring points differ by no more than the largest slope of such sines.
        limit = 0.25 * 2 / 48 * 10 * math.prod(
            float(torch.linalg.matrix_norm(layer.weight, 2))
            for layer in (*network.hidden, network.last)
        )  # fmt: skip
        assert float(large.diff(dim=1).abs().max()) < limit


def test_the_longer_side_spans_minus_one_to_one() -> None:
    points = plane((24, 48)).view(24, 48, 2)
    assert points[0, 0].tolist() == pytest.approx([-1 + 1 / 48, -0.5 + 1 / 48])
    assert points[-1, -1].tolist() == pytest.approx([1 - 1 / 48, 0.5 - 1 / 48])


def test_what_cannot_be_is_refused_in_a_sentence() -> None:
    with pytest.raises(MedcontourError, match="between 0 and 1"):
        ImplicitMask((0.1, 1.0))
    with pytest.raises(MedcontourError, match="give more steps"):
        ImplicitMask(AREAS, steps=2)
