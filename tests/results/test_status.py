"""Statuses: one place says what is suggested and exported, and nothing is empty without a word."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import nibabel
import numpy as np
import pytest
from edits import AXIAL, smooth_suggestion, with_slices, write_series

import medcontour as mc
from medcontour.results.status import EXPORTED, STATUSES
from medcontour.scan import Scan

WEAK = [status for status in STATUSES if status not in EXPORTED]


@pytest.fixture(scope="module")
def scan(tmp_path_factory) -> Scan:
    return mc.read_scan(write_series(AXIAL, tmp_path_factory.mktemp("status")))


def of_status(scan: Scan, status: str) -> mc.Suggestion:
    suggestion = smooth_suggestion(scan)
    parts = [replace(part, status=status) for part in suggestion.slices]
    if status == "collapsed":  # has evidence alone
        parts = [replace(part, outlines=()) for part in parts]
    return with_slices(suggestion, scan, *parts)


def test_the_schema_the_report_and_the_docs_know_every_status() -> None:
    schema = json.loads(files("medcontour.results").joinpath("suggestion.schema.json").read_text())
    assert schema["definitions"]["status"]["enum"] == [*STATUSES]
    docs = Path(__file__).parents[2] / "docs" / "concepts" / "figures.md"
    assert {*re.findall(r"^\| `([a-z, ]+)` \|", docs.read_text(), re.M)} >= {*STATUSES}


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_is_written_read_and_shown(scan: Scan, status: str, tmp_path: Path) -> None:
    suggestion = of_status(scan, status)
    suggestion.save(tmp_path, ["report", "overlay"])
    assert {f.status for f in mc.Suggestion.read_json(tmp_path)} == {status}
    assert status in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("include_weak", [False, True])
@pytest.mark.parametrize("status", STATUSES)
def test_an_empty_label_map_is_told(
    scan: Scan, status: str, include_weak: bool, tmp_path: Path
) -> None:
    formats = ["labelmap", "nrrd", "seg", "rtstruct", "markups", "coco", "sr"]
    saved = of_status(scan, status).save(tmp_path, formats, include_weak=include_weak)
    labels = np.asarray(nibabel.load(tmp_path / "labelmap.nii.gz").dataobj)
    held = status in EXPORTED or (include_weak and status != "collapsed")
    assert labels.any() == held
    assert any("label maps are empty" in note for note in saved.notes) != held
    for name in formats:  # written, or said why not
        assert (mc.exporters()[name].filename in saved.files) != (name in saved.left_out)
    curves = held or (include_weak and status == "collapsed")
    assert ("rtstruct.dcm" in saved.files) == curves
