from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import torch
from monai.bundle import ConfigParser
from torch import nn

from medcontour.classifier import Classifier, NetworkClassifier, load_classifier, target_index
from medcontour.errors import MedcontourError

Write = Callable[..., Path]


def log_odds(network: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return torch.logit(network(inputs).double().softmax(1)).float()


@pytest.mark.parametrize("weights", ["model.pt", "model.safetensors"])
@pytest.mark.parametrize("suffix", [".json", ".yaml", ".yml"])
def test_a_bundle(
    write_bundle: Write, densenet: nn.Module, plane: Any, weights: str, suffix: str
) -> None:
    folder = write_bundle(weights=weights, suffix=suffix)
    classifier = load_classifier(folder)
    assert classifier.name == "Small bundle"
    assert classifier.labels == ("no nodule", "nodule")
    prepared = classifier.prepare(plane, (0.5, 0.5))
    assert prepared.tensor.shape == (1, 48, 64)
    inputs = prepared.tensor[None]
    torch.testing.assert_close(
        classifier.score(inputs), log_odds(densenet, inputs), rtol=1e-4, atol=1e-5
    )
    of_network = load_classifier(densenet, labels=["no", "yes"])
    assert classifier.weights_sha256 == of_network.weights_sha256


def test_loading_a_bundle_says_first_that_it_runs_code_and_nothing_else(
    write_bundle: Write, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    load_classifier(write_bundle())
    [record] = caplog.records
    assert "can run code of its own" in record.getMessage()
    assert not recwarn.list


def test_a_bundle_gives_what_its_own_configuration_gives_from_the_file(
    write_bundle: Write, densenet: nn.Module, sample_data: Path
) -> None:
    preprocessing = {
        "_target_": "Compose",
        "transforms": [
            {"_target_": "LoadImaged", "keys": "image", "reader": "PydicomReader"},
            {"_target_": "EnsureChannelFirstd", "keys": "image", "channel_dim": "no_channel"},
            {
                "_target_": "ScaleIntensityRanged",
                "keys": "image",
                "a_min": -1000,
                "a_max": 400,
                "b_min": 0,
                "b_max": 1,
                "clip": True,
            },
            {
                "_target_": "Resized",
                "keys": "image",
                "spatial_size": 96,
                "size_mode": "longest",
                "mode": "bilinear",
            },
            {"_target_": "ResizeWithPadOrCropd", "keys": "image", "spatial_size": [96, 96]},
        ],
    }
    folder = write_bundle(config={"preprocessing": preprocessing})
    file = sorted((sample_data / "ct_study").glob("*.dcm"))[0]

    parser = ConfigParser()
    parser.read_config(str(folder / "configs" / "inference.json"))
    loaded = parser.get_parsed_content("preprocessing")({"image": str(file)})["image"].as_tensor()

    dataset = pydicom.dcmread(file)
    pixels = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
    row_mm, column_mm = (float(mm) for mm in dataset.PixelSpacing)
    classifier = load_classifier(folder)
    prepared = classifier.prepare(pixels.astype(np.float32), (row_mm, column_mm))

    torch.testing.assert_close(prepared.tensor, loaded.float(), rtol=0, atol=0)
    torch.testing.assert_close(
        classifier.score(prepared.tensor[None]),
        log_odds(densenet, loaded[None].float()),
        rtol=1e-4,
        atol=1e-5,
    )


def test_half_precision_weights_in_a_single_precision_network(write_bundle: Write) -> None:
    torch.manual_seed(0)
    folder = write_bundle(weights=None)
    half = load_small().half()
    torch.save(half.state_dict(), folder / "models" / "model.pt")
    inputs = torch.rand(1, 1, 48, 64)
    torch.testing.assert_close(
        load_classifier(folder).score(inputs),
        log_odds(half.float(), inputs),
        rtol=1e-4,
        atol=1e-5,
    )


def load_small() -> nn.Module:
    from monai.networks.nets import DenseNet

    torch.manual_seed(3)
    return DenseNet(2, 1, 2, init_features=8, growth_rate=4, block_config=(1, 1)).eval()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"model": state, "epoch": 3},
        lambda state: {"state_dict": state, "optimizer": {"state": {}}},
        lambda state: {f"module.{key}": value for key, value in state.items()},
        lambda state: {"network": {f"module.{key}": value for key, value in state.items()}},
    ],
    ids=["model", "state_dict", "module.", "both"],
)
def test_checkpoints_and_parallel_networks(
    write_bundle: Write, densenet: nn.Module, wrap: Callable[[Any], Any]
) -> None:
    folder = write_bundle()
    expected = load_classifier(folder).weights_sha256
    torch.save(wrap(densenet.state_dict()), folder / "models" / "model.pt")
    assert load_classifier(folder).weights_sha256 == expected


