"""Outlines grown where a method points, against what a reader drew and other people's metrics."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_data
import torch
from monai.metrics import compute_hausdorff_distance
from torch import Tensor, nn
from typer.testing import CliRunner

import medcontour.cli  # noqa: F401  (all commands enter the app)
from medcontour.benchmark import (
    Boxes,
    Item,
    read_folder,
    run,
    write_results,
)
from medcontour.benchmark.compare.outlines import Drawing
from medcontour.benchmark.methods import ExtremalContour, RandomContour, Rise
from medcontour.classifier import PhotoInput, load_classifier
from medcontour.cli.app import app
from medcontour.contour import FourierContour
from medcontour.errors import MedcontourError
from medcontour.outline import Outline

SPACING = (0.5, 1.0)
ROWS, COLUMNS = 160, 120
CENTER, RADIUS = (30.0, 70.0), 14.0  # (y, x) and length in mm


def disc(y: float, x: float, radius: float) -> np.ndarray:
    row, column = np.mgrid[:ROWS, :COLUMNS]
    return np.hypot(row * SPACING[0] - y, column * SPACING[1] - x) < radius


def drawing(prepare: PhotoInput, spacing: tuple[float, float] | None = SPACING) -> Drawing:
    truth = disc(*CENTER, RADIUS)
    noise = np.random.default_rng(0).normal(0, 8, truth.shape)
    pixels = (np.where(truth, 170, 80) + noise).clip(0, 255).astype(np.float32)
    return Drawing(pixels, truth, prepare(pixels), spacing)


def peak_at(shape: tuple[int, int], y: int, x: int) -> Tensor:
    relevance = torch.zeros(shape)
    relevance[y, x] = 1.0
    return relevance


# The same place on inputs of two kinds: warped, and scaled to 80 columns with the middle cropped.
INPUTS = {
    "warped": (PhotoInput((64, 64), resize=None), (24, 37)),
    "cropped": (PhotoInput((64, 64), resize=80), (60 * 2 // 3 - 22, 70 * 2 // 3 - 8)),
}


@pytest.mark.parametrize("kind", INPUTS)
def test_an_outline_from_the_object_is_the_object(kind: str) -> None:
    prepare, place = INPUTS[kind]
    found = drawing(prepare).figures(peak_at((64, 64), *place), contour=False)
    assert found["outline_found"] == 1
    assert found["outline_dice"] > 0.95
    assert found["outline_hd95"] < 1.5
    assert found["outline_saved_near"] > 0.95
    # A circle of pixels, drawn along their corners' middles, is a little longer than the circle.
    assert found["boundary"] == pytest.approx(2 * math.pi * RADIUS, rel=0.1)
    assert found["outline_apl"] == pytest.approx(found["boundary"] * (1 - found["outline_saved"]))


def test_far_from_the_object_nothing_is_saved() -> None:
    prepare, _ = INPUTS["warped"]
    far = drawing(prepare).figures(peak_at((64, 64), 58, 8), contour=False)
    assert far["outline_dice"] < 0.3
    assert far["outline_saved"] < 0.1


def test_a_constant_map_has_no_outline_and_all_is_left_to_draw() -> None:
    prepare, _ = INPUTS["warped"]
    none = drawing(prepare).figures(torch.zeros(64, 64), contour=False)
    assert none["outline_apl"] == none["boundary"]
    assert math.isnan(none.pop("outline_hd95"))
    assert {name for name, value in none.items() if value} == {"outline_apl", "boundary"}


def test_figures_are_those_of_monai_on_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    """The outline is made a disc beside the truth: both are known as masks."""
    prepare, place = INPUTS["warped"]
    made = drawing(prepare)
    plane = made.plane
    center = plane.from_index(torch.tensor([[78.0 / SPACING[1], 34.0 / SPACING[0]]]))
    other = FourierContour.circles(center, torch.tensor([12.0 / plane.unit_mm]))
    outline = Outline(other, 0.0, True)
    monkeypatch.setattr("medcontour.benchmark.compare.outlines.follow_region", lambda *a: [outline])
    found = made.figures(peak_at((64, 64), *place), contour=False)
    mask = disc(34.0, 78.0, 12.0)
    overlap = 2 * (mask & made.truth).sum() / (mask.sum() + made.truth.sum())
    assert found["outline_dice"] == pytest.approx(overlap, abs=0.02)
    pair = [torch.from_numpy(m)[None, None].float() for m in (mask, made.truth)]
    judge = compute_hausdorff_distance(*pair, percentile=95, spacing=SPACING)
    assert found["outline_hd95"] == pytest.approx(float(judge), abs=max(SPACING))


def test_a_contour_starts_its_outline_where_and_as_large_as_it_is() -> None:
    prepare, _ = INPUTS["warped"]
    made = drawing(prepare)
    mask = torch.nn.functional.interpolate(
        torch.from_numpy(made.truth)[None, None].float(), (64, 64), mode="nearest-exact"
    )[0, 0]
    start = made._start(mask, contour=True)
    assert start is not None
    x, y = made.plane.to_index(start.center[0]).tolist()
    assert (y * SPACING[0], x * SPACING[1]) == pytest.approx(CENTER, abs=1.5)
    radius = float(start.mean_radius) * made.plane.unit_mm
    assert radius == pytest.approx(RADIUS, rel=0.05)
    # In pixels the same disc is an ellipse, whose area counts.
    flat = drawing(prepare, None)
    start = flat._start(mask, contour=True)
    assert start is not None
    assert float(start.mean_radius) * flat.plane.unit_mm == pytest.approx(
        RADIUS * math.sqrt(2), rel=0.05
    )


def test_of_several_highest_pixels_the_middle_one_is_the_peak() -> None:
    made = drawing(INPUTS["warped"][0])
    plateau = torch.zeros(64, 64)
    plateau[20:29, 33:42] = 1.0
    one = made._start(plateau, contour=False)
    other = made._start(peak_at((64, 64), 24, 37), contour=False)
    assert one is not None
    assert other is not None
    assert torch.equal(one.center, other.center)


def exact(network: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    return (images > images.amax() / 2).float()


def blind(network: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    return torch.ones_like(images)


def test_the_table_says_what_is_saved_and_how_often_nothing_is(tmp_path: Path) -> None:
    tiny_data.planted(tmp_path / "data")
    tiny_data.torchscript(tmp_path / "cells.pt")
    model, data = load_classifier(tmp_path / "cells.pt"), read_folder(tmp_path / "data")
    methods = {"exact": exact, "blind": blind}
    before = run(model, data, tmp_path, methods, images=3)
    assert not before.values("exact", "outline_dice")
    results = run(model, data, tmp_path, methods, images=3, outlines=True)
    assert results.unit == "pixel"
    assert not results.errors
    assert set(results.values("blind", "outline_saved").values()) == {0.0}
    write_results(results, tmp_path)
    text = (tmp_path / "table.md").read_text()
    assert "Images without an outline: blind 3." in text
    assert "Lengths in pixels of the source image" in text
    with (tmp_path / "per_image.csv").open(newline="") as file:
        rows = {(row["image"], row["method"]): row for row in csv.DictReader(file)}
    assert rows["scan0", "blind"]["outline_hd95"] == ""

    def boxed(name: str) -> Item:
        return replace(data.item(name), truth=Boxes(((8.0, 0.0, 16.0, 8.0),)))

    boxes = run(model, replace(data, item=boxed), tmp_path, methods, images=3, outlines=True)
    assert not boxes.errors
    assert not boxes.values("exact", "outline_dice")


def test_lengths_are_in_mm_where_the_folder_tells_a_spacing(tmp_path: Path) -> None:
    tiny_data.planted(tmp_path / "data")
    tiny_data.torchscript(tmp_path / "cells.pt")
    model = load_classifier(tmp_path / "cells.pt")
    labels = tmp_path / "data" / "labels.csv"
    header, *rows = labels.read_text().splitlines()
    pixel = run(model, read_folder(tmp_path / "data"), tmp_path, {"b": blind}, outlines=True)
    labels.write_text("\n".join([f"{header},row_mm,column_mm", *(f"{r},2.0,2.0" for r in rows)]))
    told = run(model, read_folder(tmp_path / "data"), tmp_path, {"b": blind}, outlines=True)
    assert told.unit == "mm"
    one, other = (next(iter(r.values("b", "outline_apl").values())) for r in (pixel, told))
    assert other == pytest.approx(2 * one)
    labels.write_text("\n".join([f"{header},row_mm,column_mm", f"{rows[0]},2.0,2.0", *rows[1:]]))
    with pytest.raises(MedcontourError, match="no pixel spacing, other images have one"):
        run(model, read_folder(tmp_path / "data"), tmp_path, {"b": blind}, outlines=True)
    labels.write_text("\n".join([f"{header},row_mm,column_mm", *(f"{r},2.0,-1" for r in rows)]))
    with pytest.raises(MedcontourError, match="two positive numbers"):
        run(model, read_folder(tmp_path / "data"), tmp_path, {"b": blind}, outlines=True)


@pytest.mark.slow
def test_the_command_takes_settings_and_keys_records_by_them(tmp_path: Path) -> None:
    tiny_data.planted(tmp_path / "data")
    tiny_data.torchscript(tmp_path / "cells.pt")
    line = ["benchmark", "folder", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    line += ["--model", str(tmp_path / "cells.pt"), "--methods", "extremal-contour"]
    line += ["--images", "1", "--json"]
    first = CliRunner().invoke(app, line, catch_exceptions=False)
    figures = json.loads(first.stdout)
    assert figures["unit"] == "pixel"
    assert figures["methods"]["extremal-contour"]["outline_dice"][0] > 0.5
    records = tmp_path / "out" / "records.jsonl"
    CliRunner().invoke(app, line, catch_exceptions=False)
    assert len(records.read_text().splitlines()) == 1
    for more in (["--area-weight", "5"], ["--background", "mean"]):
        CliRunner().invoke(app, [*line, *more], catch_exceptions=False)
    assert len(records.read_text().splitlines()) == 3
    assert CliRunner().invoke(app, [*line, "--background", "fog"]).exit_code == 2


class Twice(nn.Module):
    """Two outputs that are the same number, whatever the image."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.value.expand(len(inputs), 2) + 0 * inputs.mean()


