"""Grad-CAM++ for convolutional networks and vision transformers, and for volumes."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from types import ModuleType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medcontour.benchmark.methods.base import BACKWARD, Attribution, LayerMethod, target_scores
from medcontour.benchmark.methods.feature_layer import FeatureLayer, feature_layer
from medcontour.errors import MedcontourError

__all__ = ["GradCamPlusPlus", "enlarged", "features_and_slopes", "scaled"]

SMALL, SMALLEST = 1e-6, 1e-7


@dataclass(frozen=True)
class GradCamPlusPlus(LayerMethod):
    """Feature maps weighted by their gradients (Chattopadhyay et al. 2018).

    Images by the package grad-cam where it can be imported (`library` says so), and otherwise by
    the same formula on hooks of our own, which the tests hold against it; volumes by MONAI, one
    at a time. MONAI's weights differ from the publication's: its sum runs over the product of
    features and gradients. Maps are scaled to 0 to 1 each. One pass forward and backward an
    image: half an evaluation; finding the layer is done once a batch and not counted.
    """

    name = "grad-cam++"

    @property
    def library(self) -> str:
        """What images are explained by: ``"grad-cam"`` or ``"medcontour"``."""
        return "grad-cam" if _package() else "medcontour"

    def _explain(self, model: nn.Module, images: Tensor, targets: Tensor) -> Attribution:
        layer = feature_layer(model, images, targets, self.layer)
        package = _package()
        if images.ndim == 5:
            maps = torch.cat(
                [_by_monai(model, images[[k]], targets[[k]], layer) for k in range(len(images))]
            )
        elif package is not None:
            maps = _by_package(package, model, images, targets, layer)
        else:
            maps = by_hooks(model, images, targets, layer)
        spent = torch.full((len(images),), BACKWARD, device=images.device)
        return Attribution(maps.detach().float(), spent)


def _package() -> ModuleType | None:
    """The package, where it and what it needs (torchvision) are installed."""
    try:
        import pytorch_grad_cam
    except ImportError:
        return None
    found: ModuleType = pytorch_grad_cam
    return found


def _by_package(
    package: ModuleType, model: nn.Module, images: Tensor, targets: Tensor, layer: FeatureLayer
) -> Tensor:
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    wanted = [ClassifierOutputTarget(target) for target in targets.tolist()]
    module = model.get_submodule(layer.name)
    with package.GradCAMPlusPlus(model, [module], reshape_transform=layer.to_map) as explain:
        found = explain(images.clone().requires_grad_(True), targets=wanted)
    return torch.as_tensor(found).unsqueeze(1).to(images.device)


def by_hooks(model: nn.Module, images: Tensor, targets: Tensor, layer: FeatureLayer) -> Tensor:
    """(B, 1, H, W) by the publication's Eq. 10 and 19, scaled as the package does."""
    feature, slope = features_and_slopes(model, images, targets, layer)
    total = feature.sum((2, 3), keepdim=True)
    share = slope**2 / (2 * slope**2 + total * slope**3 + SMALL)
    share = torch.where(slope != 0, share, 0.0)
    weight = (share * slope.relu()).sum((2, 3), keepdim=True)
    return enlarged((weight * feature).sum(1, keepdim=True), images.shape[2:])


def features_and_slopes(
    model: nn.Module, images: Tensor, targets: Tensor, layer: FeatureLayer
) -> tuple[Tensor, Tensor]:
    """Give a layer's output and its gradient of the class's logit, both (B, channels, h, w)."""
    features: list[Tensor] = []
    slopes: list[Tensor] = []

    def hook(module: nn.Module, inputs: object, output: Tensor) -> None:
        features.append(output)
        output.register_hook(slopes.append)  # type: ignore[no-untyped-call]

    handle = model.get_submodule(layer.name).register_forward_hook(hook)
    try:
        own = images.clone().requires_grad_(True)
        torch.autograd.grad(target_scores(model, own, targets).sum(), own)
    finally:
        handle.remove()
    return layer.to_map(features[0].detach()), layer.to_map(slopes[0].detach())


def enlarged(maps: Tensor, extent: torch.Size) -> Tensor:
    """Give the positive part of maps (B, 1, h, w) at the image's size, each from 0 to 1."""
    mode = "bilinear" if len(extent) == 2 else "trilinear"
    return scaled(F.interpolate(scaled(maps.relu()), extent, mode=mode, align_corners=False))


def _by_monai(model: nn.Module, image: Tensor, target: Tensor, layer: FeatureLayer) -> Tensor:
    from monai.visualize import GradCAMpp

    # Its hooks stay, and it switches in-place layers: a copy takes them away with it.
    # Its default postprocessing turns high into low.
    explain = GradCAMpp(copy.deepcopy(model), layer.name, postprocessing=lambda maps: maps)
    maps: Tensor = explain(image.clone().requires_grad_(True), class_idx=int(target))
    if not bool(maps.isfinite().all()):
        raise MedcontourError(
            "Grad-CAM++ overflows on this network (MONAI takes the exponential of the logit); "
            "divide its logits by a constant."
        )
    return scaled(maps)


def scaled(maps: Tensor) -> Tensor:
    """Each map from 0 to 1."""
    maps = maps - maps.flatten(1).amin(1).view(-1, *(1,) * (maps.ndim - 1))
    return maps / (SMALLEST + maps.flatten(1).amax(1).view(-1, *(1,) * (maps.ndim - 1)))
