"""The script on surfaces, run on little: what it draws, what its figures say."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import volume_cases
import volume_surfaces
from torch import Tensor, nn


class Brightest(nn.Module):
    """(B, 1, D, H, W) to (B, 1): above 0 where a cube of three voxels is bright throughout."""

    def forward(self, volumes: Tensor) -> Tensor:
        means = nn.functional.avg_pool3d(volumes, 3, stride=1)
        return 8 * (means.flatten(1).amax(1, keepdim=True) - 0.75)


def test_every_other_drawn_volume_holds_one_object_and_that_is_its_label() -> None:
    cases = volume_cases.drawn_cases({"tune": 4, "report": 6})
    assert cases.volumes.shape == (10, 1, 20, 48, 48)
    assert cases.labels.tolist() == [0.0, 1.0] * 5
    assert (cases.truths.flatten(1).any(1) == (cases.labels > 0)).all()
    report = cases.part("report")
    assert len(report.volumes) == 6
    for volume, truth in zip(report.volumes[:, 0], report.truths, strict=True):
        if truth.any():
            assert float(volume[truth].mean()) > float(volume[~truth].mean()) + 0.5


def test_figures_of_shifted_boxes_are_those_of_the_hand() -> None:
    cases = volume_cases.drawn_cases({"report": 2})
    truth = np.zeros((20, 48, 48), dtype=bool)
    truth[4:8, 10:20, 10:20] = True
    shifted = np.roll(truth, (1, 3), (0, 2))
    figures = volume_surfaces.agreement(shifted, truth, cases)
    shared = 3 * 10 * 7
    assert figures["dice"] == pytest.approx(2 * shared / (2 * 400))
    assert figures["apart"] == pytest.approx(np.hypot(1 * 2.5, 3 * 1.0))
    assert figures["ratio"] == 1.0
    assert figures["inside"] == 1.0
    nothing = volume_surfaces.agreement(np.zeros_like(truth), truth, cases)
    assert (nothing["dice"], nothing["apart"]) == (0.0, None)


@pytest.mark.slow
def test_the_script_runs_on_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = volume_cases.drawn_cases
    monkeypatch.setattr(
        volume_surfaces, "drawn_cases", lambda _: drawn({"train": 2, "tune": 2, "report": 2})
    )

    def trained(*_: object) -> nn.Module:
        layers = [nn.Identity() for _ in range(6)]
        network = nn.Sequential(*layers, nn.Conv3d(1, 1, 1), Brightest())
        nn.init.ones_(network[6].weight)
        nn.init.zeros_(network[6].bias)
        return network.eval().requires_grad_(False)

    monkeypatch.setattr(volume_surfaces, "presence_network", trained)
    monkeypatch.setattr(sys, "argv", ["script", "--out", str(tmp_path)])
    volume_surfaces.main()
    document = json.loads((tmp_path / "table.json").read_text())
    assert document["seen"] == 1
    assert len(document["rows"]) in (3, 4)
    assert all(row in (tmp_path / "table.md").read_text() for row in document["rows"])
