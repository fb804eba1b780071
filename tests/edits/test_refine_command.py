"""The command: what it writes, what it says, and that nothing is half written."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from jsonschema import Draft7Validator
from PIL import Image
from typer.testing import CliRunner

import medcontour as mc
from medcontour.cli import main
from medcontour.cli.app import app
from medcontour.results import COUNTED, Suggestion, suggestion_schema


@pytest.fixture(scope="module")
def edited(sample_data: Path, tmp_path_factory) -> tuple[Path, Path]:
    """A suggestion for one slice of the sample study, and its RTSTRUCT with a larger outline."""
    folder = tmp_path_factory.mktemp("edit")
    scan = mc.read_scan(sample_data / "ct_study")
    classifier = mc.load_classifier(sample_data / "nodule_classifier")
    suggestion = mc.suggest(scan, classifier, slices=slice(14, 15))
    suggestion.save(folder / "out", ["rtstruct"])
    dataset = pydicom.dcmread(folder / "out" / "rtstruct.dcm")
    item = dataset.ROIContourSequence[0].ContourSequence[0]
    points = np.reshape(item.ContourData, (-1, 3)).astype(float)
    points = points.mean(0) + 1.15 * (points - points.mean(0))
    item.ContourData = [f"{v:.6f}" for v in points.ravel()]
    dataset.save_as(folder / "edited.dcm")
    return folder / "out", folder / "edited.dcm"


@pytest.mark.slow
def test_edit_is_taken_over_and_resumed(edited, sample_data: Path, tmp_path: Path) -> None:
    suggestion, path = edited
    out = tmp_path / "refined"
    bundle = str(sample_data / "nodule_classifier")
    arguments = ["refine", str(suggestion), str(path), "--out", str(out), "--json"]
    more = ["--export", "rtstruct,labelmap", "--resume", "--classifier", bundle]
    result = CliRunner().invoke(app, arguments + more, catch_exceptions=False)
    assert result.exit_code == 0
    said = json.loads(result.stdout)
    assert said["slices"][0]["change"] == "moved"
    assert said["total"]["area_change_percent"] == pytest.approx(32.25, abs=0.1)
    for name in said["files"]:
        assert (out / name).exists(), name
    table = (out / "edit_report.md").read_text()
    assert table.startswith("# What the reader changed")
    assert COUNTED in table
    assert f"| {said['slices'][0]['slice'] + 1} | nodule" in table
    with Image.open(out / "before_after" / "slice_015.png") as picture:
        assert min(picture.size) > 200
    before, after = (Suggestion.read_json(f) for f in (suggestion, out))
    resumed = Suggestion.read_json(out / "resumed")
    for folder in (suggestion, out, out / "resumed"):
        written = json.loads((folder / "suggestion.json").read_text())
        Draft7Validator(suggestion_schema()).validate(written)
    assert (before.edited, after.edited, resumed.edited) == (False, True, False)
    points = pydicom.dcmread(path).ROIContourSequence[0].ContourSequence[0].ContourData
    kept = after.slices[0].outlines[0].polygon_lps_mm
    np.testing.assert_allclose(kept, np.reshape(points, (-1, 3)).astype(float), atol=1e-6)
    assert after.slices[0].evidence == before.slices[0].evidence
    fresh = resumed.slices[0]
    assert fresh.slice == 14
    assert fresh.evidence.preserved > 0.5
    assert fresh.evidence_contours
    again = pydicom.dcmread(out / "rtstruct.dcm")
    assert again.StructureSetROISequence[0].ROIGenerationAlgorithm == "SEMIAUTOMATIC"
    # The edited suggestion is one like any other.
    report = ["convert", str(out), "--to", "report", "--out", str(tmp_path / "report.html")]
    assert CliRunner().invoke(app, report).exit_code == 0


def test_table_for_people(edited, tmp_path: Path) -> None:
    suggestion, path = edited
    arguments = ["refine", str(suggestion), str(path), "--out", str(tmp_path / "r")]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert any(change in result.stdout for change in ("moved", "grown", "shrunk"))
    assert not (tmp_path / "r" / "resumed").exists()


@pytest.mark.parametrize(
    ("second", "more", "code"),
    [
        ("missing.dcm", [], 1),
        ("edited.dcm", ["--export", "nothing"], 1),
        ("edited.dcm", ["--scan", "nowhere"], 1),
        ("edited.dcm", ["--resume"], 2),
    ],
)
def test_bad_input_writes_nothing(edited, second, more, code, tmp_path, monkeypatch, capsys):
    suggestion, path = edited
    out = tmp_path / "refined"
    arguments = ["medcontour", "refine", str(suggestion), str(path.with_name(second))]
    monkeypatch.setattr(sys, "argv", [*arguments, "--out", str(out), *more])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == code
    assert not out.exists()
    error = capsys.readouterr().err
    assert "Traceback" not in error
    if code == 1:
        assert len(error.strip().splitlines()) == 1
