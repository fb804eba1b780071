"""RELAX: RISE's map where the likeness is linear, the weighted variance, and the embedding."""

from __future__ import annotations

import planted_square as planted
import pytest
import torch
from planted_square import TARGETS
from torch import Tensor, nn

from medcontour.benchmark.methods import Relax, Rise, held
from medcontour.benchmark.methods.covering import random_masks
from medcontour.benchmark.methods.relax import embedding
from medcontour.errors import MedcontourError

EXTENT = (24, 40)


class _Linear(nn.Module):
    """Gives the share of its weight that an image of ones still shows, and embeds it as an angle.

    The cosine to the embedding of the whole image is that share.
    """

    def __init__(self) -> None:
        super().__init__()
        weight = torch.rand(EXTENT, generator=torch.Generator().manual_seed(0)).pow(8)
        self.weight = nn.Parameter(weight / weight.sum())

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("bchw,hw->bc", x, self.weight)

    def image_embedding(self, x: Tensor) -> Tensor:
        share = self.forward(x).clamp(0, 1)
        return torch.cat([share, (1 - share.square()).sqrt()], 1)


def _masks(count: int) -> Tensor:
    return torch.cat(list(random_masks(count, EXTENT, 8, 0.5, seed=4)))


def test_the_importance_is_rises_map_where_the_likeness_is_linear() -> None:
    model, images = _Linear().double(), torch.ones(2, 1, *EXTENT).double()
    own, _ = Relax(masks=100, seed=4).importance_and_uncertainty(model, images)
    rise = Rise(masks=100, cells=8, seed=4, outputs="probabilities")
    judge = rise(model, images, torch.zeros(2, dtype=torch.int64)).maps
    # RISE divides by the masks that are expected to show a pixel, RELAX by those that do.
    judge = judge * 100 * 0.5 / _masks(100).sum(0)
    torch.testing.assert_close(own.float(), judge, atol=1e-6, rtol=0)


def test_the_uncertainty_is_the_variance_over_the_masks_that_show_a_pixel() -> None:
    model, images = _Linear().double(), torch.ones(1, 1, *EXTENT).double()
    importance, uncertainty = Relax(masks=50, seed=4).importance_and_uncertainty(model, images)
    masks = _masks(50).double()
    likeness = torch.einsum("nchw,hw->n", masks, model.weight.detach())
    for row, column in ((0, 0), (12, 20), (23, 39)):
        weights = masks[:, 0, row, column]
        mean = (weights * likeness).sum() / weights.sum()
        variance = (weights * (likeness - mean) ** 2).sum() / weights.sum()
        assert float(importance[0, 0, row, column]) == pytest.approx(float(mean), abs=1e-7)
        assert float(uncertainty[0, 0, row, column]) == pytest.approx(float(variance), abs=1e-7)


def test_an_embedding_that_sees_one_pixel_is_sure_of_it() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(24 * 40, 3), nn.Tanh(), nn.Linear(3, 2))
    with torch.no_grad():
        model[1].weight.zero_()
        model[1].bias.copy_(torch.tensor([0.0, 0.3, 0.0]))
        model[1].weight[0, 10 * 40 + 25] = 5.0
    images = torch.ones(1, 1, *EXTENT)
    importance, uncertainty = Relax(masks=400).importance_and_uncertainty(model, images)
    for maps in (importance, -uncertainty):
        row, column = divmod(int(maps.argmax()), 40)
        assert abs(row - 10) <= 2
        assert abs(column - 25) <= 3


def test_nothing_depends_on_a_constant_embedding() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(24 * 40, 4), nn.Linear(4, 2))
    with torch.no_grad():
        model[1].weight.zero_()
    importance, uncertainty = Relax(masks=20).importance_and_uncertainty(
        model, torch.rand(1, 1, *EXTENT)
    )
    torch.testing.assert_close(importance, torch.ones_like(importance))
    assert float(uncertainty.max()) < 1e-6


def test_the_embedding_is_what_the_head_takes() -> None:
    model, images = planted.network(), planted.images()
    with held(model, images), torch.no_grad():
        assert torch.equal(embedding(model, images)(images), model[:9](images))
        vit = planted.Transformer().eval()
        tokens: list[Tensor] = []
        vit.norm.register_forward_hook(lambda module, inputs, output: tokens.append(output[:, 0]))
        assert torch.equal(embedding(vit, images)(images), tokens[-1])
        conv = nn.Sequential(nn.Conv2d(1, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        assert torch.equal(embedding(conv, images)(images), conv(images))
        with pytest.raises(MedcontourError, match="finds no embedding"):
            embedding(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), images)
        with pytest.raises(MedcontourError, match="no layer"):
            embedding(model, images, "head")
        with pytest.raises(MedcontourError, match="one vector an image"):
            embedding(model, images, "4")


def test_the_class_has_no_part_in_it() -> None:
    model, images = planted.network(), planted.images()
    method = Relax(masks=20)
    one, other = (method(model, images, classes).maps for classes in (TARGETS, 0 * TARGETS))
    assert torch.equal(one, other)
