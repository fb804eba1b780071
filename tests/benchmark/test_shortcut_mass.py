"""How much of a method's map lies outside the body and on burnt-in marks, in the tables."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from medcontour.benchmark import read_folder, run, write_results
from medcontour.benchmark.compare.shortcut_mass import NotPatient
from medcontour.classifier import PhotoInput, load_classifier

SIZE = 160
BODY = slice(40, 130)
CROSS = [(slice(12, 27), slice(20, 21)), (slice(19, 20), slice(13, 28))]  # as calipers are drawn
INPUT = PhotoInput((64, 64), resize=None)


def picture(*, marked: bool) -> np.ndarray:
    """A grey body on black, with a caliper's cross beside it."""
    noise = np.random.default_rng(0).normal(0, 6, (SIZE, SIZE))
    pixels = np.zeros((SIZE, SIZE))
    pixels[BODY, BODY] = 110 + noise[BODY, BODY]
    for rows, columns in CROSS if marked else ():
        pixels[rows, columns] = 255
    return pixels.clip(0, 255).astype(np.float32)


def at(y: int, x: int) -> Tensor:
    """(64, 64): a map with one peak, where that pixel of the picture comes to lie."""
    relevance = torch.zeros(64, 64)
    relevance[y * 64 // SIZE, x * 64 // SIZE] = 1.0
    return relevance


def test_mass_on_a_mark_in_the_surround_and_in_the_body() -> None:
    pixels = picture(marked=True)
    not_patient = NotPatient.of(pixels, INPUT(pixels))
    on_cross, beside, inside = (
        not_patient.figures(at(*p)) for p in ((19, 20), (150, 20), (85, 85))
    )
    assert (on_cross["mass_on_marks"], on_cross["mass_outside_body"]) == (1.0, 1.0)
    assert (beside["mass_on_marks"], beside["mass_outside_body"]) == (0.0, 1.0)
    assert (inside["mass_on_marks"], inside["mass_outside_body"]) == (0.0, 0.0)
    plain = not_patient.figures(torch.ones(64, 64))
    for where in ("outside_body", "on_marks"):
        assert plain[f"mass_{where}"] == pytest.approx(plain[f"share_{where}"])
    assert plain["share_outside_body"] == pytest.approx(1 - (90 / SIZE) ** 2, abs=0.02)


def test_without_marks_there_is_no_mass_on_them() -> None:
    pixels = picture(marked=False)
    found = NotPatient.of(pixels, INPUT(pixels)).figures(at(85, 85))
    assert math.isnan(found["mass_on_marks"])
    assert found["share_on_marks"] == 0.0


def on_the_cross(network: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    return at(19, 20).expand(len(images), 1, 64, 64)


def on_the_body(network: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    return at(85, 85).expand(len(images), 1, 64, 64)


@pytest.mark.slow
def test_the_table_counts_maps_that_lie_there(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "images").mkdir(parents=True)
    (data / "masks").mkdir()
    truth = np.zeros((SIZE, SIZE), np.uint8)
    truth[70:100, 70:100] = 255
    for name, marked in (("marked", True), ("plain", False)):
        pixels = np.rint(picture(marked=marked)).astype(np.uint8)
        Image.fromarray(pixels).save(data / "images" / f"{name}.png")
        Image.fromarray(truth).save(data / "masks" / f"{name}.png")
    network = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 2))
    model = load_classifier(network, preprocessing=INPUT, name="plain")
    methods = {"cross": on_the_cross, "body": on_the_body}
    results = run(model, read_folder(data), tmp_path, methods, outlines=True)
    assert not results.errors
    write_results(results, tmp_path)
    text = (tmp_path / "table.md").read_text()
    assert "on 1 of the images burnt-in marks were found" in text
    assert "Images with at least half of the mass outside the body: cross 2." in text
    assert "Images with at least half of the mass on marks: cross 1." in text
    with (tmp_path / "per_image.csv").open(newline="") as file:
        rows = {(row["image"], row["method"]): row for row in csv.DictReader(file)}
    assert rows["marked", "cross"]["mass_on_marks"] == "1"
    assert rows["plain", "cross"]["mass_on_marks"] == ""
