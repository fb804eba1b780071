from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from monai.networks.nets import DenseNet, EfficientNetBN, ResNet, SEResNet50, ViT
from monai.transforms import Compose, EnsureChannelFirst
from torch import Tensor, nn

from medcontour.classifier import NetworkClassifier, load_classifier
from medcontour.errors import MedcontourError

CLASSES = ["a", "b", "c"]


def logits_network() -> nn.Module:
    """Outputs are the inputs: (B, C, 1, 1) to (B, C)."""
    return nn.Flatten()


def scores_of(logits: Tensor, **options: Any) -> Tensor:
    labels = [f"class {i}" for i in range(logits.shape[1])]
    classifier = load_classifier(logits_network(), labels=labels, **options)
    return classifier.score(logits[:, :, None, None])


@pytest.mark.parametrize("classes", [2, 3, 1000])
def test_softmax_scores_are_the_log_odds_of_torchs_softmax(classes: int) -> None:
    logits = torch.randn(16, classes, generator=torch.Generator().manual_seed(0)) * 3
    expected = torch.logit(logits.double().softmax(1)).float()
    torch.testing.assert_close(scores_of(logits), expected, rtol=1e-5, atol=1e-5)


def test_softmax_scores_stay_exact_and_keep_a_gradient_where_the_probability_saturates() -> None:
    logits = torch.tensor(
        [[300.0, -200.0, 10.0], [0.0, 0.0, 90.0], [5.0, 5.0, -40.0]], requires_grad=True
    )
    scores = scores_of(logits)
    rows = logits.detach().double()
    expected = torch.stack(
        [rows[:, t] - rows[:, [i for i in range(3) if i != t]].logsumexp(1) for t in range(3)], 1
    ).float()
    torch.testing.assert_close(scores, expected, rtol=1e-6, atol=1e-5)
    (gradient,) = torch.autograd.grad(scores[:, 2].sum(), logits)
    torch.testing.assert_close(gradient[:, 2], torch.ones(3))


def test_softmax_scores_have_the_gradient_of_the_formula() -> None:
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    (gradient,) = torch.autograd.grad(scores_of(logits).square().sum(), logits)
    wide = logits.detach().double().requires_grad_()
    (expected,) = torch.autograd.grad(torch.logit(wide.softmax(1)).square().sum(), wide)
    torch.testing.assert_close(gradient, expected.float(), rtol=1e-4, atol=1e-4)


def test_sigmoid_and_probability_scores() -> None:
    logits = torch.tensor([[-3.0, 0.5], [8.0, -0.1]])
    torch.testing.assert_close(scores_of(logits, outputs="sigmoid"), logits)
    probabilities = logits.sigmoid()
    torch.testing.assert_close(
        scores_of(probabilities, outputs="probabilities"), logits, rtol=1e-3, atol=1e-3
    )
    certain = scores_of(torch.tensor([[0.0, 1.0]]), outputs="probabilities")
    assert certain.isfinite().all()
    assert certain[0, 1] > 15
    assert certain[0, 0] < -15


def test_a_single_label_is_scored_by_a_sigmoid() -> None:
    logits = torch.tensor([[-3.0], [8.0]])
    torch.testing.assert_close(scores_of(logits), logits)
    with pytest.raises(MedcontourError, match='outputs="sigmoid"'):
        load_classifier(logits_network(), labels=["lesion"], outputs="softmax")


TWO_D: dict[str, Any] = {"spatial_dims": 2, "num_classes": 3}
MONAI_NETWORKS: dict[str, tuple[Callable[[], Any], str]] = {
    "DenseNet": (
        lambda: DenseNet(2, 1, 3, init_features=8, growth_rate=4, block_config=(1, 1)),
        "class_layers.out",
    ),
    "ResNet": (
        lambda: ResNet("basic", [1, 1, 1, 1], [4, 8, 8, 8], n_input_channels=1, **TWO_D),
        "fc",
    ),
    "EfficientNet": (
        lambda: EfficientNetBN("efficientnet-b0", pretrained=False, in_channels=1, **TWO_D),
        "_fc",
    ),
    "SEResNet": (
        lambda: SEResNet50(layers=(1, 1, 1, 1), in_channels=1, **TWO_D),
        "last_linear",
    ),
    "ViT": (
        lambda: ViT(
            1, (64, 64), (16, 16), 24, 32, 2, 2, classification=True, **TWO_D
        ),  # gives (outputs, hidden states)
        "classification_head",
    ),
}


@pytest.mark.parametrize("name", MONAI_NETWORKS)
def test_the_head_of_monais_networks_turns_the_embedding_into_the_outputs(name: str) -> None:
    make, head = MONAI_NETWORKS[name]
    torch.manual_seed(0)
    network = make().eval()
    inputs = torch.rand(2, 1, 64, 64)
    classifier = load_classifier(network, labels=CLASSES, outputs="sigmoid")
    with torch.no_grad():
        outputs = network(inputs)
        outputs = outputs[0] if isinstance(outputs, tuple) else outputs
        embedding = classifier.embed(inputs)
        torch.testing.assert_close(network.get_submodule(head)(embedding), outputs)
        torch.testing.assert_close(classifier.score(inputs), outputs)
    assert embedding.shape[1] != len(CLASSES)


