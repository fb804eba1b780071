"""A calibration held against scans that it has not seen, by the command."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import PIL.Image
import pytest
from fitted_trust import trust_by
from small_files import Answer

import medcontour as mc

Run = Callable[..., Answer]


def test_what_is_written_is_what_the_scans_say(
    pictures: Path, bundle: Path, tmp_path: Path, medcontour: Run
) -> None:
    listed = pictures / "others.csv"
    listed.write_text(
        "scan,finding,mask\nplain_3.png,0,\nspot_0.png,1,spot_0_mask.png\nspot_1.png,0,\n"
    )
    known = mc.calibrate(listed, bundle, outline="none")
    replace(known, trust=trust_by("preserved")).write(tmp_path / "calibration.json")
    answer = medcontour(
        "benchmark", "trust", listed, "--classifier", bundle, "--calibration",
        tmp_path / "calibration.json", "--out", tmp_path / "out", "--outline", "none", "--json",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    said = json.loads(answer.out)
    assert said == json.loads((tmp_path / "out" / "trust.json").read_text())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["trust.json", "trust.png"]
    assert PIL.Image.open(tmp_path / "out" / "trust.png").width > 500
    figures = said["reliability"]
    assert (figures["findings"], figures["kept"], figures["groups"]) == (2, 1, 2)
    assert figures["aurc_unordered"] == pytest.approx(0.5)
    assert said["without_finding"] == 2
    assert said["as_small"]["0.05"] == 0  # two scans give no p value below a third


def test_another_classifiers_calibration_is_refused(
    pictures: Path, bundle: Path, tmp_path: Path, medcontour: Run
) -> None:
    other = mc.Calibration("0" * 64, 1, "spot", "0" * 16, "image", ((1.0,),))
    other.write(tmp_path / "calibration.json")
    answer = medcontour(
        "benchmark", "trust", pictures, "--classifier", bundle, "--calibration",
        tmp_path / "calibration.json", "--out", tmp_path / "out",
    )  # fmt: skip
    assert answer.code == 1
    assert "other weights" in answer.err
    assert not (tmp_path / "out").exists()