def test_rise_weighs_masks_by_the_probability_that_outputs_mean() -> None:
    images, target = torch.rand(1, 1, 24, 24), torch.tensor([1])
    maps = {
        outputs: Rise(masks=8, outputs=outputs)(Twice(0.8), images, target).maps
        for outputs in ("softmax", "sigmoid", "probabilities")
    }
    plain = maps["softmax"] / 0.5  # two equal logits
    torch.testing.assert_close(maps["probabilities"], 0.8 * plain)
    torch.testing.assert_close(maps["sigmoid"], plain / (1 + math.exp(-0.8)))


def test_runs_tell_methods_what_outputs_mean(tmp_path: Path) -> None:
    tiny_data.planted(tmp_path / "data")
    tiny_data.torchscript(tmp_path / "cells.pt")
    loaded = load_classifier(tmp_path / "cells.pt")
    same = Twice(0.8)
    found = []
    for outputs in ("softmax", "probabilities"):
        model = load_classifier(
            same,
            preprocessing=loaded.preprocessing,
            name="same",
            outputs=outputs,
            labels=loaded.labels[:2],
        )
        results = run(model, read_folder(tmp_path / "data", "1"), tmp_path, ["rise"], images=1)
        found.append(next(iter(results.maps.values())))
    torch.testing.assert_close(found[1], found[0] * 0.8 / 0.5)


def test_the_automatic_background_takes_the_answer_away_or_is_the_strongest() -> None:
    network = nn.Sequential(nn.AvgPool2d(8), nn.Flatten())
    images = torch.zeros(1, 1, 32, 32)
    images[..., 8:16, 16:24] = 4.0

    def evaluations(background: str, outputs: str) -> float:
        method = ExtremalContour(background=background, outputs=outputs)  # type: ignore[arg-type]
        return float(method(network, images, torch.tensor([6])).evaluations)

    # The square's class has the largest logit on each blurred image, but not one half of them all.
    assert evaluations("auto", "softmax") == evaluations("blur", "softmax") + 1
    # As a logit of its own it stays above 0 on all: the mean takes most of it.
    assert evaluations("auto", "sigmoid") == evaluations("mean", "sigmoid") + 1
    drawn = RandomContour(like=ExtremalContour(background="auto"))
    assert drawn.draws_contour
