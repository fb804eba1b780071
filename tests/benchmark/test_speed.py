"""`medcontour benchmark speed` on the sample: what a user gets, and that it goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

import medcontour as mc
from medcontour.benchmark import Workload, measure_speed, scan_runs, scan_workload, table
from medcontour.benchmark.speed import measure, step_cost
from medcontour.classifier import Classifier
from medcontour.cli.app import app
from medcontour.errors import MedcontourError
from medcontour.explain import PRESETS
from medcontour.scan import Scan


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    # Algorithm 1 to the letter takes a minute on this; its schedule in 12 steps does here.
    monkeypatch.setitem(PRESETS, "paper", replace(PRESETS["paper"], steps=12))
    monkeypatch.setattr(step_cost, "SPEED", replace(step_cost.SPEED, step_pairs=1, steps=1))


@pytest.fixture(scope="module")
def classifier(sample_data: Path) -> Classifier:
    return mc.load_classifier(sample_data / "nodule_classifier")


@pytest.fixture(scope="module")
def scan(sample_data: Path) -> Scan:
    return mc.read_scan(sample_data / "ct_study")


@pytest.fixture
def workload() -> Workload:
    """Two images with a bright square, and a class that is there where the square is bright."""
    images = torch.zeros(2, 1, 32, 32)
    images[0, :, 8:16, 12:20] = images[1, :, 16:24, 8:16] = 1.0

    def score(inputs: Tensor) -> Tensor:
        brightest = 30 * inputs.mean((1, 2, 3)) - 1
        return torch.stack([-brightest, brightest], 1)

    return Workload(
        "squares", images, torch.ones(2, dtype=torch.long), score, lambda inputs: inputs.flatten(1)
    )


@pytest.mark.slow
def test_the_command_compares_all_presets(tmp_path: Path, sample_data: Path) -> None:
    line = ["benchmark", "speed", str(sample_data / "ct_study"), "--images", "2", "--json"]
    line += ["--classifier", str(sample_data / "nodule_classifier"), "--out", str(tmp_path)]
    result = CliRunner().invoke(app, line, catch_exceptions=False)
    assert result.exit_code == 0
    figures = json.loads(result.stdout)
    (nodules,) = figures["workloads"]
    assert (nodules["name"], nodules["images"]) == ("nodule", 2)
    assert nodules["presets"]["paper"]["evaluations"] == 12.5
    assert 7 < nodules["presets"]["fast"]["evaluations"] <= 50
    assert nodules["presets"]["fast"]["objective"] < -0.5
    assert nodules["presets"]["thorough"]["evaluations"] <= 111
    assert nodules["presets"]["thorough"]["objective"] <= nodules["presets"]["fast"]["objective"]
    assert nodules["level_share"] == nodules["level_share_50"] == 1.0
    assert nodules["level_share_25"] <= nodules["level_share_thorough"] == 1.0
    assert figures["overhead"]["ratio_median"] > 0
    assert 0 < figures["warm_start"]["evaluations"] <= 50
    assert json.loads((tmp_path / "table.json").read_text()) == figures
    assert "| nodule | 2 | fast |" in (tmp_path / "table.md").read_text()
    assert (tmp_path / "figures" / "objective.png").read_bytes().startswith(b"\x89PNG")
    assert len((tmp_path / "per_image.csv").read_text().splitlines()) == 1 + 2 * len(PRESETS)


@pytest.mark.slow
def test_slices_are_those_that_suggest_explains(scan: Scan, classifier: Classifier) -> None:
    every = scan_workload(scan, classifier)
    few = scan_workload(scan, classifier, images=3)
    positive = [
        k
        for k in range(scan.slices)
        if classifier.score(classifier.prepare(scan.voxels[k], scan.pixel_spacing).tensor[None])[
            0, 1
        ]
        > 0
    ]
    assert len(every) == len(positive)
    assert few.images[0].equal(every.images[0])
    assert few.images[-1].equal(every.images[-1])
    runs = scan_runs(scan, classifier)
    follows = [k + 1 in positive for k in positive]
    assert sum(len(run) - 1 for run in runs) == sum(follows)
    assert all(len(run) > 1 for run in runs)


def test_a_stopped_run_goes_on_and_objectives_are_those_of_the_protocol(
    tmp_path: Path, workload: Workload
) -> None:
    first = measure_speed([workload], [], tmp_path)
    file = tmp_path / "records.jsonl"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:3], lines[3][:40]]))  # stopped in the middle of a line
    again = measure_speed([workload], [], tmp_path)
    assert [(r.image, r.preset, r.objective) for r in again.records] == [
        (r.image, r.preset, r.objective) for r in first.records
    ]
    for record in first.records:
        parts = record.deleted - record.preserved + workload.area_weight * record.area_fraction
        assert record.objective == pytest.approx(parts, abs=1e-5)
        spent, values = zip(*record.path, strict=True)
        assert list(spent) == sorted(spent)
        assert (spent[-1], values[-1]) == (record.evaluations, record.objective)
    for record in first.of("squares", "fast"):
        values = [value for _, value in record.path]
        assert values == sorted(values, reverse=True)
    text = table(first)
    assert "level at 25" in text
    assert "starts from its neighbour" not in text  # no runs of slices were given


def test_contours_of_other_constants_are_not_taken_up(
    tmp_path: Path, workload: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = measure_speed([workload], [], tmp_path).records
    model, *others = measure.SEARCH_CONSTANTS
    changed = (replace(model, inner_steps=model.inner_steps + 1), *others)
    monkeypatch.setattr(measure, "SEARCH_CONSTANTS", changed)
    measure_speed([workload], [], tmp_path)
    written = [json.loads(line) for line in (tmp_path / "records.jsonl").read_text().splitlines()]
    anew = [record["preset"] for record in written[len(records) :]]
    assert sorted(anew) == sorted(["fast", "thorough"] * len(workload))  # Algorithm 1 has none


def test_a_scan_without_a_positive_slice_is_refused(scan: Scan, classifier: Classifier) -> None:
    empty = replace(scan, voxels=scan.voxels * 0 - 1000)
    with pytest.raises(MedcontourError, match='calls none of the 40 slices "nodule"'):
        scan_workload(empty, classifier)
