"""Small networks and bundles."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.networks.nets import DenseNet
from torch import nn

SMALL = {
    "spatial_dims": 2,
    "in_channels": 1,
    "out_channels": 2,
    "init_features": 8,
    "growth_rate": 4,
    "block_config": [1, 1],
}
LABELS = {"0": "no nodule", "1": "nodule"}


def small_densenet(**changes: Any) -> nn.Module:
    torch.manual_seed(0)
    network: nn.Module = DenseNet(**{**SMALL, **changes})
    with torch.no_grad():  # running statistics unlike those of a fresh network
        network.train()
        network(torch.randn(4, {**SMALL, **changes}["in_channels"], 64, 64))
    return network.eval()


@pytest.fixture
def densenet() -> nn.Module:
    return small_densenet()


@pytest.fixture
def plane() -> Any:
    generator = torch.Generator().manual_seed(1)
    return (torch.rand(50, 80, generator=generator) * 400 - 100).numpy()


@pytest.fixture
def write_bundle(tmp_path: Path) -> Callable[..., Path]:
    """Give a function that writes a bundle; None for a part leaves the part out."""

    def write(
        *,
        config: dict[str, Any] | None = None,
        labels: dict[str, str] | None = LABELS,
        network: nn.Module | None = None,
        weights: str | None = "model.pt",
        suffix: str = ".json",
    ) -> Path:
        folder = tmp_path / "bundle"
        (folder / "configs").mkdir(parents=True)
        (folder / "models").mkdir()
        pred: dict[str, Any] = {"num_channels": 2}
        if labels is not None:
            pred["channel_def"] = labels
        metadata = {
            "name": "Small bundle",
            "version": "0.1.0",
            "network_data_format": {"outputs": {"pred": pred}},
        }
        (folder / "configs" / "metadata.json").write_text(json.dumps(metadata))
        content = {
            "bundle_root": ".",
            "device": "$torch.device('cpu')",
            "network_def": {"_target_": "DenseNet", **SMALL},
            "network": "$@network_def.to(@device)",
            "preprocessing": {
                "_target_": "Compose",
                "transforms": [
                    {"_target_": "LoadImaged", "keys": "image"},
                    {"_target_": "EnsureChannelFirstd", "keys": "image"},
                    {"_target_": "ScaleIntensityd", "keys": "image"},
                    {"_target_": "Resized", "keys": "image", "spatial_size": [48, 64]},
                ],
            },
        }
        content.update(config or {})
        content = {key: value for key, value in content.items() if value is not None}
        # A JSON document is a YAML document as well.
        (folder / "configs" / f"inference{suffix}").write_text(json.dumps(content))
        network = network or small_densenet()
        if weights == "model.safetensors":
            from safetensors.torch import save_file

            save_file(network.state_dict(), folder / "models" / weights)
        elif weights is not None:
            torch.save(network.state_dict(), folder / "models" / weights)
        return folder

    return write