def test_embed_equals_a_forward_by_hand(densenet: Any) -> None:
    inputs = torch.rand(3, 1, 48, 64)
    layers = densenet.class_layers
    with torch.no_grad():
        expected = layers.flatten(layers.pool(layers.relu(densenet.features(inputs))))
    classifier = load_classifier(densenet, labels=["no", "yes"])
    torch.testing.assert_close(classifier.embed(inputs), expected)
    one_by_one = torch.cat([classifier.embed(inputs[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(one_by_one, expected)


def test_embed_without_a_last_linear_layer_is_the_flattened_output() -> None:
    torch.manual_seed(0)
    squeeze = nn.Linear(4, 4)  # inside, not last

    class Convolutional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.squeeze = squeeze
            self.features = nn.Conv2d(1, 4, 3)
            self.head = nn.Conv2d(4, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            x = self.features(x)
            x = x * self.squeeze(x.mean((2, 3)))[:, :, None, None]
            return self.head(x).mean((2, 3))

    network = Convolutional()
    inputs = torch.rand(2, 1, 9, 9)
    classifier = load_classifier(network, labels=["no", "yes"])
    with torch.no_grad():
        torch.testing.assert_close(classifier.embed(inputs), network(inputs))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda z: (z, "hidden"),
        lambda z: [z],
        lambda z: {"aux": z + 1, "out": z},
        lambda z: {"logits": z, "hidden": z + 1},
        lambda z: {"pred": (z,)},
        lambda z: z[:, :, None, None],
    ],
    ids=["tuple", "list", "out", "logits", "nested", "maps of one pixel"],
)
def test_outputs_in_a_tuple_list_or_mapping(wrap: Callable[[Tensor], Any]) -> None:
    class Wrapped(nn.Module):
        def forward(self, x: Tensor) -> Any:
            return wrap(x.flatten(1))

    logits = torch.randn(4, 3)
    classifier = load_classifier(Wrapped(), labels=CLASSES)
    torch.testing.assert_close(classifier.score(logits[:, :, None, None]), scores_of(logits))


def test_a_users_network_is_left_as_it_was(densenet: Any) -> None:
    densenet.train()
    densenet.features.denseblock1.eval()
    frozen = densenet.features.conv0.weight
    frozen.requires_grad_(False)
    modes = {name: module.training for name, module in densenet.named_modules()}
    wanting = {name: p.requires_grad for name, p in densenet.named_parameters()}
    state = {name: value.clone() for name, value in densenet.state_dict().items()}

    classifier = load_classifier(densenet, labels=["no", "yes"])
    inputs = torch.rand(2, 1, 48, 48, requires_grad=True)
    (classifier.score(inputs).sum() + classifier.embed(inputs).sum()).backward()
    with pytest.raises(MedcontourError):
        classifier.embed(torch.rand(2, 5, 48, 48))

    assert inputs.grad is not None
    assert inputs.grad.abs().max() > 0
    assert all(p.grad is None for p in densenet.parameters())
    assert {name: module.training for name, module in densenet.named_modules()} == modes
    assert {name: p.requires_grad for name, p in densenet.named_parameters()} == wanting
    assert not any(module._forward_pre_hooks for module in densenet.modules())
    for name, value in densenet.state_dict().items():
        assert torch.equal(value, state[name]), name


def test_scores_are_those_of_evaluation_mode(densenet: Any) -> None:
    inputs = torch.rand(2, 1, 48, 48)
    with torch.no_grad():
        expected = torch.logit(densenet(inputs).double().softmax(1)).float()
    densenet.train()
    classifier = load_classifier(densenet, labels=["no", "yes"])
    torch.testing.assert_close(classifier.score(inputs), expected, rtol=1e-4, atol=1e-5)


def test_a_network_in_another_number_format_gives_float32(densenet: Any) -> None:
    inputs = torch.rand(2, 1, 48, 48)
    expected = load_classifier(densenet, labels=["no", "yes"]).score(inputs)
    double = load_classifier(densenet.double(), labels=["no", "yes"])
    assert double.score(inputs).dtype == double.embed(inputs).dtype == torch.float32
    torch.testing.assert_close(double.score(inputs), expected, rtol=1e-4, atol=1e-4)


def test_grey_planes_are_repeated_to_the_channels_of_the_network(plane: Any) -> None:
    network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    classifier = load_classifier(network, labels=["no", "yes"])
    prepared = classifier.prepare(plane, (1.0, 1.0))
    assert prepared.tensor.shape == (3, 50, 80)
    assert torch.equal(prepared.tensor[0], prepared.tensor[2])
    assert classifier.score(prepared.tensor[None]).shape == (1, 2)
    for script in (torch.jit.script(network), torch.jit.trace(network, torch.rand(1, 3, 9, 9))):
        scripted = load_classifier(script, labels=["no", "yes"])
        assert torch.equal(scripted.prepare(plane, (1.0, 1.0)).tensor, prepared.tensor)


def test_channels_that_do_not_fit(densenet: Any, plane: Any) -> None:
    classifier = load_classifier(densenet, labels=["no", "yes"], name="grey network")
    colour = np.stack([plane] * 3, axis=-1)
    with pytest.raises(MedcontourError, match=r"grey network takes 1 channel.*gives 3"):
        classifier.prepare(colour, (1.0, 1.0))


def test_a_size_that_does_not_fit() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    classifier = load_classifier(network, labels=["no", "yes"])
    assert classifier.score(torch.rand(1, 1, 8, 8)).shape == (1, 2)
    with pytest.raises(MedcontourError, match=r"does not take an input of shape \(1, 1, 9, 8\)"):
        classifier.score(torch.rand(1, 1, 9, 8))


def test_another_number_of_outputs_than_labels(densenet: Any) -> None:
    classifier = load_classifier(densenet, labels=CLASSES)
    with pytest.raises(MedcontourError, match=r'has 3 label\(s\) \("a", "b", "c"\)'):
        classifier.score(torch.rand(1, 1, 48, 48))


def test_outputs_that_are_not_finite(densenet: Any) -> None:
    with torch.no_grad():
        densenet.class_layers.out.bias.fill_(torch.nan)
    classifier = load_classifier(densenet, labels=["no", "yes"])
    with pytest.raises(MedcontourError, match="gives no probability"):
        classifier.score(torch.rand(1, 1, 48, 48))


def test_logits_taken_for_probabilities() -> None:
    with pytest.raises(MedcontourError, match=r"outside 0\.\.1"):
        scores_of(torch.tensor([[2.0, -1.0]]), outputs="probabilities")


def test_a_network_without_a_tensor_of_classes() -> None:
    class Text(nn.Module):
        def forward(self, x: Tensor) -> str:
            return "lesion"

    classifier = load_classifier(Text(), labels=["no", "yes"])
    with pytest.raises(MedcontourError, match="no tensor of"):
        classifier.score(torch.rand(1, 1, 8, 8))


@pytest.mark.parametrize("labels", [["lesion", "Lesion"], ["a", "b", "a"]])
def test_labels_that_are_alike(labels: list[str]) -> None:
    with pytest.raises(MedcontourError, match="differ from each other"):
        load_classifier(logits_network(), labels=labels)


def test_a_constant_plane_through_the_preprocessing(densenet: Any) -> None:
    plane = np.full((40, 40), 7.0, dtype=np.float32)
    scaled = load_classifier(densenet, labels=["no", "yes"]).prepare(plane, (1.0, 1.0))
    assert torch.equal(scaled.tensor, torch.zeros(1, 40, 40))
    divided = load_classifier(
        densenet,
        labels=["no", "yes"],
        preprocessing=Compose([EnsureChannelFirst(), lambda image: image / image.std()]),
    )
    with pytest.raises(MedcontourError, match=r"not finite.*constant plane"):
        divided.prepare(plane, (1.0, 1.0))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_planes_with_values_that_are_no_numbers(densenet: Any, plane: Any, value: float) -> None:
    plane[3, 4] = value
    classifier = load_classifier(densenet, labels=["no", "yes"])
    with pytest.raises(MedcontourError, match="nan or infinite"):
        classifier.prepare(plane, (1.0, 1.0))


def test_the_hash_is_of_the_weights_and_nothing_else(densenet: Any) -> None:
    classifier = load_classifier(densenet, labels=["no", "yes"])
    assert isinstance(classifier, NetworkClassifier)
    before = classifier.weights_sha256
    assert len(bytes.fromhex(before)) == 32
    densenet.train()
    for parameter in densenet.parameters():
        parameter.requires_grad_(False)
    assert load_classifier(densenet, labels=["x", "y"], name="other").weights_sha256 == before
    with torch.no_grad():
        densenet.class_layers.out.bias[0].add_(1e-3)
    assert classifier.weights_sha256 != before


def test_the_hash_tells_half_precision_apart(densenet: Any) -> None:
    hashes = {
        load_classifier(densenet.to(dtype), labels=["no", "yes"]).weights_sha256
        for dtype in (torch.float32, torch.float16, torch.bfloat16)
    }
    assert len(hashes) == 3


@pytest.mark.gpu
def test_on_a_cuda_device_as_on_the_processor(densenet: Any, plane: Any) -> None:
    inputs = torch.rand(2, 1, 48, 48)
    expected = load_classifier(densenet, labels=["no", "yes"]).score(inputs)
    classifier = load_classifier(densenet, labels=["no", "yes"], device="cuda")
    torch.testing.assert_close(classifier.score(inputs).cpu(), expected, rtol=1e-3, atol=1e-3)
