"""A suggestion and a scan as they are met in a notebook."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from export_cases import AXIAL, Study, case_suggestion, write_series

from medcontour import MedcontourError, Suggestion
from medcontour.formats import label_volume
from medcontour.results import Finding
from medcontour.scan import read_scan


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    scan = read_scan(write_series(AXIAL, tmp_path_factory.mktemp("series")))
    return scan, case_suggestion(scan, AXIAL)


def test_a_suggestion_is_gone_through_and_counted(study: Study) -> None:
    scan, suggestion = study
    assert list(suggestion) == list(suggestion.findings)
    assert len(suggestion) == len(suggestion.findings) > 0
    assert all(isinstance(finding, Finding) for finding in suggestion)
    assert f"{len(suggestion)} of" in repr(suggestion)
    assert f"{scan.columns} x {scan.rows} x {scan.slices}" in repr(scan)


def test_one_without_findings_is_true_and_says_so(study: Study) -> None:
    nothing = replace(study[1], findings=())
    assert len(nothing) == 0
    assert nothing
    assert "0 of" in repr(nothing)


def test_its_table_shows_labels_as_they_are(study: Study) -> None:
    suggestion = study[1]
    named = replace(suggestion, findings=tuple(replace(f, label="<b>&") for f in suggestion))
    shown = named._repr_html_()
    assert shown.count("<tr>") == len(suggestion) + 1
    assert "&lt;b&gt;&amp;" in shown
    assert "<b>" not in shown


def test_a_finding_gives_the_mask_that_the_label_map_holds(study: Study, tmp_path: Path) -> None:
    scan, suggestion = study
    volume = label_volume(suggestion, scan) > 0
    for k in range(scan.slices):
        here = [f.mask()[k] for f in replace(suggestion, source=scan)]
        assert np.array_equal(np.logical_or.reduce([volume[k] & False, *here]), volume[k])
    suggestion.write_json(tmp_path / "suggestion.json")
    finding, *_ = Suggestion.read_json(tmp_path)
    with pytest.raises(MedcontourError, match=r"write finding\.mask\(scan\)"):
        finding.mask()
    assert finding.mask(scan).any()
    assert not np.array_equal(finding.mask(scan), finding.mask(scan, "evidence"))
