"""LayerCAM and Score-CAM: class activation maps beside Grad-CAM++, for images and volumes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medcontour.benchmark.methods.base import (
    BACKWARD,
    FORWARD,
    Attribution,
    LayerMethod,
    target_scores,
)
from medcontour.benchmark.methods.feature_layer import feature_layer, features
from medcontour.benchmark.methods.grad_cam import enlarged, features_and_slopes

__all__ = ["LayerCam", "ScoreCam"]

AT_ONCE = 32
SMALL = 1e-8


@dataclass(frozen=True)
class LayerCam(LayerMethod):
    """Features times the positive part of their own gradients (Jiang et al. 2021).

    The published Eq. 4 to 6, on hooks: ``relu(sum_k relu(dy / dA_k) * A_k)``. Each place has a
    weight of its own, where Grad-CAM has one a channel; so it can be read at earlier, finer
    layers. Maps are enlarged bilinearly and scaled to 0 to 1 each. One pass forward and backward
    an image: half an evaluation; finding the layer is done once a batch and not counted.
    """

    name = "layercam"
    together = 8

    def _explain(self, model: nn.Module, images: Tensor, targets: Tensor) -> Attribution:
        layer = feature_layer(model, images, targets, self.layer)
        feature, slope = features_and_slopes(model, images, targets, layer)
        maps = enlarged((slope.relu() * feature).sum(1, keepdim=True), images.shape[2:])
        spent = torch.full((len(images),), BACKWARD, device=images.device)
        return Attribution(maps.float(), spent)


@dataclass(frozen=True)
class ScoreCam(LayerMethod):
    """Features weighted by the score that the image keeps under each of them (Wang et al. 2020).

    Each channel of the layer is enlarged to the image, scaled to 0 to 1, and the image multiplied
    by it; the softmax over channels of the class's logits weighs the channels (a baseline's score
    would be the same for all of them, and drops out). No gradient is needed but to find the layer.
    Maps are scaled to 0 to 1 each. Each channel, and the image itself, is one image forward: a
    quarter of an evaluation, 512 channels are 128.
    """

    name = "score-cam"

    def _explain(self, model: nn.Module, images: Tensor, targets: Tensor) -> Attribution:
        layer = feature_layer(model, images, targets, self.layer)
        found = features(model, images, layer)
        with torch.no_grad():
            weights = [
                _weights(model, image, target, feature)
                for image, target, feature in zip(images, targets, found, strict=True)
            ]
        shape = (len(images), -1, *(1,) * (images.ndim - 2))
        coarse = (torch.stack(weights).view(shape) * found).sum(1, keepdim=True)
        spent = FORWARD * (1 + found.shape[1])
        return Attribution(
            enlarged(coarse, images.shape[2:]).float(),
            torch.full((len(images),), spent, device=images.device),
        )


def _weights(model: nn.Module, image: Tensor, target: Tensor, feature: Tensor) -> Tensor:
    """(channels,) for the features (channels, h, w) of one image."""
    mode = "bilinear" if image.ndim == 3 else "trilinear"
    scores = []
    for channels in torch.split(feature.unsqueeze(1), AT_ONCE):
        large = F.interpolate(channels, image.shape[1:], mode=mode, align_corners=False)
        flat = large.flatten(1)
        low, high = flat.amin(1), flat.amax(1)
        sizes = (-1, *(1,) * image.ndim)
        mask = (large - low.view(sizes)) / (high - low + SMALL).view(sizes)
        scores.append(target_scores(model, image * mask, target.expand(len(mask))))
    return torch.cat(scores).softmax(0)
