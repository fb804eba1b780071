"""Methods on ResNet-50 and DINO ViT-B/16 of random weights, Grad-CAM++ as its package is used by
hand, and the commands end to end."""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import random_weights
import tiny_data
import torch
from PIL import Image
from skimage import data as pictures
from torch import Tensor, nn
from typer.testing import CliRunner

import medcontour.cli  # noqa: F401  (all commands enter the app)
from medcontour.benchmark import METHODS, method_named
from medcontour.benchmark.methods import (
    ExtremalPerturbations,
    GradCamPlusPlus,
    GradientShap,
    Iba,
    ImplicitMask,
    IntegratedGradients,
    MeaningfulPerturbations,
    Method,
    Occlusion,
    RandomContour,
    Relax,
    Rise,
    SmoothMask,
    TrainingImages,
    feature_layer,
    held,
)
from medcontour.benchmark.methods.grad_cam import by_hooks
from medcontour.benchmark.network import explained, scores
from medcontour.classifier import NetworkClassifier, PhotoInput, load_classifier
from medcontour.cli.app import app
from medcontour.errors import MedcontourError
from medcontour.explain import PRESETS

pytestmark = pytest.mark.torchvision

TARGET = torch.tensor([7])
# Score-CAM takes thousands of passes, one a channel; the others are trained on other images.
NOT_HERE = ("score-cam", "nem-u", "nemt", "amortised-contour")
FEW: dict[str, Method] = {
    "gradient-shap": GradientShap(samples=2),
    "integrated-gradients": IntegratedGradients(steps=3),
    "smooth-mask": SmoothMask(steps=3),
    "rise": Rise(masks=6),
    "occlusion": Occlusion(window=0.5),
    "meaningful-perturbations": MeaningfulPerturbations(steps=3),
    "extremal-perturbations": ExtremalPerturbations(steps=2),
    "relax": Relax(masks=6),
    "iba": Iba(steps=2, samples=2),
    "inr": ImplicitMask(steps=3),
    "random": RandomContour(area=0.1),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    import huggingface_hub

    folder = tmp_path_factory.mktemp("cache")
    for name in ("resnet50", "vit_b_16"):
        random_weights.torchvision_state(folder, name)
    for name in ("resnet18.a1_in1k", "vit_tiny_patch16_224"):
        random_weights.timm_state(folder, name)
    random_weights.dino_state(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(folder))
        patch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folder / "hub"))
        yield folder
    shutil.rmtree(folder)  # networks are large


@pytest.fixture(scope="module")
def networks(home: Path) -> dict[str, NetworkClassifier]:
    small = PhotoInput((96, 96), resize=96)  # a convolutional network takes any size
    return {
        "resnet50": load_classifier("resnet50", preprocessing=small),
        "dino-vitb16": load_classifier("dino-vitb16"),
    }


def _image(model: NetworkClassifier) -> Tensor:
    pixels = np.asarray(pictures.coffee(), dtype=np.float32)
    return model.prepare(pixels, (1.0, 1.0)).tensor[None]


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches of a few steps: large networks are slow on a processor."""
    for preset in ("fast", "paper"):
        few = replace(PRESETS[preset], steps=3, model_steps=min(3, PRESETS[preset].model_steps))
        monkeypatch.setitem(PRESETS, preset, few)


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize("network", ["resnet50", "dino-vitb16"])
@pytest.mark.parametrize("name", [name for name in METHODS if name not in NOT_HERE])
def test_every_method_explains_the_papers_networks(
    networks: dict[str, NetworkClassifier], network: str, name: str
) -> None:
    model = networks[network]
    image = _image(model)
    embeds = model.outputs == "embedding"
    target = torch.tensor([0]) if embeds else scores(model, image).argmax(1)
    method = FEW.get(name, method_named(name))
    if isinstance(method, Iba):
        others = torch.randn(4, *image.shape[1:]), torch.zeros(4, dtype=torch.int64)
        method = replace(method, training=TrainingImages("noise", lambda: others))
    shown = explained(model, image, cosine=method.draws_contour).network
    if (name, network) == ("attention-rollout", "resnet50"):
        with pytest.raises(MedcontourError, match="vision transformer"):
            method(shown, image, target)
        return
    found = method(shown, image, target)
    assert found.maps.shape == (1, 1, *image.shape[2:])
    assert found.maps.isfinite().all()
    assert float(found.maps.max()) > float(found.maps.min())
    assert found.evaluations.isfinite().all()


def _by_hand(
    model: nn.Module, layer: nn.Module, image: Tensor, reshape: Callable[[Tensor], Tensor] | None
) -> Tensor:
    """As the package's own pages show it."""
    from pytorch_grad_cam import GradCAMPlusPlus
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    with GradCAMPlusPlus(model, [layer], reshape_transform=reshape) as cam:
        return torch.as_tensor(cam(image, targets=[ClassifierOutputTarget(int(TARGET))]))


