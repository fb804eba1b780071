"""The photograph script: the network that it builds, and which images it asks about."""

from __future__ import annotations

import csv
from pathlib import Path

import natural_images
import pytest
import torch

from medcontour.benchmark import read_imagenet
from medcontour.benchmark.data.dataset import read_pixels


@pytest.mark.slow
@pytest.mark.shared_data
def test_squeezenet_knows_most_of_the_photographs(shared_data: Path) -> None:
    model = natural_images.squeezenet(shared_data / "classifiers" / "squeezenet1_0_dc.safetensors")
    data = read_imagenet(shared_data / "imagenet_val")
    items = [data.item(name) for name in data.names[:25]]
    inputs = torch.stack(
        [model.prepare(read_pixels(item.path), (1.0, 1.0)).tensor for item in items]
    )
    answers = model.score(inputs).argmax(1).tolist()
    hits = sum(answer in item.classes for answer, item in zip(answers, items, strict=True))
    assert hits >= 15  # 0.72 of such images, says who made the weights


@pytest.mark.slow
@pytest.mark.shared_data
def test_settings_are_chosen_on_images_of_no_table(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(out: Path, *options: str) -> set[str]:
        line = ["natural_images.py", str(shared_data), "--methods", "grad-cam++", "--images", "3"]
        monkeypatch.setattr("sys.argv", [*line, "--out", str(out), *options])
        natural_images.main()
        with (out / "images.csv").open(newline="") as table:
            return {row["name"] for row in csv.DictReader(table)}

    reported = asked(tmp_path / "table")
    others = asked(tmp_path / "tuning", "--without", str(tmp_path / "table" / "images.csv"))
    assert len(reported) == len(others) == 3
    assert not reported & others
