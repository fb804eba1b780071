"""Networks by name, with random weights where the published ones belong: what is loaded, how it
takes a photograph, and what is said when the weights are not there."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
import random_weights
import torch
from PIL import Image
from skimage import data as pictures

from medcontour.benchmark.network import scores
from medcontour.classifier import NetworkClassifier, load_classifier
from medcontour.errors import MedcontourError

pytestmark = pytest.mark.torchvision

CNN, VIT, WARPED, FEATURES = (
    "resnet18.a1_in1k",
    "vit_tiny_patch16_224",
    "convnextv2_nano.fcmae_ft_in22k_in1k_384",
    "vit_small_patch16_224.dino",
)
# Resized to 256, a photograph of 98 x 147 has 384 columns; by way of 256 / 98 it would have 383.
SIZES = [None, (98, 147), (147, 98), (500, 375)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of our own, and no other."""
    import huggingface_hub

    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(folder))
        patch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folder / "hub"))
        yield folder
    shutil.rmtree(folder)  # networks are large


def _photograph(size: tuple[int, int] | None) -> Image.Image:
    picture = Image.fromarray(pictures.rocket())
    return picture.resize(size[::-1]) if size else picture


def _prepared_alike(model: NetworkClassifier, judge: Callable[[Image.Image], torch.Tensor]) -> None:
    for size in SIZES:
        photograph = _photograph(size)
        found = model.prepare(np.asarray(photograph, dtype=np.float32), (1.0, 1.0)).tensor
        torch.testing.assert_close(found, judge(photograph))


@pytest.mark.parametrize("name", ["resnet50", "vit_b_16"])
def test_torchvisions_networks_are_as_torchvision_uses_them(home: Path, name: str) -> None:
    from torchvision import models

    state = random_weights.torchvision_state(home, name)
    model = load_classifier(name)
    assert random_weights.same_state(model.network, state)
    assert not any(module.training for module in model.network.modules())
    weights = models.get_model_weights(name).IMAGENET1K_V1
    _prepared_alike(model, weights.transforms())
    assert (model.name, model.outputs) == (name, "softmax")
    names = weights.meta["categories"]
    folded = [name.casefold() for name in names]
    assert model.labels == tuple(
        name if folded.count(name.casefold()) == 1 else f"{name} ({index})"
        for index, name in enumerate(names)
    )
    theirs = models.get_model(name, weights=None).eval()
    theirs.load_state_dict(state)
    image = weights.transforms()(_photograph(None))[None]
    with torch.no_grad():
        torch.testing.assert_close(scores(model, image), theirs(image).softmax(1))


@pytest.mark.parametrize("name", [CNN, VIT, WARPED, FEATURES])
def test_timms_networks_are_as_timm_uses_them(home: Path, name: str) -> None:
    import timm

    state = random_weights.timm_state(home, name)
    model = load_classifier(name)
    assert random_weights.same_state(model.network, state)
    assert not any(module.training for module in model.network.modules())
    used = timm.data.resolve_model_data_config(model.network)
    _prepared_alike(model, timm.data.create_transform(**used, is_training=False))
    if name == FEATURES:
        assert (model.outputs, model.labels) == ("embedding", ())
    else:
        assert (model.outputs, len(model.labels)) == ("softmax", 1000)
        assert model.labels.index("tench, Tinca tinca") == 0
        assert model.labels[999].startswith("toilet tissue")


