"""Weights drawn at random, laid where torchvision, timm and DINO keep the published ones."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

COMMIT = "0" * 40
State = dict[str, Tensor]


def torchvision_state(home: Path, name: str) -> State:
    """Under the name of its first published weights in TORCH_HOME."""
    from torchvision import models

    torch.manual_seed(0)
    state = models.get_model(name, weights=None).state_dict()
    return _moved(state, home, next(iter(models.get_model_weights(name))).url)


def dino_state(home: Path) -> State:
    """As DINO hands out its ViT-B/16."""
    import timm

    torch.manual_seed(0)
    state = timm.create_model("vit_base_patch16_224", num_classes=0).state_dict()
    return _moved(state, home, "dino_vitbase16_pretrain.pth")


def timm_state(home: Path, name: str) -> State:
    """In the layout that the hub's own tool makes in HF_HOME."""
    import timm

    torch.manual_seed(0)
    state = _livelier(timm.create_model(name, pretrained=False).state_dict())
    source = timm.get_pretrained_cfg(name).hf_hub_id
    folder = home / "hub" / ("models--" + source.replace("/", "--"))
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(COMMIT)
    (folder / "snapshots" / COMMIT).mkdir(parents=True)
    save_file(
        {key: value.contiguous() for key, value in state.items()},
        folder / "snapshots" / COMMIT / "model.safetensors",
    )
    return state


def same_state(network: torch.nn.Module, state: State) -> bool:
    loaded = network.state_dict()
    return loaded.keys() == state.keys() and all(
        torch.equal(value, state[key]) for key, value in loaded.items()
    )


def _moved(state: State, home: Path, url: str) -> State:
    state = _livelier(state)
    folder = home / "hub" / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(state, folder / Path(url).name)
    return state


def _livelier(state: State) -> State:
    """With chance in what a fresh network leaves at zero or one: biases, norms, last layers."""
    return {
        key: value + 0.02 * torch.randn_like(value)
        if value.is_floating_point() and (value.ndim == 1 or not value.any())
        else value
        for key, value in state.items()
    }
