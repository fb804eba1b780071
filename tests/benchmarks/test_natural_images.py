"""The network that the script builds is the one whose weights it loads."""

from __future__ import annotations

from pathlib import Path

import natural_images
import pytest
import torch

from medcontour.benchmark import read_imagenet
from medcontour.benchmark.dataset import read_pixels


@pytest.mark.shared_data
def test_squeezenet_knows_most_of_the_photographs(shared_data: Path) -> None:
    model = natural_images.squeezenet(shared_data / "classifiers" / "squeezenet1_0_dc.safetensors")
    data = read_imagenet(shared_data / "imagenet_val")
    items = [data.item(name) for name in data.names[:25]]
    inputs = torch.stack([model.prepare(read_pixels(item.path)).tensor for item in items])
    answers = model.answer(inputs).argmax(1).tolist()
    hits = sum(answer in item.classes for answer, item in zip(answers, items, strict=True))
    assert hits >= 15  # 0.72 of such images, says who made the weights