def test_dino_gives_its_class_token(home: Path) -> None:
    from torchvision import transforms

    state = random_weights.dino_state(home)
    model = load_classifier("dino-vitb16")
    assert random_weights.same_state(model.network, state)
    assert not any(module.training for module in model.network.modules())
    assert (model.outputs, model.labels) == ("embedding", ())
    # As DINO's own evaluation takes images.
    usual = transforms.Compose(
        [
            transforms.Resize(256, interpolation=transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    _prepared_alike(model, usual)
    image = usual(_photograph(None))[None]
    with torch.no_grad():
        tokens = model.network.forward_features(image)
    assert tokens.shape == (1, 197, 768)
    torch.testing.assert_close(scores(model, image), tokens[:, 0])


class _Code:
    """What runs a command when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, (str(self.file),))


@pytest.mark.parametrize(
    ("name", "file"),
    [("resnet18", "resnet18-f37072fd.pth"), ("dino-vitb16", "dino_vitbase16_pretrain.pth")],
)
def test_a_file_that_would_run_code_is_refused(
    name: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    where = tmp_path / "hub" / "checkpoints" / file
    where.parent.mkdir(parents=True)
    torch.save({"conv1.weight": _Code(tmp_path / "run")}, where)
    with pytest.raises(MedcontourError, match=rf"{file} does not hold the weights of {name}"):
        load_classifier(name)
    assert not (tmp_path / "run").exists()
    with pytest.raises(pickle.UnpicklingError):
        torch.load(where, weights_only=True)


def test_weights_of_another_network_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    where = tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    where.parent.mkdir(parents=True)
    torch.save({"weight": torch.zeros(3)}, where)
    with pytest.raises(MedcontourError, match="delete it, so that it is fetched again"):
        load_classifier("resnet18")
    where.write_bytes(b"half a file")
    with pytest.raises(MedcontourError, match="delete it, so that it is fetched again"):
        load_classifier("resnet18")


def test_what_is_fetched_must_have_the_published_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"something else")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(torch.hub, "urlopen", lambda request: urlopen(other.as_uri()))
    with pytest.raises(MedcontourError, match=r"could not be fetched \(RuntimeError\)") as caught:
        load_classifier("resnet18")
    assert "invalid hash value" in str(caught.value.__cause__)
    assert not any(path.is_file() for path in (tmp_path / "home").rglob("*"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fcn_resnet50", "Neither torchvision nor timm has a classifier"),
        ("resnet51", "Neither torchvision nor timm has a classifier"),
        ("deepseek_vit_412m", "crop mode border"),
        ("vit_base_patch16_18x2_224", "timm has no weights"),
    ],
)
def test_networks_that_are_not_taken(name: str, words: str) -> None:
    with pytest.raises(MedcontourError, match=words):
        load_classifier(name)


ASK = "import sys; from medcontour import load_classifier; print(load_classifier(sys.argv[1]).name)"


@pytest.mark.parametrize("name", ["resnet18", CNN])
def test_without_a_network_the_sentence_says_what_to_put_where(name: str, tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9"
    environment = {
        **{key: value for key, value in os.environ.items() if "proxy" not in key.lower()},
        "TORCH_HOME": str(tmp_path / "torch"),
        "HF_HOME": str(tmp_path / "huggingface"),
        "https_proxy": nowhere,
        "http_proxy": nowhere,
    }

    def ask(**more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", ASK, name]
        return subprocess.run(
            command, env=environment | more, capture_output=True, text=True, timeout=300
        )

    # Where the hub cannot be reached it tries for long; told that it is offline, it does not.
    refused = ask(HF_HUB_OFFLINE="1")
    assert refused.returncode == 1
    said = refused.stderr.splitlines()[-1]
    assert f"The weights of {name} are not in the cache and could not be fetched" in said
    if name == CNN:
        where = tmp_path / "huggingface" / "hub"
        made = tmp_path / "elsewhere"
        state = random_weights.timm_state(made, name)
        assert '"hf download timm/resnet18.a1_in1k"' in said
        assert said.endswith(f"into {where}.")
        folder = said.split("put the folder ")[1].split(",")[0]
        shutil.copytree(made / "hub" / folder, where / folder)
    else:
        state = random_weights.torchvision_state(tmp_path / "elsewhere", name)
        url, where = said.split(", put ")[1].rstrip(".").split(" as ")
        [file] = (tmp_path / "elsewhere").rglob("*.pth")
        assert url == f"https://download.pytorch.org/models/{file.name}"
        shutil.move(file, where)
    assert state
    found = ask()
    assert found.returncode == 0, found.stderr
    assert found.stdout.split() == [name]


def test_a_network_that_timm_made_brings_its_own_preparation() -> None:
    import timm

    network = timm.create_model(CNN)
    model = load_classifier(network)
    used = timm.data.resolve_model_data_config(network)
    _prepared_alike(model, timm.data.create_transform(**used, is_training=False))
    assert len(model.labels) == 1000
    assert load_classifier(timm.create_model(VIT, num_classes=0)).outputs == "embedding"


@pytest.mark.parametrize("name", ["torchvision:resnet18", f"timm:{CNN}"])
def test_a_network_by_name_with_weights_of_ones_own(name: str, tmp_path: Path) -> None:
    import timm
    from torchvision import models

    made = (
        timm.create_model(CNN, num_classes=2) if "timm" in name else models.resnet18(num_classes=2)
    )
    state = {f"model.{key}": value for key, value in made.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "own.ckpt")
    model = load_classifier(name, weights=tmp_path / "own.ckpt", labels=["no", "yes"])
    assert random_weights.same_state(model.network, made.state_dict())
    prepared = model.prepare(np.asarray(_photograph((98, 147)), dtype=np.float32), (1.0, 1.0))
    assert model.score(prepared.tensor[None]).shape == (1, 2)
