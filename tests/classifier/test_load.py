"""TorchScript, networks from Python, and what is no classifier."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.bundle import ckpt_export
from monai.data import save_net_with_metadata
from monai.transforms import Compose, EnsureChannelFirst, Resize
from safetensors.torch import save_file
from torch import nn

from medcontour.classifier import load_classifier
from medcontour.errors import MedcontourError

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")


def write_torchscript(network: nn.Module, path: Path) -> Path:
    torch.jit.script(network).save(str(path))
    return path


@pytest.mark.parametrize("suffix", [".ts", ".pt", ".pth"])
def test_torchscript(densenet: nn.Module, plane: Any, tmp_path: Path, suffix: str) -> None:
    path = write_torchscript(densenet.train(), tmp_path / f"chest{suffix}")
    scripted = load_classifier(path, labels=["no", "yes"])
    eager = load_classifier(densenet, labels=["no", "yes"])
    assert scripted.name == "chest"
    assert scripted.weights_sha256 == eager.weights_sha256
    inputs = scripted.prepare(plane, (1.0, 1.0)).tensor[None].requires_grad_()
    torch.testing.assert_close(scripted.score(inputs), eager.score(inputs))
    (gradient,) = torch.autograd.grad(scripted.score(inputs)[0, 1], inputs)
    (expected,) = torch.autograd.grad(eager.score(inputs)[0, 1], inputs)
    torch.testing.assert_close(gradient, expected)
    with torch.no_grad():
        torch.testing.assert_close(scripted.embed(inputs), densenet.eval()(inputs))


def test_a_frozen_torchscript(densenet: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "frozen.ts"
    torch.jit.freeze(torch.jit.script(densenet.eval())).save(str(path))
    inputs = torch.rand(1, 1, 48, 48)
    torch.testing.assert_close(
        load_classifier(path, labels=["no", "yes"]).score(inputs),
        load_classifier(densenet, labels=["no", "yes"]).score(inputs),
        rtol=1e-4,
        atol=1e-5,
    )


def test_monais_export_of_a_bundle_brings_labels_and_preprocessing(
    write_bundle: Callable[..., Path], plane: Any, tmp_path: Path
) -> None:
    folder = write_bundle()
    exported = tmp_path / "exported.ts"
    ckpt_export(
        net_id="network_def",
        filepath=str(exported),
        ckpt_file=str(folder / "models" / "model.pt"),
        meta_file=str(folder / "configs" / "metadata.json"),
        config_file=str(folder / "configs" / "inference.json"),
    )
    bundle, script = load_classifier(folder), load_classifier(exported)
    assert (script.name, script.labels) == (bundle.name, bundle.labels)
    assert script.weights_sha256 == bundle.weights_sha256
    ours, theirs = (c.prepare(plane, (0.5, 0.7)) for c in (script, bundle))
    assert torch.equal(ours.tensor, theirs.tensor)
    np.testing.assert_array_equal(ours.index_from_input, theirs.index_from_input)
    inputs = ours.tensor[None]
    torch.testing.assert_close(script.score(inputs), bundle.score(inputs))

    (folder / "models" / "model.pt").unlink()
    exported.rename(folder / "models" / "model.ts")
    torch.testing.assert_close(load_classifier(folder).score(inputs), bundle.score(inputs))


def test_a_torchscript_saved_with_metadata(densenet: nn.Module, tmp_path: Path) -> None:
    channel_def = {"0": "healthy", "1": "ill"}
    metadata = {"network_data_format": {"outputs": {"pred": {"channel_def": channel_def}}}}
    path = tmp_path / "lung.ts"
    save_net_with_metadata(torch.jit.script(densenet), str(path), meta_values=metadata)
    classifier = load_classifier(path)
    assert (classifier.name, classifier.labels) == ("lung", ("healthy", "ill"))
    given = load_classifier(path, labels=["0", "1"], preprocessing=lambda image: image[None] * 2)
    assert given.labels == ("0", "1")
    prepared = given.prepare(np.ones((40, 50), dtype=np.float32), (1.0, 1.0))
    assert torch.equal(prepared.tensor, torch.full((1, 50, 40), 2.0))


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_network_with_a_file_of_weights(densenet: nn.Module, tmp_path: Path, suffix: str) -> None:
    state = {name: value + 1 for name, value in densenet.state_dict().items()}
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pt":
        torch.save(state, path)
    else:
        save_file(state, path)
    classifier = load_classifier(densenet, weights=path, labels=["no", "yes"])
    assert torch.equal(
        densenet.state_dict()["class_layers.out.bias"], state["class_layers.out.bias"]
    )
    assert classifier.name == "DenseNet"


def test_a_network_with_monai_transforms(densenet: nn.Module, plane: Any) -> None:
    classifier = load_classifier(
        densenet,
        labels=["no", "yes"],
        preprocessing=Compose([EnsureChannelFirst(), Resize((32, 40))]),
    )
    assert classifier.prepare(plane, (1.0, 1.0)).tensor.shape == (1, 32, 40)


def test_what_follows_the_protocol_is_returned_as_it_is(densenet: nn.Module) -> None:
    classifier = load_classifier(densenet, labels=["no", "yes"])
    assert load_classifier(classifier) is classifier


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(MedcontourError, match=r"There is no .* at .*missing\.ts; check the path"):
        load_classifier(tmp_path / "missing.ts")


def test_a_folder_that_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(MedcontourError, match="is no MONAI bundle"):
        load_classifier(tmp_path)


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("not a network"),
        lambda path: torch.save({"a": torch.ones(3)}, path),
    ],
    ids=["empty", "text", "weights"],
)
def test_a_file_that_is_no_torchscript(tmp_path: Path, write: Callable[[Path], Any]) -> None:
    path = tmp_path / "model.pt"
    write(path)
    with pytest.raises(MedcontourError, match=r"model\.pt is no TorchScript network.*weights="):
        load_classifier(path, labels=["no", "yes"])


def test_a_torchscript_without_labels(densenet: nn.Module, tmp_path: Path) -> None:
    classifier = load_classifier(write_torchscript(densenet, tmp_path / "net.ts"))
    assert classifier.labels == ("class 0", "class 1")
    assert any("without names of its classes" in note for note in classifier.notes)


def test_weights_for_a_torchscript(densenet: nn.Module, tmp_path: Path) -> None:
    path = write_torchscript(densenet, tmp_path / "net.ts")
    with pytest.raises(MedcontourError, match="have no network"):
        load_classifier(path, weights=path, labels=["no", "yes"])


def test_a_torchscript_with_damaged_metadata(densenet: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "net.ts"
    extra = {"metadata.json": json.dumps({"a": 1})[:-1]}
    torch.jit.save(torch.jit.script(densenet), str(path), _extra_files=extra)
    with pytest.raises(MedcontourError, match=r"net\.ts"):
        load_classifier(path, labels=["no", "yes"])


def test_missing_weights_for_a_network(densenet: nn.Module, tmp_path: Path) -> None:
    with pytest.raises(MedcontourError, match=r"There is no file .*none\.pt"):
        load_classifier(densenet, weights=tmp_path / "none.pt", labels=["no", "yes"])


def test_what_is_no_classifier() -> None:
    with pytest.raises(MedcontourError, match="A dict is no classifier"):
        load_classifier({"a": 1})  # type: ignore[arg-type]


@pytest.mark.parametrize("device", ["warp drive", "cuda:99"])
def test_a_device_that_is_not_there(densenet: nn.Module, device: str) -> None:
    with pytest.raises(MedcontourError, match=f'device "{device}" is not there'):
        load_classifier(densenet, labels=["no", "yes"], device=device)


def test_cuda_without_a_cuda_device(densenet: nn.Module) -> None:
    if torch.cuda.is_available():
        assert load_classifier(densenet, labels=["no", "yes"], device="cuda").labels
    else:
        with pytest.raises(MedcontourError, match='choose "cpu"'):
            load_classifier(densenet, labels=["no", "yes"], device="cuda")
