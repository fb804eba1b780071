"""An edit is never written over the suggestion that it began from, nor over the edited file."""

from __future__ import annotations

import json
from pathlib import Path

import pydicom
import pytest
from edits import AXIAL, smooth_suggestion, write_series
from typer.testing import CliRunner

import medcontour as mc
from medcontour.cli.app import app
from medcontour.errors import MedcontourError


@pytest.fixture
def out(tmp_path: Path) -> Path:
    scan = mc.read_scan(write_series(AXIAL, tmp_path / "ct"))
    smooth_suggestion(scan).save(tmp_path / "out", ["rtstruct"])
    return tmp_path / "out"


def moved(path: Path) -> Path:
    """The file with one contour shifted, in a folder of its own beside it."""
    dataset = pydicom.dcmread(path)
    contour = dataset.ROIContourSequence[0].ContourSequence[0]
    points = [float(v) for v in contour.ContourData]
    contour.ContourData = [float(v) + 1.5 for v in contour.ContourData[:2]] * (
        len(contour.ContourData) // 3
    )
    points = [
        float(v)
        for v in pydicom.dcmread(path).ROIContourSequence[0].ContourSequence[0]["ContourData"].value
    ]
    contour.ContourData = [f"{v + 1.5 * (i % 3 == 0):.6f}" for i, v in enumerate(points)]
    folder = path.parent.parent / "edited"
    folder.mkdir()
    dataset.save_as(folder / "e.dcm")
    return folder / "e.dcm"


def test_the_command_refuses_the_folders_that_it_reads(out: Path, tmp_path: Path) -> None:
    edited = moved(out / "rtstruct.dcm")
    link = tmp_path / "link"
    link.symlink_to(out, target_is_directory=True)
    before = {p: p.read_bytes() for p in [*out.iterdir(), edited]}
    scan = ["--scan", str(tmp_path / "ct")]
    for target in (out, link, edited.parent):
        for suggestion in (out, out / "suggestion.json"):
            arguments = ["refine", str(suggestion), str(edited), "--out", str(target), *scan]
            done = CliRunner().invoke(app, arguments)
            assert isinstance(done.exception, MedcontourError)
            assert "choose another folder" in str(done.exception)
    assert {p: p.read_bytes() for p in before} == before
    arguments = ["refine", str(out), str(edited), "--out", str(out / "refined"), *scan]
    assert CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code == 0


def test_saving_from_python_refuses_it_too(out: Path, tmp_path: Path) -> None:
    scan = mc.read_scan(tmp_path / "ct")
    before = (out / "suggestion.json").read_bytes()
    refined = mc.refine(out / "suggestion.json", moved(out / "rtstruct.dcm"), scan)
    with pytest.raises(MedcontourError, match="choose another folder"):
        refined.suggestion.save(out, ["rtstruct"])
    assert (out / "suggestion.json").read_bytes() == before
    refined.suggestion.save(tmp_path / "refined", ["rtstruct"])
    refined.suggestion.save(tmp_path / "refined", ["rtstruct"])  # the same edit again is no loss
    assert json.loads((tmp_path / "refined" / "suggestion.json").read_text())["edited"]


def test_what_an_earlier_run_left_is_named(out: Path, tmp_path: Path) -> None:
    scan = mc.read_scan(tmp_path / "ct")
    saved = smooth_suggestion(scan).save(out, ["labelmap"])
    assert "rtstruct.dcm there is of an earlier run" in saved.left_out["rtstruct"]


def test_a_new_suggestion_is_never_written_over_an_edit(out: Path, tmp_path: Path) -> None:
    scan, refined = str(tmp_path / "ct"), tmp_path / "refined"
    line = ["refine", str(out), str(moved(out / "rtstruct.dcm")), "--scan", scan]
    for _ in range(2):  # the next edit may go there
        done = CliRunner().invoke(app, [*line, "--out", str(refined)], catch_exceptions=False)
        assert done.exit_code == 0
    before = {p: p.read_bytes() for p in refined.iterdir() if p.is_file()}
    line = ["suggest", scan, "--classifier", str(tmp_path / "none"), "--out", str(refined)]
    done = CliRunner().invoke(app, line)
    assert isinstance(done.exception, MedcontourError)
    assert "holds a reader's edit" in str(done.exception)
    assert {p: p.read_bytes() for p in before} == before