def _patches(tokens: Tensor) -> Tensor:
    return tokens[:, 1:].reshape(len(tokens), 14, 14, -1).permute(0, 3, 1, 2)


@pytest.mark.parametrize(
    ("name", "layer", "reshape"),
    [
        ("resnet50", "layer4.2", None),
        ("resnet18.a1_in1k", "layer4.1", None),
        ("vit_b_16", "encoder.layers.encoder_layer_11.ln_1", _patches),
        ("vit_tiny_patch16_224", "blocks.11.norm1", _patches),
    ],
)
def test_grad_cam_is_the_packages_on_the_last_layer_with_places(
    home: Path, name: str, layer: str, reshape: Callable[[Tensor], Tensor] | None
) -> None:
    model = load_classifier(name)
    image = _image(model)
    method = GradCamPlusPlus()
    assert method.library == "grad-cam"
    found = method(model.network, image, TARGET).maps[:, 0]
    judge = _by_hand(model.network, model.network.get_submodule(layer), image, reshape)
    assert float(judge.max()) > 0.5
    torch.testing.assert_close(found, judge, atol=1e-5, rtol=0)
    # Where the package is not installed, hooks of our own give the same.
    with held(model.network, image):
        chosen = feature_layer(model.network, image, TARGET)
        own = by_hooks(model.network, image, TARGET, chosen)[:, 0]
    torch.testing.assert_close(own, judge, atol=1e-4, rtol=0)


def test_grad_cam_of_dino_follows_the_embeddings_own_direction(
    networks: dict[str, NetworkClassifier],
) -> None:
    """The dot product with the image's own unit embedding, as a class of the package."""
    from pytorch_grad_cam import GradCAMPlusPlus

    model = networks["dino-vitb16"]
    image = _image(model)
    own = scores(model, image)[0]
    layer = model.network.get_submodule("blocks.11.norm1")
    with GradCAMPlusPlus(model.network, [layer], reshape_transform=_patches) as cam:
        judge = torch.as_tensor(cam(image, targets=[lambda output: output @ own / (own @ own)]))
    shown = explained(model, image, cosine=False).network
    found = GradCamPlusPlus()(shown, image, torch.tensor([0])).maps[:, 0]
    torch.testing.assert_close(found, judge, atol=1e-5, rtol=0)


def _published(folder: Path, kaggle: bool) -> Path:
    """Two photographs of one object each, laid out as ImageNet is handed out."""
    boxes = {
        "ILSVRC2012_val_00000001": (100, 60, 300, 260),
        "ILSVRC2012_val_00000002": (60, 40, 250, 200),
    }
    photographs = (pictures.coffee(), pictures.chelsea())
    where = folder / ("ILSVRC/Data/CLS-LOC/val" if kaggle else "val")
    where.mkdir(parents=True)
    rows = ["ImageId,PredictionString"]
    if not kaggle:
        (folder / "bbox").mkdir()
    for k, ((name, box), pixels) in enumerate(zip(boxes.items(), photographs, strict=True)):
        Image.fromarray(pixels).save(where / f"{name}.JPEG", quality=95)
        wnid = tiny_data.WNIDS[k]
        rows.append(f"{name},{wnid} {' '.join(map(str, box))} ")
        if not kaggle:
            a, b, c, d = box
            (folder / "bbox" / f"{name}.xml").write_text(
                f"<annotation><size><width>{pixels.shape[1]}</width>"
                f"<height>{pixels.shape[0]}</height></size><object><name>{wnid}</name><bndbox>"
                f"<xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax><ymax>{d}</ymax></bndbox>"
                "</object></annotation>"
            )
    if kaggle:
        (folder / "LOC_val_solution.csv").write_text("\n".join(rows))
    tiny_data.class_list(folder)
    return folder


@pytest.mark.usefixtures("home", "few_steps")
@pytest.mark.parametrize("kaggle", [False, True], ids=["official XML", "Kaggle CSV"])
def test_the_imagenet_command_with_resnet50(
    tmp_path: Path, kaggle: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("medcontour.benchmark.compare.records")
    monkeypatch.setattr(module, "STEPS", 4)  # of insertion and deletion
    data = _published(tmp_path / "ILSVRC2012", kaggle)
    methods = ["grad-cam++"] if kaggle else ["extremal-contour", "grad-cam++"]
    line = ["benchmark", "imagenet", "--data", str(data), "--model", "resnet50", "--json"]
    line += [
        "--methods",
        ",".join(methods),
        "--images",
        "1",
        "--out",
        str(tmp_path / "out"),
    ]
    result = CliRunner().invoke(app, line, catch_exceptions=False)
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert (found["images"], found["errors"], found["model"]) == (1, 0, "resnet50")
    assert list(found["methods"]) == methods
    for figures in found["methods"].values():
        assert 0 <= figures["relevance_mass"][0] <= 1
    # The paper's own row stands beside ours.
    assert "paper" in (tmp_path / "out" / "table.md").read_text().casefold()
    assert (tmp_path / "out" / "figures" / "sheet.png").is_file()
