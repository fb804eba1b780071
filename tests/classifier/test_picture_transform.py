"""Transforms of pictures, whose geometry is found by showing them pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from torch import Tensor, nn

from medcontour.classifier import PhotoInput, PictureTransform, load_classifier
from medcontour.errors import MedcontourError

MEAN, SPREAD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def normalised(picture: Image.Image) -> Tensor:
    values = torch.from_numpy(np.asarray(picture, np.float32) / 255)
    return ((values - torch.tensor(MEAN)) / torch.tensor(SPREAD)).permute(2, 0, 1)


class Usual:
    """Resized, the middle cropped, normalised: a torchvision-style callable that states so."""

    mean, std = MEAN, SPREAD

    def __init__(self, shorter: int, side: int) -> None:
        self.resize_size, self.crop_size = [shorter], [side]

    def __call__(self, picture: Image.Image) -> Tensor:
        scale = self.resize_size[0] / min(picture.size)
        width, height = (int(scale * length + 1e-9) for length in picture.size)
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
        side = self.crop_size[0]
        left, top = round((width - side) / 2), round((height - side) / 2)
        return normalised(picture.crop((left, top, left + side, top + side)))


@settings(max_examples=12)
@given(st.integers(40, 400), st.integers(40, 400), st.integers(40, 120), st.integers(0, 30))
def test_resizing_and_cropping_are_found_exactly(
    rows: int, columns: int, side: int, more: int
) -> None:
    plane = np.random.default_rng(0).uniform(0, 255, (rows, columns)).astype(np.float32)
    found = PictureTransform(Usual(side + more, side))(plane)
    expected = PhotoInput((side, side), side + more, MEAN, SPREAD)(plane)
    np.testing.assert_allclose(found.index_from_input, expected.index_from_input, atol=1e-9)
    torch.testing.assert_close(found.tensor, expected.tensor)


OTHERS: dict[str, tuple[Callable[[Image.Image], Image.Image], list[list[float]]]] = {
    "mirrored": (ImageOps.mirror, [[0, -1, 89], [1, 0, 0]]),
    "turned": (lambda p: p.transpose(Image.Transpose.TRANSPOSE), [[1, 0, 0], [0, 1, 0]]),
    "padded": (lambda p: ImageOps.expand(p, (5, 7, 2, 3)), [[0, 1, -5], [1, 0, -7]]),
    "warped": (lambda p: p.resize((45, 120)), [[0, 2, 0.5], [0.5, 0, -0.25]]),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_where_the_pixels_went(kind: str) -> None:
    change, expected = OTHERS[kind]
    found = PictureTransform(lambda p: normalised(change(p)))(np.zeros((60, 90), np.float32))
    np.testing.assert_allclose(found.index_from_input[:2], expected, atol=1e-9)


CHANCE = np.random.default_rng(0)
REFUSED: dict[str, Callable[[Image.Image], Image.Image]] = {
    "rotated": lambda p: p.rotate(20),
    "at random": lambda p: p.crop((int(CHANCE.integers(0, 20)), 0, 80, 60)).resize((64, 64)),
    "by its content": lambda p: p.crop(p.getbbox() or (0, 0, 9, 9)).resize((64, 64)),
    "bent": lambda p: p.transform(
        p.size, Image.Transform.QUAD, (0, 0, 10, 60, 90, 50, 80, 0), Image.Resampling.BILINEAR
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_other_geometry_is_refused(kind: str) -> None:
    transform = PictureTransform(lambda p: normalised(REFUSED[kind](p)))
    with pytest.raises(MedcontourError, match="not clear"):
        transform(np.full((60, 90), 9, np.float32))


def test_transforms_of_tensors() -> None:
    def halved(values: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(values, 2)

    found = PictureTransform(halved)(np.full((60, 90), 51, np.float32))
    torch.testing.assert_close(found.tensor, torch.full((3, 30, 45), 0.2))
    assert found.index_from_input[:2].tolist() == [[0, 2, 0.5], [2, 0, 0.5]]


@pytest.mark.parametrize("value", [-1.0, 256.0, np.nan])
def test_values_that_no_picture_has(value: float) -> None:
    plane = np.zeros((60, 90), np.float32)
    plane[3, 4] = value
    with pytest.raises(MedcontourError, match="outside 0 to 255"):
        PictureTransform(normalised)(plane)


def test_a_classifier_takes_what_states_a_mean_and_a_spread() -> None:
    network: Any = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    classifier = load_classifier(network, labels=["no", "yes"], preprocessing=Usual(50, 40))
    prepared = classifier.prepare(np.zeros((60, 90), np.float32), (0.5, 0.7))
    assert prepared.tensor.shape == (3, 40, 40)
    mean = torch.tensor(MEAN) / torch.tensor(SPREAD)
    torch.testing.assert_close(prepared.tensor[:, 0, 0], -mean)


@pytest.mark.torchvision
@pytest.mark.parametrize("size", [(98, 147), (500, 375), (64, 64)])
def test_torchvisions_and_timms_own(size: tuple[int, int]) -> None:
    import timm
    from torchvision import models

    plane = np.random.default_rng(0).uniform(0, 255, size).astype(np.float32)
    found = load_classifier(
        nn.Flatten(),
        labels=["a", "b"],
        preprocessing=models.ResNet50_Weights.IMAGENET1K_V2.transforms(),
    ).prepare(plane, (1.0, 1.0))
    expected = PhotoInput((224, 224), 232)(plane)
    np.testing.assert_allclose(found.index_from_input, expected.index_from_input, atol=1e-9)
    used = {"input_size": (3, 96, 96), "crop_pct": 0.875, "interpolation": "bicubic"}
    own = PictureTransform(timm.data.create_transform(**used, is_training=False))(plane)
    usual = PhotoInput((96, 96), int(96 / 0.875), interpolation="bicubic")(plane)
    np.testing.assert_allclose(own.index_from_input, usual.index_from_input, atol=1e-9)
