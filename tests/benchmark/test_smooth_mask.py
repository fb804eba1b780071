"""Smooth masks: their area, their mould, and what TorchRay keeps."""

from __future__ import annotations

import planted_square as planted
import pytest
import torch
import torch.nn.functional as F
from planted_square import TARGETS
from torch import nn

from medcontour.benchmark.methods import (
    SmoothMask,
    held,
)
from medcontour.benchmark.methods.smooth_mask import _Mould, blur_pyramid, sharpened


@pytest.mark.slow
@pytest.mark.parametrize("area", [0.03, 0.1, 0.3])
def test_smooth_masks_have_the_area_asked_for(area: float) -> None:
    model, images = planted.network(), planted.images()[:1]
    with held(model, images):
        mask = SmoothMask((area,), steps=120).masks(model, images, TARGETS[:1])
    assert float(mask.mean()) == pytest.approx(area, abs=0.02)
    assert 0 <= float(mask.min()) <= float(mask.max()) <= 1


@pytest.mark.slow
def test_smooth_masks_of_several_areas_are_searched_apart() -> None:
    model, images = planted.network(), planted.images()
    method = SmoothMask((0.05, 0.2), steps=50)
    with held(model, images):
        masks = method.masks(model, images, TARGETS)
        alone = SmoothMask((0.2,), steps=50).masks(model, images, TARGETS)
    assert masks.shape == (2, 2, planted.ROWS, planted.COLUMNS)
    assert torch.allclose(masks[:, 1], alone[:, 0], atol=0.02)
    result = method(model, images, TARGETS)
    assert torch.allclose(result.maps[:, 0], masks.mean(1), atol=1e-6)
    assert result.evaluations.tolist() == [50.0, 50.0]


def test_the_mould_keeps_constants_and_the_pyramid_its_ends() -> None:
    images = planted.images()
    pyramid = blur_pyramid(images)
    mould = _Mould((planted.ROWS, planted.COLUMNS), pyramid)
    ones, zeros = mould(torch.ones(2, *mould.cells)), mould(torch.zeros(2, *mould.cells))
    assert torch.allclose(ones, torch.ones_like(ones), atol=1e-5)
    assert not zeros.any()
    single = torch.zeros(1, *mould.cells)
    single[0, 10, 20] = 1.0  # cells of 2 x 2 pixels
    top, left = divmod(int(mould(single)[0].argmax()), planted.COLUMNS)
    assert (top // 2, left // 2) in {(y, x) for y in (9, 10, 11) for x in (19, 20, 21)}
    assert torch.allclose(sharpened(pyramid, torch.ones_like(ones)), images, atol=1e-6)
    assert torch.allclose(sharpened(pyramid, torch.zeros_like(ones)), pyramid[:, -1], atol=1e-6)


def test_smooth_masks_keep_what_torchray_keeps() -> None:
    torchray = pytest.importorskip(
        "torchray.attribution.extremal_perturbation", exc_type=ImportError
    )
    # Its masks cannot be finer than 21 pixels, and reach their area late.
    model = nn.Sequential(nn.AvgPool2d(3), planted.network()).eval()
    images = F.interpolate(planted.images()[:1], scale_factor=3)
    square = F.interpolate(planted.squares()[:1], scale_factor=3)
    theirs, _ = torchray.extremal_perturbation(model, images, 1, areas=[0.1])
    ours = SmoothMask((0.1,), steps=400)(model, images, TARGETS[:1]).maps
    for mask in (ours, theirs):
        assert float((mask * square).sum() / square.sum()) > 0.9
    # The rest of the area may lie anywhere: ours is no larger than asked for.
    assert float(ours.mean()) == pytest.approx(0.1, abs=0.02)
