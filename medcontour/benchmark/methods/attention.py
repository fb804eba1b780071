"""Attention rollout: how attention flows from the patches to the class token, block by block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from medcontour.benchmark.methods.base import FORWARD, Attribution, Method
from medcontour.benchmark.methods.feature_layer import token_grid
from medcontour.errors import MedcontourError

__all__ = ["AttentionRollout", "attentions", "rollout"]


@dataclass(frozen=True)
class AttentionRollout(Method):
    """The product of all blocks' attention, of vision transformers (Abnar and Zuidema 2020).

    Attention is averaged over heads, half of each block is the skip connection, and the blocks are
    multiplied. The map is the row of the class token at the patches, or the mean of all rows where
    there is no other token, enlarged bilinearly. No class has a part in it, and no gradient. One
    image forward: a quarter of an evaluation.

    Attributes
    ----------
    seed
        Changes nothing.

    Raises
    ------
    MedcontourError
        For a network without attention among all its patches.
    """

    seed: int = 0

    name = "attention-rollout"
    together = 8

    @torch.no_grad()
    def _explain(self, model: nn.Module, images: Tensor, targets: Tensor) -> Attribution:
        height, width = images.shape[-2:]
        found = attentions(model, images)
        tokens = {one.shape[-1] for one in found if len(one) == len(images)}
        grid = token_grid(min(tokens), height, width) if len(tokens) == 1 else None
        if grid is None or any(len(one) != len(images) for one in found):
            raise MedcontourError(
                "Attention rollout needs a vision transformer with attention among all patches of "
                "the image in every block, which this network does not have; take another method."
            )
        flow = rollout(found)
        patches = grid[0] * grid[1]
        row = flow[:, 0] if flow.shape[-1] > patches else flow.mean(1)
        coarse = row[:, -patches:].reshape(len(images), 1, *grid)
        maps = F.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)
        return Attribution(maps.float(), torch.full((len(images),), FORWARD, device=images.device))


def rollout(found: Sequence[Tensor]) -> Tensor:
    """(B, tokens, tokens) from the last block's tokens to the first one's; rows sum to 1.

    Parameters
    ----------
    found
        (B, heads, tokens, tokens) of each block, in the order in which they run.

    Examples
    --------
    >>> rollout([torch.eye(3).view(1, 1, 3, 3)] * 2)[0].tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    flow = torch.eye(found[0].shape[-1]).to(found[0]).expand(len(found[0]), -1, -1)
    for heads in found:
        mean = heads.mean(1)
        flow = (mean + torch.eye(mean.shape[-1]).to(mean)) / 2 @ flow
    return flow


def attentions(model: nn.Module, images: Tensor) -> list[Tensor]:
    """Give the attention of each block, (B, heads, tokens, tokens), in the order they run.

    Of ``nn.MultiheadAttention`` (torchvision), `scaled_dot_product_attention` (timm), and of
    softmaxes written out (timm without fused attention, MONAI), by whatever name the modules go.

    Parameters
    ----------
    model
        Held (see `held`). Of TorchScript nothing is seen.
    images
        (B, C, H, W).
    """
    listening = _Listening()
    with listening:
        model(images)
    return listening.found


class _Listening(TorchFunctionMode):
    """Keeps the attention of all functions that make one."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Tensor] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.multi_head_attention_forward:
            return self._multi_head(func, args, kwargs)
        given = func(*args, **kwargs)
        if func is F.scaled_dot_product_attention:
            self._scaled_dot_product(func, *args, **kwargs)
        elif getattr(func, "__name__", "") == "softmax":
            self._keep(given)
        return given

    def _multi_head(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Tensor, Tensor | None]:
        wanted, averaged = (
            kwargs.get("need_weights", True),
            kwargs.get("average_attn_weights", True),
        )
        told = kwargs | {"need_weights": True, "average_attn_weights": False}
        output, weights = func(*args, **told)
        self._keep(weights)
        if not wanted:
            return output, None
        return output, weights.mean(-3) if averaged else weights

    def _scaled_dot_product(
        self, func: Callable[..., Tensor], query: Tensor, key: Tensor, value: Tensor, *rest: Any,
        **others: Any,
    ) -> None:  # fmt: skip
        # Attention is what comes out where the values are unit vectors.
        unit = torch.eye(key.shape[-2]).to(value).expand(*value.shape[:-2], -1, -1)
        self._keep(func(query, key, unit, *rest, **others))

    def _keep(self, weights: Tensor) -> None:
        square = weights.ndim == 4 and weights.shape[-1] == weights.shape[-2]
        if square and bool(((weights.sum(-1) - 1).abs() < 1e-3).all()):
            self.found.append(weights.detach().clone())
