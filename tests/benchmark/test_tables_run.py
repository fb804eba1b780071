"""Methods compared: what is asked, kept, counted and written, and the commands end to end."""

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
from PIL import Image
from scipy import stats
from torch import Tensor, nn
from typer.testing import CliRunner

import medcontour.cli  # noqa: F401  (all commands enter the app)
from medcontour.benchmark import (
    Item,
    method_table,
    randomise,
    read_folder,
    run,
    summary,
    write_results,
)
from medcontour.benchmark.compare.published import published_rows
from medcontour.benchmark.methods import RandomContour, Rise
from medcontour.benchmark.metrics.intervals import mean_interval
from medcontour.benchmark.network import explained, score_of
from medcontour.classifier import Classifier, load_classifier
from medcontour.cli.app import app
from medcontour.errors import MedcontourError


@pytest.fixture
def data(tmp_path: Path) -> Path:
    tiny_data.planted(tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def model(tmp_path: Path) -> Classifier:
    tiny_data.torchscript(tmp_path / "cells.pt")
    return load_classifier(tmp_path / "cells.pt")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


class Perfect:
    """The bright cell itself, and a count of how often it was asked; stops at a given call."""

    def __init__(self, stop: int = 10**9) -> None:
        self.asked: list[int] = []
        self.stop = stop

    def __call__(self, network: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        if len(self.asked) == self.stop:
            raise KeyboardInterrupt
        self.asked.append(int(targets[0]))
        return (images > images.amax() / 2).float()


def mean(network: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    return torch.ones_like(images)


def test_the_figures_of_a_perfect_and_of_a_blind_method(
    data: Path, model: Classifier, out: Path
) -> None:
    methods = {"extremal-contour": Perfect(), "blind": mean}
    results = run(model, read_folder(data), out, methods, images=3)
    assert not results.errors
    table = summary(results)["methods"]
    for name in ("relevance_rank", "relevance_mass", "pointing_game", "best_iou"):
        assert table["extremal-contour"][name] == [1.0, 1.0, 1.0]
        assert table["blind"][name] == pytest.approx([1 / 12] * 3)  # one cell of twelve
    # Entropy of 64 equal pixels, and of all 768.
    assert table["extremal-contour"]["complexity"][0] == pytest.approx(math.log(64))
    assert table["blind"]["complexity"][0] == pytest.approx(math.log(768))
    # The cell alone brings the whole answer: its removal leaves less than any other order.
    assert table["extremal-contour"]["deletion_auc"][0] < table["blind"]["deletion_auc"][0]
    write_results(results, out)
    with (out / "table.csv").open(newline="") as file:
        rows = {(row["method"], row["metric"]): row for row in csv.DictReader(file)}
    mass = rows["blind", "relevance_mass"]
    assert (mass["images"], mass["source"]) == ("3", "ours")
    assert float(mass["difference"]) == pytest.approx(1 / 12 - 1, abs=1e-5)
    assert "faithfulness_10" not in {key[1] for key in rows if key[0] == "none"}
    with (out / "per_image.csv").open(newline="") as file:
        images = list(csv.DictReader(file))
    assert len(images) == 6
    assert images[0]["object_share"] == "0.0833333"


def test_a_stopped_run_asks_no_image_twice(data: Path, model: Classifier, out: Path) -> None:
    first = Perfect(stop=2)
    with pytest.raises(KeyboardInterrupt):
        run(model, read_folder(data), out, {"perfect": first}, images=3)
    lines = (out / "records.jsonl").read_text()
    (out / "records.jsonl").write_text(lines + '{"image": "scan')  # stopped within a line
    rest = Perfect()
    results = run(model, read_folder(data), out, {"perfect": rest}, images=3)
    assert len(first.asked) == 2
    assert len(rest.asked) == 1
    assert len(set(first.asked + rest.asked)) == 3
    assert [record.error for record in results.records] == ["", "", ""]
    again = Perfect()
    same = run(model, read_folder(data), out, {"perfect": again}, images=3)
    assert not again.asked
    assert str(same.records) == str(results.records)  # NaN is no equal of itself
    # Other settings, another network: other work.
    one, other_one = (
        run(model, read_folder(data), out, {"rise": Rise(masks)}, images=1) for masks in (40, 80)
    )
    assert one.values("rise", "evaluations") == {"scan2": 10.0}
    assert other_one.values("rise", "evaluations") == {"scan2": 20.0}
    other = Perfect()
    changed = load_classifier(
        _doubled(model.network), labels=model.labels, preprocessing=model.preprocessing
    )
    run(changed, read_folder(data), out, {"perfect": other}, images=3)
    assert len(other.asked) == 3


def _doubled(network: nn.Module) -> nn.Module:
    copy = tiny_data.Cells()
    copy.load_state_dict({name: 2 * value for name, value in network.state_dict().items()})
    return copy


def test_an_error_is_counted_and_the_rest_goes_on(data: Path, model: Classifier, out: Path) -> None:
    (data / "images" / "scan1.png").write_bytes(b"no picture")

    def fragile(network: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        if int(targets[0]) == 1:
            raise RuntimeError("out of luck\nwith the first cell")
        return images

    results = run(model, read_folder(data), out, {"fragile": fragile, "blind": mean}, images=3)
    write_results(results, out)
    with (out / "not_judged.csv").open(newline="") as file:
        rows = [(r["image"], r["method"], r["kind"]) for r in csv.DictReader(file)]
    assert rows == [("scan1", "", "error"), ("scan0", "fragile", "error")]
    text = (out / "table.md").read_text()
    assert "Errors: 2, listed in not_judged.csv: every method 1, fragile 1." in text
    assert "RuntimeError: with the first cell" in (out / "not_judged.csv").read_text()
    assert summary(results)["errors"] == 2
    # What failed is asked again, and only that.
    again = Perfect()
    run(model, read_folder(data), out, {"fragile": again, "blind": mean}, images=3)
    assert len(again.asked) == 1


def test_images_asked_about_together_are_recorded_one_by_one(
    data: Path, model: Classifier, out: Path
) -> None:
    sizes: list[int] = []

    def alone(network: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        sizes.append(len(images))
        if len(images) == 1 and int(targets[0]) == 1:
            raise RuntimeError("out of luck")
        if 1 in targets.tolist():
            raise RuntimeError("one of them")
        return images * (1 + targets.view(-1, 1, 1, 1))

    def both(network: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        return alone(network, images, targets)

    both.together = 2  # type: ignore[attr-defined]
    dataset = read_folder(data)
    results = run(model, dataset, out, {"alone": alone, "both": both}, images=3)
    assert sizes[:3] == [1, 1, 2]  # two images by the one, then by the other
    by_method = {
        name: {r.image: r for r in results.records if r.method == name}
        for name in ("alone", "both")
    }
    failed = {name: [r.image for r in results.errors if r.method == name] for name in by_method}
    assert failed["alone"] == failed["both"]
    assert len(failed["both"]) == 1  # the image beside it was asked about again, by itself
    for image, record in by_method["alone"].items():
        other = by_method["both"][image]
        assert other.error == record.error
        for metric in record.values.keys() - {"seconds", "evaluations"}:
            assert other.values[metric] == pytest.approx(record.values[metric], nan_ok=True)
    sizes.clear()
    run(model, dataset, out, {"both": both}, images=3)
    assert sizes == [1]  # what failed, and only that


def test_images_that_cannot_count_are_left_out_and_counted(
    data: Path, model: Classifier, out: Path
) -> None:
    dataset = read_folder(data)

    def item(name: str) -> Item:
        made = replace(dataset.item(name), must_recognise=True)
        return replace(made, classes=(7,)) if name == "scan2" else made

    class Cropped:
        def __getattr__(self, name: str) -> object:
            return getattr(model, name)

        def prepare(self, *arguments: object) -> object:
            prepared = model.prepare(*arguments)  # type: ignore[arg-type]
            return replace(prepared, index_from_input=prepared.index_from_input + 100)

    results = run(model, replace(dataset, item=item), out, {"blind": mean}, images=3)
    assert results.left_out == {"scan2": "the network takes it for something else"}
    assert "1 because the network takes it for something else" in method_table(results)
    with pytest.raises(MedcontourError, match="its object is not on the network's input"):
        write_results(run(Cropped(), dataset, out, {"blind": mean}, images=3), out)


def test_runs_with_other_seeds_are_compared(data: Path, model: Classifier, out: Path) -> None:
    results = run(model, read_folder(data), out, ["rise"], images=1, runs=2)
    (value,) = results.values("rise", "agreement").values()
    assert 0.5 < value < 1.0
    same = run(model, read_folder(data), out, {"blind": Perfect()}, images=1, runs=2)
    assert same.values("blind", "agreement")["scan2"] == pytest.approx(1.0)


def test_maps_of_a_slightly_altered_image_are_compared(
    data: Path, model: Classifier, out: Path
) -> None:
    """A map that does not look at the image stays; one drawn from its very values does not."""
    methods = {"blind": Perfect(), "drawn": RandomContour(area=0.1), "rise": Rise(masks=100)}
    results = run(model, read_folder(data), out, methods, images=2, stability=2)
    stable = {name: list(results.values(name, "stability").values()) for name in methods}
    assert stable["blind"] == pytest.approx([1.0, 1.0])
    assert all(value < 0.9 for value in stable["drawn"])
    assert all(value > 0.95 for value in stable["rise"])
    assert "stability" in method_table(results)
    again = run(model, read_folder(data), out, methods, images=2)
    assert not again.values("blind", "stability")


def test_an_embedding_is_explained_by_its_likeness_to_itself(data: Path, out: Path) -> None:
    network = nn.Sequential(nn.AvgPool2d(8), nn.Flatten())

    tiny_data.torchscript(data / "cells.pt")
    load = load_classifier(data / "cells.pt")
    model = load_classifier(
        network, preprocessing=load.preprocessing, outputs="embedding", name="cells"
    )
    images = torch.rand(1, 1, 24, 32)
    for cosine in (True, False):
        likeness = explained(model, images, cosine=cosine).network
        assert likeness(images)[0].tolist() == pytest.approx([1000.0 if cosine else 1.0, 0.0])
        inputs = images.clone().requires_grad_(True)
        (slope,) = torch.autograd.grad(likeness(inputs)[:, 0].sum(), inputs)
        assert (slope.abs().max() < 1e-4) == cosine
    score = score_of(model, images, torch.zeros(1, dtype=torch.int64))
    assert score(3 * images, torch.tensor([0])).tolist() == pytest.approx([1.0])
    results = run(model, read_folder(data), out, ["extremal-contour", "rise"], images=1)
    assert not results.errors
    for method in results.methods:
        assert results.values(method, "relevance_rank")["scan2"] > 2 / 12, method
    with pytest.raises(MedcontourError, match="no classes"):
        randomise(model, read_folder(data), out, ["occlusion"], images=1)


@pytest.mark.parametrize("count", [2, 30, 400])
def test_intervals_are_those_of_scipy_and_of_the_central_limit(count: int) -> None:
    values = np.random.default_rng(count).normal(3.0, 2.0, count)
    mean_value, low, high = mean_interval(values.tolist())
    assert mean_value == pytest.approx(values.mean())
    judge = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=5000, random_state=1
    ).confidence_interval
    width = judge.high - judge.low
    assert low == pytest.approx(judge.low, abs=0.05 * width)
    assert high == pytest.approx(judge.high, abs=0.05 * width)
    if count == 400:
        expected = 1.96 * values.std() / math.sqrt(count)
        assert high - mean_value == pytest.approx(expected, rel=0.1)
    assert mean_interval([*values, math.nan]) == mean_interval(values.tolist())
    assert all(math.isnan(value) for value in mean_interval([math.nan]))


def test_the_papers_rows_stand_apart_and_only_where_they_belong() -> None:
    for kind in ("imagenet", "coco"):
        for name in ("resnet50", "dino-vitb16"):
            rows = published_rows(kind, name)
            assert len(rows) == 5
            for row in rows:
                assert ("faithfulness_10" in row.values) == (kind == "imagenet")
                for middle, low, high in row.values.values():
                    # Their intervals are symmetric: a slip of the pen would show.
                    assert middle == pytest.approx((low + high) / 2, abs=0.0011)
    assert not published_rows("imagenet", "resnet18")


@pytest.mark.slow
def test_the_commands_end_to_end(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medcontour.benchmark.compare.figures.AREAS", (0.1, 0.3))
    tiny_data.torchscript(tmp_path / "cells.pt")
    out = tmp_path / "folder"
    asked = ["--data", str(data), "--model", str(tmp_path / "cells.pt"), "--out", str(out)]
    line = ["benchmark", "folder", *asked, "--methods", "extremal-contour,random,occlusion"]
    line += ["--images", "2", "--fidelity", "1", "--json"]
    result = CliRunner().invoke(app, line, catch_exceptions=False)
    assert result.exit_code == 0
    figures = json.loads(result.stdout)
    assert (figures["images"], figures["errors"], figures["model"]) == (2, 0, "cells")
    methods = figures["methods"]
    # Each cell is a class's whole evidence: both find it, a contour anywhere does not.
    assert methods["extremal-contour"]["relevance_mass"][0] > 0.7
    assert methods["occlusion"]["pointing_game"][0] == 1.0
    assert methods["random"]["relevance_mass"][0] < 0.5
    # The search's most, and one for the choice of a background.
    assert methods["extremal-contour"]["evaluations"][0] <= 49.5 + 1
    for name in figures["files"]:
        content = (out / name).read_bytes()
        assert content.startswith(b"\x89PNG") == name.endswith(".png")
    assert set(figures["files"]) >= {
        "images.csv", "table.md", "table.csv", "per_image.csv", "figures/sheet.png",
        "figures/metrics.png", "figures/fidelity_area.png",
    }  # fmt: skip
    before = (out / "records.jsonl").read_text()
    result = CliRunner().invoke(app, line[:-3], catch_exceptions=False)
    assert "Paired differences" in result.stdout
    assert (out / "records.jsonl").read_text() == before


def test_randomised_weights_move_the_maps_away(data: Path, tmp_path: Path) -> None:
    class Learnt(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(1, 1, 1)
            self.last = nn.Linear(12, 12)
            nn.init.constant_(self.first.weight, 1.0)
            nn.init.zeros_(self.first.bias)
            nn.init.eye_(self.last.weight)
            nn.init.zeros_(self.last.bias)

        def forward(self, inputs: Tensor) -> Tensor:
            return self.last(8 * nn.functional.avg_pool2d(self.first(inputs), 8).flatten(1))

    tiny_data.torchscript(tmp_path / "cells.pt")
    loaded = load_classifier(tmp_path / "cells.pt")
    names = tuple(f"cell {k}" for k in range(12))
    model = load_classifier(Learnt(), preprocessing=loaded.preprocessing, labels=names)

    def edges(network: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        return images  # what is bright, whatever the network says

    def gradient(network: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        inputs = images.clone().requires_grad_(True)
        logit = network(inputs).gather(1, targets.unsqueeze(1)).sum()
        return torch.autograd.grad(logit, inputs)[0]

    methods = {"edges": edges, "gradient": gradient}
    found = randomise(model, read_folder(data), tmp_path, methods, images=3)
    assert found.layers == ["last", "first"]
    assert found.interval("edges", 1, "iou")[0] == pytest.approx(1.0)
    assert found.interval("gradient", 1, "iou")[0] < 0.5
    # A map that follows the image differs from image to image, whatever the weights.
    assert found.chance_interval("edges", "iou")[0] < 0.5
    assert [len(pairs) for pairs in found.chance.values()] == [3, 3]
    lines = (tmp_path / "randomised.jsonl").read_text().splitlines()
    assert len(lines) == 6

    # Stopped after the first line and in the midst of the second, it goes on with these.
    (tmp_path / "randomised.jsonl").write_text(lines[0] + "\n" + lines[1][:20])
    again = randomise(model, read_folder(data), tmp_path, methods, images=3)
    assert (again.similar, again.chance) == (found.similar, found.chance)
    whole = [
        json.loads(line)
        for line in (tmp_path / "randomised.jsonl").read_text().split("\n")
        if line.endswith("}")
    ]
    assert len(whole) == 6
    calls: list[int] = []

    def counted(network: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        calls.append(len(images))
        return images

    randomise(model, read_folder(data), tmp_path, {"edges": counted}, images=3)
    assert not calls
    with pytest.raises(MedcontourError, match="learns from the trained network"):
        randomise(model, read_folder(data), tmp_path, ["nemt"], images=1)


@pytest.mark.slow
def test_the_randomisation_command(data: Path, tmp_path: Path, sample_data: Path) -> None:
    line = ["benchmark", "randomise", "--data", str(data), "--out", str(tmp_path / "check")]
    line += ["--model", str(sample_data / "breast_us_classifier"), "--target", "1", "--json"]
    line += ["--methods", "gradient-shap", "--images", "1", "--layers", "2"]
    pytest.importorskip("captum")
    result = CliRunner().invoke(app, line, catch_exceptions=False)
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert len(found["layers"]) == 2
    assert "random down to" in (tmp_path / "check" / "table.md").read_text()
    figure = tmp_path / "check" / "figures" / "randomised.png"
    assert Image.open(figure).size[0] > 500


def test_what_cannot_be_done_is_a_sentence(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_data.torchscript(tmp_path / "cells.pt")

    def said(*arguments: str) -> str:
        with pytest.raises(MedcontourError) as caught:
            CliRunner().invoke(app, ["benchmark", *arguments], catch_exceptions=False)
        return str(caught.value)

    common = ["--data", str(data), "--out", str(tmp_path / "out")]
    model = ["--model", str(tmp_path / "cells.pt")]
    assert 'no method "magic"' in said("folder", *common, *model, "--methods", "magic")
    asked = [*common, *model, "--methods", "occlusion"]
    assert 'has no class "vessel"' in said("folder", *asked, "--target", "vessel")
    assert "12 classes, but" in said("folder", *asked, "--target", "12")
    monkeypatch.setattr("medcontour.classifier.named.library", lambda name: None)
    assert "pip install" in said("folder", *common, "--model", "resnet50")
    assert "timm" in said("folder", *common, "--model", "dino-vitb16")
