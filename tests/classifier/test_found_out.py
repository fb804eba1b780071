"""What a network takes and gives is found out by asking it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from monai.transforms import (
    CastToType,
    Compose,
    ConcatItemsd,
    CopyItemsd,
    EnsureChannelFirst,
    EnsureChannelFirstd,
    LoadImaged,
    NormalizeIntensity,
    ScaleIntensityRange,
    ScaleIntensityRanged,
)
from torch import Tensor, nn

from medcontour.classifier import load_classifier
from medcontour.errors import MedcontourError

ONE = (1.0, 1.0)
ROWS, COLUMNS = 12, 10


class Net(nn.Module):
    """Two logits of the mean of `channels` channels, handed over as `give` says."""

    def __init__(self, give: Callable[[Tensor], Any] = lambda z: z, channels: int = 1) -> None:
        super().__init__()
        self.late = nn.Conv2d(16, 2, 1)  # defined first, and never run
        self.first = nn.Conv2d(channels, 2, 3, padding=1, bias=False)
        self.give = give
        generator = torch.Generator().manual_seed(0)
        self.first.weight.data = torch.randn(self.first.weight.shape, generator=generator)

    def forward(self, x: Tensor) -> Any:
        return self.give(2 * self.first(x).mean((2, 3)))


def plane(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 255, (ROWS, COLUMNS)).astype(np.float32)


def odds(network: nn.Module, labels: list[str], planes: int = 3, **options: Any) -> Tensor:
    classifier = load_classifier(network, labels=labels, **options)
    inputs = torch.stack([classifier.prepare(plane(k), ONE).tensor for k in range(planes)])
    return classifier.score(inputs)


EXPECTED = odds(Net(), ["no", "yes"])

TWO = ["no", "yes"]
GIVEN: dict[str, tuple[Callable[[Tensor], Any], list[str], bool]] = {
    "features first": (lambda z: (z.new_ones(len(z), 64), z), TWO, False),
    "pred beside features": (lambda z: {"features": z.new_ones(len(z), 9), "pred": z}, TWO, False),
    "deep": (lambda z: [{"a": (z.new_ones(len(z), 3), z[:, :, None, None])}], TWO, False),
    "softmax": (lambda z: z.softmax(1), TWO, True),
    "softmax beside features": (lambda z: (z.new_ones(len(z), 5), z.softmax(1)), TWO, True),
    "log softmax": (lambda z: z.log_softmax(1), TWO, False),
    "one logit": (lambda z: (z[:, 1] - z[:, 0])[:, None], ["yes"], False),
    "one logit, (B,)": (lambda z: z[:, 1] - z[:, 0], ["yes"], False),
    "one probability": (lambda z: (z[:, 1:] - z[:, :1]).sigmoid(), ["yes"], True),
    "one probability, (B,)": (lambda z: (z[:, 1] - z[:, 0]).sigmoid(), ["yes"], True),
    "its complement beside it": (
        lambda z: torch.stack([1 - (p := (z[:, 1] - z[:, 0]).sigmoid()), p], 1),
        TWO,
        True,
    ),
    "mean of two sigmoids": (
        lambda z: ((p := (z[:, 1:] - z[:, :1]).sigmoid()) + p.clone()) / 2,
        ["yes"],
        True,
    ),
    "one row": (lambda z: z.view(1, -1), TWO, False),
    "one plane alone": (lambda z: z.squeeze() if len(z) == 1 else 1 / 0, TWO, False),
}


@pytest.mark.parametrize("kind", GIVEN)
def test_whatever_a_network_gives_its_log_odds_are_the_same(kind: str) -> None:
    give, labels, probabilities = GIVEN[kind]
    classifier = load_classifier(Net(give), labels=labels)
    inputs = torch.stack([classifier.prepare(plane(k), ONE).tensor for k in range(3)])
    found = classifier.score(inputs)
    torch.testing.assert_close(found[:, -1], EXPECTED[:, 1], rtol=1e-3, atol=1e-3)
    assert (classifier.outputs == "probabilities") == probabilities
    assert any("probabilities" in note for note in classifier.notes) == probabilities
    (slope,) = torch.autograd.grad(classifier.score(inputs.requires_grad_())[:, -1].sum(), inputs)
    assert slope.abs().max() > 0


def test_independent_probabilities_are_told_from_exclusive_ones() -> None:
    classifier = load_classifier(Net(torch.sigmoid), labels=["a", "b"])
    logits = load_classifier(Net(), labels=["a", "b"], outputs="sigmoid")
    inputs = torch.stack([classifier.prepare(plane(k), ONE).tensor for k in range(3)])
    torch.testing.assert_close(classifier.score(inputs), logits.score(inputs), rtol=1e-3, atol=1e-3)


def test_saturated_probabilities_keep_a_gradient() -> None:
    classifier = load_classifier(Net(lambda z: (9 * z).softmax(1)), labels=TWO)
    inputs = classifier.prepare(plane(), ONE).tensor[None].requires_grad_()
    score = classifier.score(inputs)
    assert score.abs().max() > 17  # beyond what single precision tells from 1
    (slope,) = torch.autograd.grad(score[0, 1], inputs)
    assert slope.abs().max() > 0


def test_what_is_stated_is_not_doubted() -> None:
    stated = load_classifier(Net(lambda z: z.softmax(1)), labels=TWO, outputs="softmax")
    inputs = stated.prepare(plane(), ONE).tensor[None]
    torch.testing.assert_close(stated.score(inputs).sigmoid(), stated.network(inputs).softmax(1))


class Centred(nn.Module):
    """Goes by how a plane differs from the batch it is in."""

    def forward(self, x: Tensor) -> Tensor:
        means = x.mean((1, 2, 3))
        return torch.stack([means, 3 * means - 2 * means.mean()], 1)


def test_a_slice_does_not_depend_on_the_batch_it_is_in() -> None:
    classifier = load_classifier(Centred(), labels=TWO)
    inputs = torch.stack([classifier.prepare(plane(k), ONE).tensor for k in range(3)])
    alone = torch.cat([classifier.score(one[None]) for one in inputs])
    torch.testing.assert_close(classifier.score(inputs), alone)
    assert any("one plane at a time" in note for note in classifier.notes)


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_goes_to_one_channel_or_three(channels: int) -> None:
    classifier = load_classifier(Net(channels=channels), labels=TWO)
    assert classifier.prepare(plane(), ONE).tensor.shape == (channels, ROWS, COLUMNS)


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_nothing_else_is_made_up(channels: int) -> None:
    classifier = load_classifier(Net(channels=channels), labels=TWO)
    with pytest.raises(MedcontourError, match=rf"takes {channels} channel\(s\).*gives 1"):
        classifier.prepare(plane(), ONE)


def test_a_network_that_repeats_its_plane_itself() -> None:
    class Repeats(Net):
        def forward(self, x: Tensor) -> Any:
            return super().forward(x.repeat(1, 3, 1, 1))

    classifier = load_classifier(Repeats(channels=3), labels=TWO)
    assert classifier.prepare(plane(), ONE).tensor.shape[0] == 1


COLOUR_ALONE = {
    "channels last": Compose([EnsureChannelFirst(channel_dim=-1), CastToType()]),
    "by channel": Compose(
        [
            EnsureChannelFirst(),
            NormalizeIntensity([1.0, 2.0, 3.0], [2.0, 2.0, 2.0], channel_wise=True),
        ]
    ),
    "patches": Compose([CastToType(), ScaleIntensityRange(0, 255, -1, 1)]),
}


@pytest.mark.parametrize("kind", COLOUR_ALONE)
def test_a_grey_plane_is_prepared_as_its_file_in_colour(kind: str) -> None:
    classifier = load_classifier(Net(channels=3), labels=TWO, preprocessing=COLOUR_ALONE[kind])
    colour = np.stack([plane()] * 3, -1)
    grey, same = classifier.prepare(plane(), ONE), classifier.prepare(colour, ONE)
    torch.testing.assert_close(grey.tensor, same.tensor)
    np.testing.assert_allclose(grey.index_from_input, same.index_from_input)
    shown = grey.tensor[0]
    row, column = 3, 7
    at = np.linalg.inv(grey.index_from_input) @ [column, row, 1]
    place = tuple(int(v) for v in np.rint(at[:2]))
    expected = {"channels last": 0.0, "by channel": 0.0, "patches": 0.0}[kind]
    scaled = {"channels last": (0, 1), "by channel": (1, 2), "patches": (127.5, 127.5)}[kind]
    assert float(shown[place]) == pytest.approx(
        (plane()[row, column] - scaled[0]) / scaled[1] + expected, rel=1e-5
    )


def test_colour_for_a_grey_network_says_so() -> None:
    classifier = load_classifier(Net(), labels=TWO)
    with pytest.raises(MedcontourError, match=r"takes 1 channel.*has colour.*greyscale"):
        classifier.prepare(np.stack([plane()] * 3, -1), ONE)


def test_several_images_a_case_are_refused() -> None:
    keys = ["t1", "t2"]
    steps = [LoadImaged(keys), EnsureChannelFirstd(keys), ConcatItemsd(keys, "image")]
    with pytest.raises(MedcontourError, match=r'2 images a case \("t1", "t2"\)'):
        load_classifier(Net(channels=2), labels=TWO, preprocessing=Compose(steps))


def test_one_image_in_two_windows_is_one_image() -> None:
    steps = [
        LoadImaged("image"),
        EnsureChannelFirstd("image"),
        CopyItemsd("image", 1, "bone"),
        ScaleIntensityRanged("image", 0, 100, 0, 1),
        ScaleIntensityRanged("bone", 0, 1000, 0, 1),
        ConcatItemsd(["image", "bone"], "both"),
    ]
    classifier = load_classifier(Net(channels=2), labels=TWO, preprocessing=Compose(steps))
    tensor = classifier.prepare(plane(), ONE).tensor
    torch.testing.assert_close(tensor[0], 10 * tensor[1])


@pytest.mark.parametrize("script", [False, True])
def test_a_network_of_volumes_is_told_apart(script: bool) -> None:
    volumes = nn.Sequential(nn.Conv3d(1, 2, 3), nn.AdaptiveAvgPool3d(1), nn.Flatten())
    if script:
        volumes = torch.jit.freeze(torch.jit.script(volumes.eval()))
    classifier = load_classifier(volumes, labels=TWO)
    with pytest.raises(MedcontourError, match="takes volumes"):
        classifier.prepare(plane(), ONE)


def test_a_network_without_gradient_is_refused() -> None:
    class Detached(Net):
        @torch.no_grad()
        def forward(self, x: Tensor) -> Any:
            return super().forward(x)

    classifier = load_classifier(Detached(), labels=TWO)
    with pytest.raises(MedcontourError, match="gives no gradient"):
        classifier.prepare(plane(), ONE)


@pytest.mark.parametrize("labels", [None, [], ()])
def test_classes_without_names_are_counted(labels: Any) -> None:
    classifier = load_classifier(Net(), labels=labels)
    assert classifier.labels == ("class 0", "class 1")
    assert any("numbers" in note for note in classifier.notes)


def test_an_empty_name_is_a_number() -> None:
    assert load_classifier(Net(), labels=["", "lesion"]).labels == ("class 0", "lesion")


def test_an_embedding_has_no_classes() -> None:
    classifier = load_classifier(Net(), outputs="embedding")
    inputs = classifier.prepare(plane(), ONE).tensor[None]
    assert (classifier.labels, classifier.embed(inputs).shape) == ((), (1, 2))
    with pytest.raises(MedcontourError, match="has no classes"):
        classifier.score(inputs)
