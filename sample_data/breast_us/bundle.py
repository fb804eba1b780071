"""The bundle: its configuration, and how it is written."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser
from monai.transforms import Compose
from torch import nn

from breast_us.card import readme
from breast_us.recipe import LABELS, SIZE


def inference_config() -> dict[str, Any]:
    """``configs/inference.json``: the network and its preprocessing; it runs no code of its own."""
    return {
        "network_def": {
            "_target_": "ResNet",
            "block": "basic",
            "layers": [1, 1, 1, 1],
            "block_inplanes": [24, 48, 96, 192],
            "spatial_dims": 2,
            "n_input_channels": 1,
            "num_classes": len(LABELS),
            "conv1_t_size": 7,
            "conv1_t_stride": 2,
        },
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", "keys": "image"},
                {"_target_": "EnsureChannelFirstd", "keys": "image"},
                {
                    "_target_": "ScaleIntensityRangePercentilesd",
                    "keys": "image",
                    "lower": 1,
                    "upper": 99,
                    "b_min": 0.0,
                    "b_max": 1.0,
                    "clip": True,
                },
                {
                    "_target_": "Lambdad",
                    "keys": "image",
                    "func": {
                        "_target_": "torch.mean",
                        "_mode_": "callable",
                        "dim": 0,
                        "keepdim": True,
                    },
                },
                {
                    "_target_": "Resized",
                    "keys": "image",
                    "spatial_size": [SIZE, SIZE],
                    "mode": "bilinear",
                    "anti_aliasing": True,
                },
            ],
        },
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [{"_target_": "Activationsd", "keys": "pred", "softmax": True}],
        },
    }


def metadata(evaluation: dict[str, Any]) -> dict[str, Any]:
    """``configs/metadata.json`` in MONAI's bundle schema."""
    return {
        "schema": "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/"
        "0.8.1/meta_schema_20240725.json",
        "version": "0.1.0",
        "changelog": {"0.1.0": "first version"},
        "monai_version": "1.6.1",
        "pytorch_version": "2.13.0",
        "numpy_version": "2.4.6",
        "required_packages_version": {},
        "name": "Breast ultrasound: lesion or no lesion",
        "task": "Classification of breast ultrasound images into lesion and no lesion",
        "description": "A narrow 2D ResNet trained from scratch from image labels alone",
        "authors": "medcontour contributors",
        "copyright": "medcontour contributors",
        "data_source": "Breast Ultrasound Images (BUSI), a subset with the longest side at 320",
        "data_type": "png",
        "image_classes": "one grey channel, 1st to 99th percentile scaled to [0, 1]",
        "label_classes": "0 no lesion (normal), 1 lesion (benign or malignant)",
        "pred_classes": "two logits; softmax gives probabilities",
        "eval_metrics": {
            "accuracy": evaluation["validation"]["accuracy"]["value"],
            "auc": evaluation["validation"]["auc"]["value"],
        },
        "intended_use": "Research and software tests only; not for clinical use",
        "references": [
            "Al-Dhabyani W., Gomaa M., Khaled H., Fahmy A. Dataset of breast ultrasound images. "
            "Data in Brief 28 (2020) 104863. https://doi.org/10.1016/j.dib.2019.104863"
        ],
        "network_data_format": {
            "inputs": {
                "image": {
                    "type": "image",
                    "format": "intensity",
                    "modality": "US",
                    "num_channels": 1,
                    "spatial_shape": [SIZE, SIZE],
                    "dtype": "float32",
                    "value_range": [0, 1],
                    "is_patch_data": False,
                    "channel_def": {"0": "image"},
                }
            },
            "outputs": {
                "pred": {
                    "type": "probabilities",
                    "format": "classes",
                    "num_channels": len(LABELS),
                    "spatial_shape": [],
                    "dtype": "float32",
                    "value_range": [],
                    "is_patch_data": False,
                    "channel_def": {str(i): name for i, name in enumerate(LABELS)},
                }
            },
        },
    }


def build() -> tuple[nn.Module, Compose]:
    """Build the network and the preprocessing as the bundle's own configuration says."""
    parser = ConfigParser(inference_config())
    network = parser.get_parsed_content("network_def")
    preprocessing = parser.get_parsed_content("preprocessing")
    assert isinstance(network, nn.Module)
    assert isinstance(preprocessing, Compose)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network, preprocessing


def write_bundle(out: Path, network: nn.Module, evaluation: dict[str, Any], split: str) -> None:
    """Write the bundle beside ``out`` and put it in place when it is whole."""
    made = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}"))
    made.chmod(0o755)
    for folder in ("configs", "models", "docs"):
        (made / folder).mkdir()
    weights = {k: v.half() if v.is_floating_point() else v for k, v in network.state_dict().items()}
    torch.save({k: v.contiguous() for k, v in weights.items()}, made / "models" / "model.pt")
    texts = {
        "configs/inference.json": json.dumps(inference_config(), indent=2) + "\n",
        "configs/metadata.json": json.dumps(metadata(evaluation), indent=2) + "\n",
        "docs/evaluation.json": json.dumps(evaluation, indent=2) + "\n",
        "docs/README.md": readme(evaluation),
        "docs/split.csv": split,
    }
    for name, text in texts.items():
        (made / name).write_text(text)
    old = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}"))
    if out.exists():
        out.rename(old / out.name)
    made.rename(out)
    shutil.rmtree(old)
