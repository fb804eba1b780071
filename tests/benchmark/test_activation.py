"""LayerCAM and Score-CAM: closed forms, captum's Grad-CAM, and the package grad-cam."""

from __future__ import annotations

import planted_square as planted
import pytest
import torch
import torch.nn.functional as F
from planted_square import TARGETS
from torch import Tensor, nn

from medcontour.benchmark.methods import LayerCam, ScoreCam


def _unit(maps: Tensor) -> Tensor:
    flat = maps.flatten(1)
    low, high = flat.amin(1), flat.amax(1)
    return ((flat - low[:, None]) / (high - low)[:, None]).view_as(maps)


def test_layercam_is_captums_grad_cam_where_gradients_are_the_same_everywhere() -> None:
    """Under a global mean the gradient of a channel is one number, so that both formulas agree;
    weights are positive here, as LayerCAM leaves out the negative ones."""
    captum = pytest.importorskip("captum.attr")
    model, images = planted.network(), planted.images()
    with torch.no_grad():
        model[9].weight.abs_()
    own = LayerCam(layer="5")(model, images, TARGETS).maps
    judge = captum.LayerGradCam(model, model[5]).attribute(images, TARGETS).relu()
    large = F.interpolate(judge, images.shape[2:], mode="bilinear", align_corners=False)
    torch.testing.assert_close(own, _unit(large).detach(), atol=1e-5, rtol=0)


def test_layercam_gives_each_place_the_gradient_of_its_own() -> None:
    """Of a linear readout the map is the positive part of weight times feature."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.Sigmoid(), nn.Flatten(), nn.Linear(3 * 8 * 8, 2)
    )
    images = torch.randn(2, 1, 8, 8)
    feature = model[:2](images)
    weight = model[3].weight[TARGETS].view(2, 3, 8, 8)
    wanted = (weight.relu() * feature).sum(1, keepdim=True).detach()
    own = LayerCam(layer="1")(model, images, TARGETS).maps
    torch.testing.assert_close(own, _unit(wanted), atol=1e-5, rtol=0)


def test_score_cam_weighs_channels_by_what_the_image_keeps_under_them() -> None:
    """Of a network that is linear in the pixels, every masked score can be written down."""
    features = nn.Conv2d(1, 2, 1, bias=False)

    class Linear(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = features
            self.weight = nn.Parameter(torch.rand(2, 8, 12, generator=_generator()))

        def forward(self, x: Tensor) -> Tensor:
            y = self.features(x).abs().sum(1)
            return torch.einsum("bhw,khw->bk", y, self.weight)

    with torch.no_grad():
        features.weight[:] = torch.tensor([1.0, -0.5]).view(2, 1, 1, 1)
    model = Linear()
    images = torch.rand(2, 1, 8, 12, generator=_generator())
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    up = (images - low) / (high - low)
    scores = torch.stack(
        [model(images * mask)[range(2), TARGETS] for mask in (up, 1 - up)], 1
    ).softmax(1)
    maps = scores[:, 0].view(2, 1, 1, 1) * images - 0.5 * scores[:, 1].view(2, 1, 1, 1) * images
    found = ScoreCam(layer="features")(model, images, TARGETS)
    torch.testing.assert_close(found.maps, _unit(maps.relu()).detach(), atol=1e-4, rtol=0)
    assert found.evaluations.tolist() == [0.75, 0.75]  # two channels and the image, forward


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


@pytest.mark.parametrize("kind", [LayerCam, ScoreCam])
def test_volumes_are_explained_as_well(kind: type[LayerCam | ScoreCam]) -> None:
    model, volumes = planted.volume_network(50.0), planted.volume()
    maps = kind()(model, volumes, torch.tensor([1])).maps
    assert maps.shape == volumes.shape
    assert volumes.flatten()[maps.argmax()] == 1


@pytest.mark.torchvision
@pytest.mark.parametrize("name", ["LayerCAM", "ScoreCAM"])
def test_the_package_grad_cam_gives_the_same(name: str) -> None:
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    model, images = planted.network(), planted.images()
    for layer in ("2", "5"):  # as large as the image, and half of it
        with getattr(pytorch_grad_cam, name)(model, [model.get_submodule(layer)]) as explain:
            judge = explain(images.clone(), [ClassifierOutputTarget(1)] * 2)
        kind = {"LayerCAM": LayerCam, "ScoreCAM": ScoreCam}[name]
        own = kind(layer=layer)(model, images, TARGETS).maps[:, 0]
        # The package enlarges Score-CAM's channels with their corners on the image's corners.
        tolerance = 1e-4 if (name, layer) != ("ScoreCAM", "5") else 0.02
        torch.testing.assert_close(own, torch.as_tensor(judge), atol=tolerance, rtol=0)
