"""Meaningful Perturbations: what the published objective says, in closed form and as a trend."""

from __future__ import annotations

from dataclasses import replace

import planted_square as planted
import pytest
import torch
from planted_square import TARGETS
from torch import Tensor, nn

from medcontour.benchmark.methods import MeaningfulPerturbations, held
from medcontour.errors import MedcontourError
from medcontour.explain.background import gaussian_blur

QUICK = MeaningfulPerturbations(steps=60, blur=0.25)


class _Linear(nn.Module):
    """A probability that is linear in the pixels, as log-odds."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, x: Tensor) -> Tensor:
        return torch.logit(0.3 + (x[:, 0] * self.weight).sum((1, 2))).unsqueeze(1)


def test_a_cell_is_deleted_where_its_share_of_the_probability_is_more_than_it_costs() -> None:
    """With a linear probability and no smoothing the objective falls into one term a cell:
    ``m_c (w_c (x_c - blurred_c) - l1)``, whose minimum is at an end of 0 to 1."""
    generator = torch.Generator().manual_seed(0)
    weight = 1e-3 * torch.randn(8, 8, generator=generator)
    images = torch.rand(2, 1, 8, 8, generator=generator)
    method = MeaningfulPerturbations(
        steps=200, l1=2e-4, tv=0.0, cells=8, blur=0.25, smooth=0.0, jitter=0.0, outputs="sigmoid"
    )
    maps = method(_Linear(weight), images, torch.zeros(2, dtype=torch.int64)).maps
    gain = weight * (images - gaussian_blur(images, (2.0, 2.0)))
    assert torch.equal(maps > 0.5, gain > method.l1)
    clear = (gain - method.l1).abs() > 1e-5
    torch.testing.assert_close(maps[clear], (gain > method.l1).float()[clear])


def test_the_mask_takes_the_class_away_and_is_small() -> None:
    model, images = planted.network(), planted.images()
    maps = QUICK(model, images, TARGETS).maps
    blurred = gaussian_blur(images, (12.0, 12.0))
    with torch.no_grad():
        before = model(images).softmax(1)[:, 1]
        after = model((1 - maps) * images + maps * blurred).softmax(1)[:, 1]
    assert bool((before > 0.9).all())
    assert bool((after < 0.05).all())
    assert bool((maps.mean((1, 2, 3)) < 4 * planted.squares().mean()).all())


@pytest.mark.parametrize(("term", "larger"), [("l1", 3e-3), ("tv", 1.0)])
def test_each_term_lowers_what_it_weighs(term: str, larger: float) -> None:
    model, images = planted.network(), planted.images()

    def weighed(method: MeaningfulPerturbations) -> Tensor:
        maps = method(model, images, TARGETS).maps
        rows, columns = maps.diff(dim=2), maps.diff(dim=3)
        steep = rows.abs().pow(3).sum((1, 2, 3)) + columns.abs().pow(3).sum((1, 2, 3))
        return maps.sum((1, 2, 3)) if term == "l1" else steep

    assert bool((weighed(replace(QUICK, **{term: larger})) < weighed(QUICK)).all())


def test_the_start_is_the_smallest_disc_that_takes_the_class_away() -> None:
    model, images = planted.network(), planted.squares()[:1]
    images[:] = 0
    images[..., 18:30, 26:38] = 1.0  # in the middle
    with held(model, images):
        blurred = torch.zeros_like(images)
        start = QUICK._start(model, images, blurred, TARGETS[:1])
        large = QUICK._large(start, images)
        left = model(large * images).softmax(1)[:, 1]
    assert float(left) < 0.05
    assert 0.02 < float((1 - start).mean()) < 0.3
    assert float(start[0, 0, 14, 19]) == 0.0


def test_no_steps_are_refused_in_a_sentence() -> None:
    with pytest.raises(MedcontourError, match="one or more of each"):
        MeaningfulPerturbations(steps=0)
