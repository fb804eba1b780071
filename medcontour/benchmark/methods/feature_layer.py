"""The last layer of a network that still has places: where class activation maps look."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from medcontour.errors import MedcontourError

__all__ = ["FeatureLayer", "check_layer", "feature_layer", "features", "token_grid"]

MOST_EXTRA = 8  # tokens before the patches: class, distillation and register tokens


@dataclass(frozen=True)
class FeatureLayer:
    """A layer, and how its output is laid out as a map.

    Attributes
    ----------
    name
        Of the module in the network.
    to_map
        From the layer's output to (B, channels, h, w), or (B, channels, d, h, w).
    """

    name: str
    to_map: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class _Tokens:
    grid: tuple[int, int]

    def __call__(self, output: Tensor) -> Tensor:
        places = output[:, -self.grid[0] * self.grid[1] :]
        return places.transpose(1, 2).reshape(len(output), -1, *self.grid)


def _as_it_is(output: Tensor) -> Tensor:
    return output


def _channels_first(output: Tensor) -> Tensor:
    return output.permute(0, 3, 1, 2)


def token_grid(tokens: int, height: int, width: int) -> tuple[int, int] | None:
    """Rows and columns of the patches that `tokens` tokens are, after up to eight others.

    Parameters
    ----------
    tokens
        Their number.
    height, width
        Of the image, in pixels: patches are square.

    Returns
    -------
    tuple or None
        None where no grid of the image's shape has so many.

    Examples
    --------
    >>> token_grid(197, 224, 224), token_grid(9, 32, 64), token_grid(201, 224, 224)
    ((14, 14), (2, 4), (14, 14))
    >>> token_grid(11, 224, 30) is None
    True
    """
    for extra in range(min(MOST_EXTRA, tokens - 4) + 1):
        patches = tokens - extra
        rows = round(math.sqrt(patches * height / width))
        if (
            rows > 1
            and patches % rows == 0
            and patches // rows > 1
            and rows * width == patches // rows * height
        ):
            return rows, patches // rows
    return None


def feature_layer(
    model: nn.Module, images: Tensor, targets: Tensor, name: str | None = None
) -> FeatureLayer:
    """Choose the last layer whose map the class depends on at its places.

    Of all modules, in the order in which they run, the last whose output is a feature map of
    the image's shape (convolutions: channels first, or last out of a layer norm) or patch tokens
    out of a layer norm (transformers), with a gradient of the class's logit that is not zero at
    the places: of a transformer that reads its class token alone, the last block's first norm.
    Maps of one channel a class, the scores laid out in space, are passed over where there is
    another.

    Parameters
    ----------
    model
        Held (see `held`).
    images
        (B, C, H, W) or (B, C, D, H, W); the first is looked at.
    targets
        (B,).
    name
        Of the module that is to be taken instead.

    Raises
    ------
    MedcontourError
        When there is no such layer, or none of that name.
    """
    seen: dict[str, list[Tensor]] = {}
    modules = {key: module for key, module in model.named_modules() if key}
    check_layer(name, model)

    def keep(key: str) -> Callable[[nn.Module, object, object], None]:
        def hook(module: nn.Module, inputs: object, output: object) -> None:
            if isinstance(output, Tensor) and output.requires_grad:
                seen.setdefault(key, []).append(output)

        return hook

    watched = modules if name is None else {name: modules[name]}
    handles = [module.register_forward_hook(keep(key)) for key, module in watched.items()]
    try:
        image = images[:1].detach().clone().requires_grad_(True)
        logits = model(image).reshape(1, -1)
    finally:
        for handle in handles:
            handle.remove()
    candidates: list[tuple[FeatureLayer, Tensor]] = []
    for key, outputs in seen.items():
        to_map = _layout(modules[key], outputs[0], image) if len(outputs) == 1 else None
        if to_map is not None:
            candidates.append((FeatureLayer(key, to_map), outputs[0]))
    candidates.reverse()
    score = logits[0, targets[0]]
    own = [to_map.to_map(output).shape[1] != logits.shape[1] for to_map, output in candidates]
    order = [c for c, other in zip(candidates, own, strict=True) if other]
    order += [c for c, other in zip(candidates, own, strict=True) if not other]
    for layer, output in order:
        (slope,) = torch.autograd.grad(score, output, retain_graph=True, allow_unused=True)
        if slope is not None and bool(layer.to_map(slope).ne(0).any()):
            return layer
    what = f'the layer "{name}"' if name else "any layer of the network"
    raise MedcontourError(
        f"There is no feature map in {what} that the class depends on; name another layer."
    )


@torch.no_grad()
def features(model: nn.Module, images: Tensor, layer: FeatureLayer) -> Tensor:
    """(B, channels, h, w) that a layer gives."""
    kept: list[Tensor] = []
    handle = model.get_submodule(layer.name).register_forward_hook(
        lambda module, inputs, output: kept.append(layer.to_map(output).clone())
    )
    try:
        model(images)
    finally:
        handle.remove()
    return kept[0]


def check_layer(name: str | None, model: nn.Module) -> None:
    """Check that a network has a module of a name.

    Raises
    ------
    MedcontourError
        Where it has none, with the names of its last ones.
    """
    modules = [key for key, _ in model.named_modules() if key]
    if name is not None and name not in modules:
        raise MedcontourError(
            f'The network has no layer "{name}"; its last ones are {", ".join(modules[-5:])}.'
        )


def _layout(module: nn.Module, output: Tensor, image: Tensor) -> Callable[[Tensor], Tensor] | None:
    """How an output is laid out as a map of the image's shape, if it is one."""
    norm = isinstance(module, nn.LayerNorm)
    if norm and output.ndim == 3 and image.ndim == 4:
        grid = token_grid(output.shape[1], image.shape[2], image.shape[3])
        return _Tokens(grid) if grid else None
    if output.ndim != image.ndim:
        return None
    last = norm and output.ndim == 4 and output.shape[-1] == module.normalized_shape[-1]  # type: ignore[index]
    to_map = _channels_first if last else _as_it_is
    places, sides = to_map(output).shape[2:], image.shape[2:]
    if min(places) < 2 or any(p > s for p, s in zip(places, sides, strict=True)):
        return None
    # Strides round up or down: a side may be two places off the image's shape.
    scale = max(places) / max(sides)
    fits = all(abs(p - scale * s) <= 2 for p, s in zip(places, sides, strict=True))
    return to_map if fits else None
