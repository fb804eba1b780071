"""Bundles of the shapes that classifiers of the MONAI Model Zoo have; weights at random."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.networks.nets import SEResNet50
from torch import nn

from medcontour.classifier import load_classifier
from medcontour.classifier.describe import describe_files
from medcontour.classifier.libraries import library
from medcontour.classifier.pretrained import never_fetching
from medcontour.errors import MedcontourError

Write = Callable[..., Path]

LOADED = [{"_target_": "LoadImaged", "keys": "image"}]
PATHOLOGY = {
    "imports": ["$import glob", "$import os"],
    "network_def": {
        "_target_": "TorchVisionFCModel",
        "model_name": "resnet18",
        "num_classes": 1,
        "use_conv": True,
        "pretrained": True,
    },
    "preprocessing": {
        "_target_": "Compose",
        "transforms": [
            {"_target_": "CastToTyped", "keys": "image", "dtype": "float32"},
            {
                "_target_": "ScaleIntensityRanged",
                "keys": "image",
                "a_min": 0.0,
                "a_max": 255.0,
                "b_min": -1.0,
                "b_max": 1.0,
            },
            {"_target_": "ToTensord", "keys": "image"},
        ],
    },
    "postprocessing": {
        "_target_": "Compose",
        "transforms": [{"_target_": "Activationsd", "keys": "pred", "sigmoid": True}],
    },
}
DENSITY = {
    "import": ["$import glob", "$import os", "$import torchvision"],
    "data": {"_target_": "scripts.createList.CreateImageLabelList", "filename": "./x.json"},
    "network_def": {
        "_target_": "TorchVisionFCModel",
        "model_name": "inception_v3",
        "num_classes": 4,
        "pool": None,
        "use_conv": False,
        "bias": True,
        "pretrained": True,
    },
    "preprocessing": {
        "_target_": "Compose",
        "transforms": [
            *LOADED,
            {"_target_": "EnsureChannelFirstd", "keys": "image", "channel_dim": 2},
            {"_target_": "ScaleIntensityd", "keys": "image", "minv": 0.0, "maxv": 1.0},
            {"_target_": "Resized", "keys": "image", "spatial_size": [299, 299]},
        ],
    },
    "postprocessing": PATHOLOGY["postprocessing"],
}
ENDOSCOPY = {
    "imports": ["$import json", "$import os", "$import torch"],
    "bundle_root": "/workspace/bundle/endoscopic_inbody_classification",
    "dataset_dir": "/workspace/data",
    "test_fp": "$open(@dataset_dir + '/test.json', 'r', encoding='utf8')",
    "network_def": {
        "_target_": "SEResNet50",
        "spatial_dims": 2,
        "in_channels": 3,
        "num_classes": 2,
        "pretrained": True,
    },
    "preprocessing": {
        "_target_": "Compose",
        "transforms": [
            *LOADED,
            {"_target_": "EnsureChannelFirstd", "keys": "image", "channel_dim": -1},
            {
                "_target_": "Resized",
                "keys": "image",
                "spatial_size": [64, 64],
                "mode": "bilinear",
            },
            {"_target_": "CastToTyped", "keys": "image", "dtype": "$torch.float32"},
            {
                "_target_": "NormalizeIntensityd",
                "keys": "image",
                "nonzero": True,
                "channel_wise": True,
            },
            {"_target_": "EnsureTyped", "keys": "image"},
        ],
    },
    "postprocessing": {
        "_target_": "Compose",
        "transforms": [
            {"_target_": "AsDiscreted", "keys": ["pred"], "argmax": True, "to_onehot": 2}
        ],
    },
}


@pytest.fixture
def nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(*arguments: Any, **options: Any) -> None:
        raise AssertionError("weights were fetched")

    for name in ("load_state_dict_from_url", "download_url_to_file"):
        monkeypatch.setattr(torch.hub, name, fetch)
    monkeypatch.setattr("torch.utils.model_zoo.load_url", fetch)


def picture(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)


@pytest.mark.slow
@pytest.mark.usefixtures("nothing_is_fetched")
@pytest.mark.parametrize("shape", [(40, 56), (40, 56, 3)])
def test_endoscopy_loads_as_it_comes(write_bundle: Write, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    network = SEResNet50(spatial_dims=2, in_channels=3, num_classes=2)
    labels = {"0": "in body", "1": "out body"}
    classifier = load_classifier(write_bundle(config=ENDOSCOPY, network=network, labels=labels))
    prepared = classifier.prepare(picture(*shape), (1.0, 1.0))
    assert prepared.tensor.shape == (3, 64, 64)
    score = classifier.score(prepared.tensor[None])
    with torch.no_grad():
        torch.testing.assert_close(
            score.sigmoid(), network.eval()(prepared.tensor[None]).softmax(1)
        )


@pytest.mark.usefixtures("nothing_is_fetched")
@pytest.mark.parametrize("config", [PATHOLOGY, DENSITY], ids=["pathology", "breast density"])
def test_without_torchvision_one_sentence_names_the_extra(
    write_bundle: Write, config: dict[str, Any]
) -> None:
    if library("torchvision") is not None:
        pytest.skip("torchvision is here")
    with pytest.raises(MedcontourError, match=r"needs torchvision.*medcontour\[benchmark\]"):
        load_classifier(write_bundle(config=config))


@pytest.mark.torchvision
@pytest.mark.usefixtures("nothing_is_fetched")
@pytest.mark.parametrize("shape", [(224, 224), (224, 224, 3)])
def test_pathology_patches_are_channels_first(write_bundle: Write, shape: tuple[int, ...]) -> None:
    from monai.networks.nets import TorchVisionFCModel

    network = TorchVisionFCModel("resnet18", 1, use_conv=True).eval()
    folder = write_bundle(config=PATHOLOGY, network=network, labels={"0": "metastasis"})
    classifier = load_classifier(folder)
    pixels = picture(*shape)
    prepared = classifier.prepare(pixels, (1.0, 1.0))
    colour = np.stack([pixels] * 3, -1) if pixels.ndim == 2 else pixels
    expected = torch.from_numpy(colour / 127.5 - 1).permute(2, 0, 1)
    torch.testing.assert_close(prepared.tensor, expected)
    assert prepared.index_from_input[:2].tolist() == [[0, 1, 0], [1, 0, 0]]
    with torch.no_grad():
        torch.testing.assert_close(
            classifier.score(prepared.tensor[None]), network(expected[None]).flatten(1)
        )


@pytest.mark.torchvision
@pytest.mark.usefixtures("nothing_is_fetched")
def test_breast_density_is_what_torchvision_makes_with_its_weights(write_bundle: Write) -> None:
    from monai.networks.nets import TorchVisionFCModel

    network = TorchVisionFCModel(
        "inception_v3", 4, pool=None, transform_input=True, init_weights=False
    ).eval()
    labels = {str(k): name for k, name in enumerate("ABCD")}
    classifier = load_classifier(write_bundle(config=DENSITY, network=network, labels=labels))
    prepared = classifier.prepare(picture(80, 60), (1.0, 1.0))
    with torch.no_grad():
        torch.testing.assert_close(
            classifier.score(prepared.tensor[None]), network(prepared.tensor[None])
        )


def test_defaults_that_would_fetch_are_turned_off() -> None:
    config = {
        "network_def": {"_target_": "EfficientNetBN", "model_name": "efficientnet-b0"},
        "other": {"_target_": "EfficientNetBN", "model_name": "efficientnet-b0"},
    }
    plain = never_fetching(config, "inference.json")
    assert plain["network_def"]["pretrained"] is False
    assert plain["other"] == config["other"]
    assert "pretrained" not in config["network_def"]


@pytest.mark.parametrize("suffix", [".json", ".yaml"])
def test_describing_a_bundle_runs_none_of_its_code(
    write_bundle: Write, tmp_path: Path, suffix: str
) -> None:
    ran = tmp_path / "ran"
    code = f"$open({str(ran)!r}, 'w').close()"
    config = {
        "imports": [code],
        "bundle_root": code,
        "network_def": {"_target_": "module_of_this_bundle.Net", "size": code},
        "preprocessing": code,
    }
    folder = write_bundle(config=config, suffix=suffix)
    (folder / "module_of_this_bundle.py").write_text(f"open({str(ran)!r}, 'w').close()")
    found = describe_files(folder)
    assert not ran.exists()
    assert found["labels"] == ["no nodule", "nodule"]
    assert found["network"] == "module_of_this_bundle.Net"
    assert len(found["weights_sha256"]) == 64
    with pytest.raises(MedcontourError):
        load_classifier(folder)
    assert ran.exists()  # what describing did not do


def test_what_is_described_is_what_is_loaded(write_bundle: Write, densenet: nn.Module) -> None:
    folder = write_bundle()
    found, classifier = describe_files(folder), load_classifier(folder)
    assert found["name"] == classifier.name
    assert tuple(found["labels"]) == classifier.labels
    assert found["weights_sha256"] == classifier.weights_sha256


def test_describing_torchscript_does_not_open_it(densenet: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "net.ts"
    extra = {"metadata.json": json.dumps({"name": "lung"})}
    torch.jit.save(torch.jit.script(densenet), str(path), _extra_files=extra)
    assert describe_files(path) == {
        "name": "lung",
        "labels": None,
        "network": "TorchScript",
        "weights": "net.ts",
        "weights_sha256": None,
    }