def test_expressions_references_and_modules_of_the_bundle(write_bundle: Write) -> None:
    folder = write_bundle(
        config={
            "imports": ["$import math"],
            "size": "$math.isqrt(2500)",
            "network_def": None,
            "network": None,
            "net": {"_target_": "layers_of_this_bundle.make", "outputs": "$1 + 1"},
            "transforms": {
                "_target_": "Compose",
                "transforms": [
                    {"_target_": "EnsureChannelFirst"},
                    {"_target_": "Resize", "spatial_size": ["@size", 40]},
                ],
            },
            "preprocessing": None,
        }
    )
    (folder / "layers_of_this_bundle.py").write_text(
        "from torch import nn\n"
        "def make(outputs):\n"
        "    return nn.Sequential(nn.Conv2d(1, outputs, 3), nn.AdaptiveAvgPool2d(1))\n"
    )
    state = nn.Sequential(nn.Conv2d(1, 2, 3)).state_dict()
    torch.save(state, folder / "models" / "model.pt")
    classifier = load_classifier(folder)
    prepared = classifier.prepare(np.eye(30, dtype=np.float32), (1.0, 1.0))
    assert prepared.tensor.shape == (1, 50, 40)
    assert classifier.score(prepared.tensor[None]).shape == (1, 2)


def test_paths_of_the_configuration_begin_in_the_bundle(
    write_bundle: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = write_bundle(
        config={
            "imports": ["$import json"],
            "size": "$json.load(open(@bundle_root + '/size.json'))",
            "preprocessing": {
                "_target_": "Compose",
                "transforms": [
                    {"_target_": "EnsureChannelFirst"},
                    {"_target_": "Resize", "spatial_size": "@size"},
                ],
            },
        }
    )
    (folder / "size.json").write_text("[20, 24]")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    prepared = load_classifier(folder).prepare(np.eye(30, dtype=np.float32), (1.0, 1.0))
    assert prepared.tensor.shape == (1, 20, 24)


def test_a_bundle_whose_postprocessing_applies_a_sigmoid(
    write_bundle: Write, densenet: nn.Module
) -> None:
    postprocessing = {
        "_target_": "Compose",
        "transforms": [{"_target_": "Activationsd", "keys": "pred", "sigmoid": True}],
    }
    folder = write_bundle(config={"postprocessing": postprocessing})
    inputs = torch.rand(2, 1, 48, 48)
    with torch.no_grad():
        expected = densenet(inputs)
    torch.testing.assert_close(load_classifier(folder).score(inputs), expected)
    torch.testing.assert_close(
        load_classifier(folder, outputs="softmax").score(inputs),
        log_odds(densenet, inputs),
        rtol=1e-4,
        atol=1e-5,
    )


def test_a_bundle_without_preprocessing_takes_the_default(write_bundle: Write, plane: Any) -> None:
    classifier = load_classifier(write_bundle(config={"preprocessing": None}))
    assert classifier.prepare(plane, (1.0, 1.0)).tensor.shape == (1, 50, 80)


def test_what_is_given_goes_before_what_the_bundle_says(
    write_bundle: Write, tmp_path: Path
) -> None:
    folder = write_bundle(weights=None)
    other = load_small()
    torch.save(other.state_dict(), tmp_path / "other.pt")
    classifier = load_classifier(
        folder,
        weights=tmp_path / "other.pt",
        labels=["nothing", "something"],
        preprocessing=lambda image: image[None],
        name="mine",
    )
    assert (classifier.name, classifier.labels) == ("mine", ("nothing", "something"))
    plane = np.full((9, 7), 5.0, dtype=np.float32)
    assert torch.equal(classifier.prepare(plane, (1.0, 1.0)).tensor, torch.full((1, 7, 9), 5.0))
    inputs = torch.rand(1, 1, 48, 48)
    torch.testing.assert_close(
        classifier.score(inputs), log_odds(other, inputs), rtol=1e-4, atol=1e-5
    )


def test_a_bundle_without_a_name_is_called_after_its_folder(write_bundle: Write) -> None:
    folder = write_bundle()
    path = folder / "configs" / "metadata.json"
    metadata = json.loads(path.read_text())
    del metadata["name"]
    path.write_text(json.dumps(metadata))
    assert load_classifier(folder).name == "bundle"


@pytest.mark.parametrize("bundle", ["nodule_classifier", "breast_us_classifier"])
def test_the_sample_bundles(sample_data: Path, bundle: str, plane: Any) -> None:
    classifier: Classifier = load_classifier(sample_data / bundle)
    assert isinstance(classifier, NetworkClassifier)
    assert target_index(classifier) == 1
    prepared = classifier.prepare(plane, (0.5, 0.5))
    inputs = prepared.tensor[None]
    torch.testing.assert_close(
        classifier.score(inputs), log_odds(classifier.network, inputs), rtol=1e-4, atol=1e-4
    )
    assert classifier.embed(inputs).shape[1] > 2


# What can be wrong with a bundle.


def broken(path: str, content: str | bytes | None) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        file = folder / path
        if content is None:
            shutil.rmtree(file) if file.is_dir() else file.unlink()
        else:
            file.write_bytes(content if isinstance(content, bytes) else content.encode())

    return apply


def stored(value: Any) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        torch.save(value, folder / "models" / "model.pt")

    return apply


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (broken("configs", None), r"bundle is no MONAI bundle: it has no configs/metadata\.json"),
        (broken("configs/metadata.json", "{"), r"metadata\.json cannot be read"),
        (broken("configs/metadata.json", "[1]"), r"metadata\.json holds no names and values"),
        (broken("configs/inference.json", None), r"no configs/inference\.json"),
        (broken("configs/inference.json", "{'a'"), r"inference\.json cannot be read"),
        (broken("configs/inference.json", "{}"), r'inference\.json has no "network_def"'),
        (
            broken("configs/inference.json", '{"network_def": {"_target_": "no.such.Net"}}'),
            r'"network_def" in .*inference\.json cannot be built \(.*no\.such\.Net',
        ),
        (
            broken("configs/inference.json", '{"network_def": {"_target_": "Resize", "a": 1}}'),
            r'"network_def" in .*inference\.json cannot be built \(',
        ),
        (
            broken("configs/inference.json", '{"network_def": [1, 2]}'),
            r'"network_def" in .*inference\.json gives a list, not a PyTorch network',
        ),
        (broken("models", None), r"bundle has no weights; put them at models/model\.safetensors"),
        (broken("models/model.pt", b""), r"model\.pt is no readable file of weights"),
        (broken("models/model.pt", b"\x80\x02no"), r"model\.pt (is no readable|holds more than)"),
        (
            broken("models/model.safetensors", b"nothing of the kind"),
            r"model\.safetensors is no readable file of weights",
        ),
        (stored({"a": Path("x")}), r"model\.pt holds more than weights.*could run code"),
        (stored(nn.Linear(2, 2)), r"model\.pt holds more than weights.*state_dict\(\) alone"),
        (stored({"epoch": 3}), r"model\.pt holds no state dict"),
        (stored([torch.ones(2)]), r"model\.pt holds no state dict"),
    ],
)
def test_a_broken_bundle_is_one_sentence(
    write_bundle: Write, damage: Callable[[Path], None], says: str
) -> None:
    folder = write_bundle()
    damage(folder)
    with pytest.raises(MedcontourError, match=says) as raised:
        load_classifier(folder)
    assert "\n" not in str(raised.value)
    assert str(raised.value).endswith(".")


