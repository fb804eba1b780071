"""The script on elongated lesions, run on little, and its figures made again."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import elongated
import numpy as np
import pytest
import torch


def test_the_lesions_are_four_times_as_long_as_wide() -> None:
    _, masks, images = elongated.plant(6, 1)
    assert images.shape == (6, 1, elongated.PLANE.rows, elongated.PLANE.columns)
    row_mm, column_mm = elongated.PLANE.pixel_spacing
    for mask in masks.numpy():
        row, column = np.argwhere(mask).T
        small, large = np.linalg.eigvalsh(np.cov(row * row_mm, column * column_mm))
        assert np.sqrt(large / small) == pytest.approx(4.0, rel=0.1)


def test_the_answer_rests_on_the_lesion_alone() -> None:
    _, masks, images = elongated.plant(4, 2)
    network = elongated.BrightAmount(float(masks.float().mean()))
    removed = torch.where(masks.unsqueeze(1), elongated.GROUND, images)
    alone = torch.where(masks.unsqueeze(1), images, elongated.GROUND)
    assert (network(removed) < -5).all()
    assert torch.allclose(network(alone), network(images), atol=0.2)


@pytest.mark.slow
def test_elongated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["--out", str(tmp_path), "--lesions", "2", "--paper-steps", "4"]
    monkeypatch.setattr(sys, "argv", ["script", *arguments])
    elongated.main()
    document = json.loads((tmp_path / "table.json").read_text())
    with (tmp_path / "per_image.csv").open(newline="") as table:
        records = list(csv.DictReader(table))
    (rows,) = document["tables"].values()
    overlaps = {
        row[""]: [float(r["IoU"]) for r in records if r["method"] == row[""]] for row in rows
    }
    assert set(overlaps) == {
        "paper",
        "fast without frame",
        "fast",
        "best fit without frame",
        "best fit with frame",
    }
    for row in rows:
        own = overlaps[row[""]]
        mean, (low, high) = row["IoU"]
        assert row["n"] == len(own) == 2
        assert mean == pytest.approx(np.mean(own))
        assert 0 <= low <= mean <= high <= 1
        if row["gain"]:
            assert row["gain"][0] == pytest.approx(np.mean(overlaps["fast"]) - mean)
    assert min(overlaps["best fit with frame"]) > 0.95
    assert document["settings"]["paper_steps"] == 4
