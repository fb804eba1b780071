"""What a network of volumes keeps in memory of one volume, told before anything is computed."""

from __future__ import annotations

import copy
import io
from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["kept_bytes"]


def kept_bytes(network: nn.Module, shape: Sequence[int]) -> int | None:
    """Count what a network keeps of one input while its gradients are worked out.

    The network is run on PyTorch's meta device, where tensors have shapes and no values: nothing is
    computed, and none of it takes memory.

    Parameters
    ----------
    network
        As it is; it is left so.
    shape
        (channels, depth, height, width) of one input.

    Returns
    -------
    int or None
        Bytes, its weights among them. None where a network does not run without values (frozen
        TorchScript, code that looks at them), or does not take this shape.

    Examples
    --------
    >>> from torch import nn
    >>> network = nn.Sequential(nn.Conv3d(1, 8, 3, padding=1), nn.ReLU(), nn.Flatten())
    >>> kept_bytes(network, (1, 16, 16, 16)) >= 8 * 16**3 * 4
    True
    """
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        alone = tensor.detach()
        kept[alone.untyped_storage()._cdata] = alone  # a tensor without values has no address
        return alone

    try:
        empty = _without_values(network).eval().requires_grad_(False)
        dtype = next((p.dtype for p in network.parameters() if p.is_floating_point()), None)
        one = torch.zeros(1, *shape, dtype=dtype, device="meta", requires_grad=True)
        with (
            torch.enable_grad(),
            torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        ):
            empty(one)
    except Exception:  # a network is anybody's code
        return None
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def _without_values(network: nn.Module) -> nn.Module:
    """Give a network of the same layers on the meta device."""
    if isinstance(network, torch.jit.ScriptModule):
        held = io.BytesIO()
        torch.jit.save(network, held)
        held.seek(0)
        scripted: nn.Module = torch.jit.load(held, map_location="meta")  # type: ignore[no-untyped-call]
        return scripted
    return copy.deepcopy(network).to("meta")
