"""What is known of a folder spares opening its files again, and never hides what changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from small_files import plane, write_series

import medcontour.scan.listing as listing
from medcontour.scan.listing import listed_scans


class Kept(dict[str, str]):
    """Kept in memory."""

    put = dict.__setitem__


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    write_series(root / "ct" / "a", [plane(spot=False, seed=k) for k in range(3)])
    write_series(root / "ct" / "b", [plane(spot=False, seed=k) for k in range(2)])
    for file in (root / "ct" / "b").iterdir():  # two series in one folder
        file.rename(root / "ct" / "a" / f"b{file.name}")
    shutil.rmtree(root / "ct" / "b")
    (root / "empty.png").touch()
    (root / "note.txt").write_text("nothing")
    (root / "damaged").mkdir()
    (root / "damaged" / "x.dcm").write_bytes(bytes(128) + b"DICM nothing")
    return root


def test_what_is_known_gives_the_same_without_opening_a_file(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Kept()
    fresh = listed_scans(tree)
    assert sorted(len(scan.files) for scan in fresh[0]) == [1, 1, 2, 3]
    assert listed_scans(tree, known=kept) == fresh
    shutil.rmtree(tree / "damaged")  # it may be mended, and is looked into each time
    monkeypatch.setattr(listing, "file_kind", None)
    monkeypatch.setattr(listing, "series_files", None)
    again, notes = listed_scans(tree, known=kept)
    assert again == [scan for scan in fresh[0] if scan.path.name != "damaged"]
    assert notes == fresh[1]
    assert not any(word in str(list(kept.values())) for word in ("tree", "empty", ".dcm"))


def test_what_is_new_or_changed_is_found(tree: Path) -> None:
    kept = Kept()
    listed_scans(tree, known=kept)
    write_series(tree / "mr", [plane(spot=False)])
    shutil.copy(tree / "ct" / "a" / "001.dcm", tree / "ct" / "a" / "late.dcm")
    (tree / "empty.png").write_bytes(b"\x89PNG\r\nmore")
    (tree / "damaged" / "x.dcm").unlink()
    assert listed_scans(tree, known=kept) == listed_scans(tree)
    assert (
        len(listed_scans(tree, known=kept)[0][0].files)
        + len(listed_scans(tree, known=kept)[0][1].files)
        == 6
    )
