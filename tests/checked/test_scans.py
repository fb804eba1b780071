"""Which scans a folder or a checked list holds, and what is said of one that is no list."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from small_files import plane, write_series

import medcontour as mc
from medcontour.checked import CheckedScan, checked_scans


def test_a_folder_gives_each_picture_and_each_series_once(pictures: Path, tmp_path: Path) -> None:
    shutil.copy(pictures / "plain_0.png", tmp_path)
    (tmp_path / "deep").mkdir()
    shutil.copy(pictures / "plain_1.png", tmp_path / "deep")
    write_series(tmp_path / "one", [plane(spot=False, seed=k) for k in range(2)])
    write_series(tmp_path / "two" / "a", [plane(spot=False, seed=k) for k in range(2)])
    write_series(tmp_path / "two" / "b", [plane(spot=False, seed=k) for k in range(3)])
    (tmp_path / "notes.txt").write_text("nothing")
    scans, notes = checked_scans(tmp_path)
    assert [scan.path.name for scan in scans] == ["plain_1.png", "one", "plain_0.png", "a", "b"]
    assert all(scan.finding is False and scan.group is None for scan in scans)
    assert [mc.read_scan(s.path, series=s.series).slices for s in scans] == [1, 2, 1, 2, 3]
    assert notes == ("Passed over: 1 files of other kinds.",)


def test_a_list_says_finding_group_and_mask(tmp_path: Path) -> None:
    text = "Scan, finding ,group,mask,remark\na.png,1,7,a_mask.png,x\nb/c.nii.gz,0,,,\n\n"
    (tmp_path / "list.csv").write_text(text, encoding="utf-8-sig")
    scans, _ = checked_scans(tmp_path / "list.csv")
    assert scans == [
        CheckedScan(tmp_path / "a.png", None, True, "7", tmp_path / "a_mask.png"),
        CheckedScan(tmp_path / "b/c.nii.gz", None, False, None, None),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_without_a_column_finding_a_mask_says_it_and_others_have_none(
    tmp_path: Path, delimiter: str
) -> None:
    rows = [["scan", "mask"], ["a.png", "m.png"], ["b.png", ""]]
    (tmp_path / "list.csv").write_text("\n".join(delimiter.join(row) for row in rows))
    scans, _ = checked_scans(tmp_path / "list.csv")
    assert [scan.finding for scan in scans] == [None, False]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no single column scan"),
        ("file,finding\na.png,0\n", "no single column scan"),
        ("scan,scan\na.png,b.png\n", "no single column scan"),
        ("scan,finding\n", "lists no scan"),
        ("scan,finding\n,1\n", "Row 1 of"),
        ("scan,finding\na.png,0\nb.png,yes\n", "Row 2 of"),
        ("scan,finding\na.png,\n", "neither 0 nor 1"),
    ],
)
def test_what_is_no_such_list_is_refused_with_the_row(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(mc.MedcontourError, match=said):
        checked_scans(tmp_path / "list.csv")


def test_what_is_no_text_no_scan_or_not_there_is_refused(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(mc.MedcontourError, match="is no text"):
        checked_scans(pictures / "plain_0.png")
    with pytest.raises(mc.MedcontourError, match="holds no scan"):
        checked_scans(tmp_path)
    with pytest.raises(mc.MedcontourError, match="does not exist"):
        checked_scans(tmp_path / "none")
