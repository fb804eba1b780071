"""`medcontour benchmark speed` on the sample alone: what a user gets, and that it goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from medcontour.benchmark import Speed, find_work, measure_speed, table
from medcontour.cli.app import app
from medcontour.errors import MedcontourError
from medcontour.explain import PRESETS


@pytest.fixture(autouse=True)
def _short_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    # Algorithm 1 to the letter takes a minute on this; its schedule in 20 steps does here.
    monkeypatch.setitem(PRESETS, "paper", replace(PRESETS["paper"], steps=20))


def test_the_command_compares_both_presets(tmp_path: Path, sample_data: Path) -> None:
    asked = ["benchmark", "speed", "--out", str(tmp_path), "--images", "2", "--json"]
    asked += ["--sample", str(sample_data), "--data", str(tmp_path / "none")]
    result = CliRunner().invoke(app, asked, catch_exceptions=False)
    assert result.exit_code == 0
    figures = json.loads(result.stdout)
    (nodules,) = figures["work"]
    assert (nodules["name"], nodules["images"]) == ("nodules", 2)
    assert nodules["presets"]["paper"]["evaluations"] == 20.5
    assert 7 < nodules["presets"]["fast"]["evaluations"] <= 50
    assert nodules["presets"]["fast"]["objective"] < -0.5
    assert nodules["level_share"] == 1.0
    assert figures["overhead"]["ratio_median"] > 0
    assert 0 < figures["warm_start"]["evaluations"] <= 50
    assert json.loads((tmp_path / "table.json").read_text()) == figures
    assert "| nodules | 2 | fast |" in (tmp_path / "table.md").read_text()
    assert (tmp_path / "figures" / "objective.png").read_bytes().startswith(b"\x89PNG")
    assert len((tmp_path / "per_image.csv").read_text().splitlines()) == 5


def test_a_stopped_run_goes_on_and_objectives_are_those_of_the_protocol(
    tmp_path: Path, sample_data: Path
) -> None:
    (work,) = find_work(sample_data, tmp_path, 2)
    first = measure_speed([work], tmp_path)
    file = tmp_path / "records.jsonl"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:3], lines[3][:40]]))  # stopped in the middle of a line
    again = measure_speed([work], tmp_path)
    assert [(r.image, r.preset, r.objective) for r in again] == [
        (r.image, r.preset, r.objective) for r in first
    ]
    for record in first:
        parts = record.deleted - record.preserved + work.area_weight * record.area_fraction
        assert record.objective == pytest.approx(parts, abs=1e-5)
        spent, values = zip(*record.path, strict=True)
        assert list(spent) == sorted(spent)
        assert (spent[-1], values[-1]) == (record.evaluations, record.objective)
    fast = [r for r in first if r.preset == "fast"]
    for record in fast:
        values = [value for _, value in record.path]
        assert values == sorted(values, reverse=True)
    text = table(
        Speed(
            first,
            {"nodules": {"soft": 1.0}},
            dict.fromkeys(("slices", "evaluations", "cold_evaluations", "level_share"), 0.0),
            1,
        )
    )
    assert "level at 25" in text


def test_images_of_one_part_are_not_in_the_other(sample_data: Path, tmp_path: Path) -> None:
    tuning, reported = (
        find_work(sample_data, tmp_path, 2, part) for part in ("tuning", "reported")
    )
    assert not torch.equal(tuning[0].images, reported[0].images)


def test_without_the_sample_the_remedy_is_said(tmp_path: Path) -> None:
    with pytest.raises(MedcontourError, match="--sample"):
        find_work(tmp_path, tmp_path, 1)
