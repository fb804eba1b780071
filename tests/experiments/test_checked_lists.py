"""The lists are those that calibrate takes, and hold nothing that the network was trained on."""

from __future__ import annotations

import sys
from pathlib import Path

import checked_lists
import pytest

from medcontour.checked import checked_scans


def test_each_part_but_the_training_one_is_a_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("data/images", "data/masks", "bundle/docs"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("a", "b", "c", "d"):
        for folder in ("images", "masks"):
            (tmp_path / "data" / folder / f"{name}.png").touch()
    (tmp_path / "data" / "labels.csv").write_text(
        "file,label,group\na.png,benign,1\nb.png,normal,2\nc.png,malignant,3\nd.png,0,4\n"
    )
    (tmp_path / "bundle" / "docs" / "split.csv").write_text(
        "file,split\na.png,tune\nb.png,tune\nc.png,train\nd.png,report\n"
    )
    arguments = ["--data", tmp_path / "data", "--classifier", tmp_path / "bundle"]
    monkeypatch.setattr(sys, "argv", ["x", *map(str, [*arguments, "--out", tmp_path / "out"])])
    checked_lists.main()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.csv", "tune.csv"]
    scans, _ = checked_scans(tmp_path / "out" / "tune.csv")
    assert [(s.path.name, s.finding, s.group) for s in scans] == [
        ("a.png", True, "1"),
        ("b.png", False, "2"),
    ]
    assert [s.mask is None for s in scans] == [False, True]