def test_weights_that_do_not_fit_the_network(write_bundle: Write) -> None:
    folder = write_bundle()
    state = torch.load(folder / "models" / "model.pt", weights_only=True)
    state["class_layers.out.bias"] = torch.zeros(5)
    state["extra"] = state.pop("class_layers.out.weight")
    torch.save(state, folder / "models" / "model.pt")
    total = len(state)
    with pytest.raises(
        MedcontourError,
        match=rf"model\.pt do not fit the network \(1 of its {total} tensors are missing, 1 are "
        "unknown to it, 1 have another shape",
    ):
        load_classifier(folder)


@pytest.mark.parametrize("channel_def", [{"1": "a", "2": "b"}, {"no": "a", "yes": "b"}, ["a"], "a"])
def test_labels_that_are_not_numbered_from_0(write_bundle: Write, channel_def: Any) -> None:
    with pytest.raises(MedcontourError, match=r"metadata\.json has a channel_def that does not"):
        load_classifier(write_bundle(labels=channel_def))


def test_labels_in_the_order_of_their_numbers(write_bundle: Write) -> None:
    many = {str(i): f"class {i}" for i in reversed(range(12))}
    assert load_classifier(write_bundle(labels=many)).labels[2:4] == ("class 2", "class 3")


def test_preprocessing_that_is_no_transform(write_bundle: Write) -> None:
    with pytest.raises(MedcontourError, match=r'"preprocessing" in .* is no transform'):
        load_classifier(write_bundle(config={"preprocessing": [1, 2]}))
