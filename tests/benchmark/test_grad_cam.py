"""Grad-CAM++: the layer that it takes, and what it gives."""

from __future__ import annotations

import planted_square as planted
import pytest
import torch
import torch.nn.functional as F
from monai.networks.nets import DenseNet121
from planted_square import TARGETS
from torch import nn

from medcontour.benchmark.methods import (
    GradCamPlusPlus,
    feature_layer,
    held,
)
from medcontour.benchmark.methods.grad_cam import by_hooks


@pytest.mark.torchvision
def test_grad_cam_equals_the_package() -> None:
    method = GradCamPlusPlus()
    assert method.library == "grad-cam"
    for model in (planted.network(), planted.Transformer().eval()):
        images = planted.images()
        with held(model, images):
            layer = feature_layer(model, images, TARGETS)
            own = by_hooks(model, images, TARGETS, layer)
        assert torch.allclose(method(model, images, TARGETS).maps, own, atol=1e-4)


def test_grad_cam_finds_the_last_layer_with_places() -> None:
    images, targets = F.interpolate(planted.images(), scale_factor=2), TARGETS

    def layer(model: nn.Module) -> str:
        model.eval()
        with held(model, images):
            return feature_layer(model, images, targets).name

    assert layer(planted.network()) == "6"  # the dropout after the last convolution's ReLU
    # The last block's tokens reach the answer by its attention alone.
    assert layer(planted.Transformer()) == "blocks.1.norm1"
    assert layer(DenseNet121(2, 1, 2)) == "class_layers.relu"
    # The answer laid out in space is passed over.
    squeezed = nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 4, 3, 2), nn.ReLU()),
        nn.Sequential(nn.Conv2d(4, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    )
    with torch.no_grad():
        squeezed[1][0].bias.fill_(1.0)
    assert layer(squeezed) == "0"


def test_grad_cam_of_a_transformer_lies_on_patches() -> None:
    model, images = planted.Transformer().eval(), planted.images()
    maps = GradCamPlusPlus()(model, images, TARGETS).maps
    assert maps.shape == images.shape
    named = GradCamPlusPlus(layer="blocks.0.norm1")(model, images, TARGETS).maps
    assert not torch.equal(maps, named)


def test_grad_cam_takes_volumes_one_at_a_time() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv3d(1, 3, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool3d(2),
        nn.AdaptiveAvgPool3d(1),
        nn.Flatten(),
        nn.Linear(3, 2),
    )
    with torch.no_grad():
        model[0].weight[0], model[0].bias[0] = 1 / 27, -0.3
        model[5].weight[1, 0] = 5.0
    volumes = torch.zeros(2, 1, 12, 16, 20)
    volumes[0, :, 2:6, 2:6, 2:6] = 1.0
    volumes[1, :, 6:10, 10:14, 14:18] = 1.0
    both = GradCamPlusPlus()(model, volumes, TARGETS)
    assert both.maps.shape == volumes.shape
    for index in range(2):
        assert volumes[index].flatten()[both.maps[index].argmax()] == 1
        alone = GradCamPlusPlus()(model, volumes[index : index + 1], TARGETS[:1]).maps
        assert torch.allclose(alone[0], both.maps[index], atol=1e-6)
    assert model[1].inplace
