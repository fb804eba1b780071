"""Which scans to correct next: the typical ones, then those whose outlines change."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_files import call

import medcontour as mc
from medcontour.learning.order import correction_order


@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_no_scan_comes_twice_and_none_that_is_corrected(seed: int, count: int) -> None:
    draw = np.random.default_rng(seed)
    n = int(draw.integers(1, 15))
    groups = draw.integers(0, n, n)
    corrected = np.isin(groups, groups[draw.random(n) < 0.2])
    order = correction_order(draw.random((n, 3)), draw.random(n), corrected, groups, count)
    chosen = [int(groups[place]) for place, _, _ in order]
    left = set(groups.tolist()) - set(groups[corrected].tolist())
    assert len(set(chosen)) == len(chosen) == min(count, len(left))
    assert set(chosen) <= left


def test_each_cluster_is_seen_before_any_comes_again() -> None:
    draw = np.random.default_rng(0)
    cluster = np.repeat(np.arange(4), (9, 7, 5, 3))
    features = 10 * np.eye(4)[cluster] + draw.normal(size=(len(cluster), 4))
    none = np.zeros(len(cluster), bool)
    order = correction_order(features, np.ones(len(cluster)), none, np.arange(len(cluster)), 4)
    assert sorted(cluster[place] for place, _, _ in order) == [0, 1, 2, 3]
    assert sum(1 + stands_for for _, _, stands_for in order) == len(cluster)


def test_after_the_typical_ones_the_least_certain_come() -> None:
    stability = np.array([0.9, 0.2, 0.8, 0.1, 0.5])
    corrected = np.array([True, False, False, False, False])
    order = correction_order(np.zeros((5, 1)), stability, corrected, np.arange(5), 9, typical=1)
    assert [place for place, _, _ in order] == [3, 1, 4, 2]
    assert {reason for _, reason, _ in order} == {"uncertain"}


@pytest.mark.slow
def test_the_command_names_scans_that_nobody_corrected(
    learned: Path, bundle: Path, spots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edits = tmp_path / "edits"
    edits.mkdir()
    shutil.copy(spots / "masks" / "spot0.png", edits)
    arguments = ["next", spots / "images", "--classifier", bundle, "--outliner", learned]
    answer = call([*arguments, "--edits", edits, "--count", 3, "--json"], capsys)
    scans = json.loads(answer.out)["scans"]
    assert (answer.code, len(scans)) == (0, 3)
    assert not any("plain" in scan["path"] or "spot0" in scan["path"] for scan in scans)
    assert all(scan["reason"] == "typical" and 0 < scan["stability"] <= 1 for scan in scans)
    told = call(arguments, capsys)
    assert "like " in told.out
    shutil.copytree(spots / "masks", edits, dirs_exist_ok=True)
    assert (
        "All scans with the finding are corrected"
        in call([*arguments, "--edits", edits], capsys).out
    )


@pytest.mark.slow
def test_a_file_of_another_classifier_is_refused(
    learned: Path, spots: Path, tmp_path: Path
) -> None:
    from small_files import write_bundle

    other = write_bundle(tmp_path / "other", scale=(0, 255), weight=1.1)
    with pytest.raises(mc.MedcontourError, match="learned with another classifier"):
        mc.next_scans(spots / "images", other, learned)
