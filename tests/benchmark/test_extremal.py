"""Extremal Perturbations: their area, their max-convolution, and what TorchRay keeps."""

from __future__ import annotations

import math

import planted_square as planted
import pytest
import torch
import torch.nn.functional as F
from planted_square import TARGETS
from torch import Tensor, nn

from medcontour.benchmark.methods import ExtremalPerturbations
from medcontour.benchmark.methods.extremal import MaxConvolution, Variant
from medcontour.errors import MedcontourError

QUICK = {"steps": 100, "rate": 0.1, "perturbation": "fade"}


def test_the_mask_is_the_smooth_maximum_of_kernels_around_each_pixel() -> None:
    convolve = MaxConvolution((66, 70), torch.zeros(1))
    assert convolve.step == 2
    cells = torch.rand(1, *convolve.cells, generator=torch.Generator().manual_seed(0))
    mask = convolve(cells)[0]
    for row, column in ((0, 0), (1, 69), (30, 31), (65, 40)):
        own, one = [], []
        for y in range(row // 2 - 5, row // 2 + 6):
            for x in range(column // 2 - 5, column // 2 + 6):
                z = math.hypot(y + 0.25 - row / 2, x + 0.25 - column / 2)  # in cells
                kernel = math.exp(-(max(0.0, z - 1) ** 2) / 4)
                nearest = cells[0, min(max(y, 0), 32), min(max(x, 0), 34)]
                own.append(float(nearest) * kernel)
                one.append(kernel)
        smooth = [
            sum(v * math.exp(20 * v) for v in values) / sum(math.exp(20 * v) for v in values)
            for values in (own, one)
        ]
        assert float(mask[row, column]) == pytest.approx(smooth[0] / smooth[1], abs=1e-5)


@pytest.mark.parametrize("area", [0.05, 0.1, 0.3])
def test_the_area_is_held_within_one_percent_of_the_image(area: float) -> None:
    model, images = planted.network(), planted.images()[:1]
    mask = ExtremalPerturbations(area, **QUICK)(model, images, TARGETS[:1]).maps
    assert float(mask.mean()) == pytest.approx(area, abs=0.01)
    assert 0 <= float(mask.min()) <= float(mask.max()) <= 1


@pytest.mark.parametrize("variant", ["preserve", "delete", "dual"])
def test_no_disc_of_its_area_does_better_than_the_mask(variant: Variant) -> None:
    model, images = planted.network(), planted.images()[:1]
    # All faded, no gradient of deletion passes the network's ReLU.
    own = QUICK | ({"perturbation": "blur", "weight": 30.0} if variant == "delete" else {})
    method = ExtremalPerturbations(0.1, variant=variant, **own)
    found = method(model, images, TARGETS[:1])
    assert found.evaluations.tolist() == [100.0 if variant == "dual" else 50.0]

    @torch.no_grad()
    def gain(mask: Tensor) -> float:
        kept, left = (model(images * m)[0, 1] for m in (mask, 1 - mask))
        return float({"preserve": kept, "delete": -left, "dual": kept - left}[variant])

    radius = math.sqrt(0.1 * planted.ROWS * planted.COLUMNS / math.pi)
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(64.0), indexing="ij")
    discs = [
        gain((torch.hypot(y - row, x - column) <= radius).float())
        for row in range(0, 48, 6)
        for column in range(0, 64, 6)
    ]
    best, least = max(discs), min(discs)
    assert gain(found.maps) > best - 0.05 * (best - least)


def test_blur_keeps_what_fading_keeps_where_the_blur_removes_it() -> None:
    """With logits that the area term was made for."""
    model = nn.Sequential(nn.AvgPool2d(2), planted.network()).eval()
    with torch.no_grad():
        model[1][9].weight.mul_(20)
    images, square = planted.images()[:1], planted.squares()[:1]
    images, square = (F.interpolate(x, scale_factor=2) for x in (images, square))
    mask = ExtremalPerturbations(0.1, steps=100, rate=0.1)(model, images, TARGETS[:1]).maps
    assert float((mask * square).sum() / square.sum()) > 0.8


@pytest.mark.slow
def test_what_torchray_keeps_is_kept() -> None:
    torchray = pytest.importorskip(
        "torchray.attribution.extremal_perturbation", exc_type=ImportError
    )
    # Its masks cannot be finer than 21 pixels.
    model = nn.Sequential(nn.AvgPool2d(3), planted.network()).eval()
    images = F.interpolate(planted.images()[:1], scale_factor=3)
    square = F.interpolate(planted.squares()[:1], scale_factor=3)
    theirs, _ = torchray.extremal_perturbation(
        model, images, 1, areas=[0.1], max_iter=400, perturbation="fade"
    )
    for mask in (ExtremalPerturbations(0.1, **QUICK)(model, images, TARGETS[:1]).maps, theirs):
        assert float((mask * square).sum() / square.sum()) > 0.9


def test_what_cannot_be_is_refused_in_a_sentence() -> None:
    with pytest.raises(MedcontourError, match="between 0 and 1"):
        ExtremalPerturbations(1.0)
    with pytest.raises(MedcontourError, match="one or more"):
        ExtremalPerturbations(steps=0)
