"""Several processes at once: the same results, and one that dies takes nothing else along."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from archives import PICTURES, results, write_picture
from networks import LABELS, Deadly
from small_files import plane
from test_batch import FAST

import medcontour as mc


@pytest.mark.slow
def test_several_workers_give_what_one_gives(archive: Path, bundle: Path, tmp_path: Path) -> None:
    runs = []
    for workers in (1, 2):
        out = tmp_path / f"out{workers}"
        out.mkdir()
        (out / "salt").write_text("the same")
        made = mc.batch(archive, bundle, out, formats=[*FAST, "report"], workers=workers)
        assert (made.done, len(made.failed)) == (PICTURES + 1, 1)
        runs.append(results(made.folder))
    assert runs[0] == runs[1]


@pytest.mark.slow
def test_a_worker_that_dies_takes_no_other_series_along(tmp_path: Path) -> None:
    for n in range(4):
        image = np.uint8(255 * plane(spot=False, seed=n)[:, :32])
        (tmp_path / "archive").mkdir(exist_ok=True)
        PIL.Image.fromarray(image).save(tmp_path / "archive" / f"narrow{n}.png")
    write_picture(tmp_path / "archive" / "middle.png", spot=False)
    made = mc.batch(
        tmp_path / "archive", Deadly(), tmp_path / "out", labels=LABELS, formats=FAST, workers=2
    )
    assert made.done == 4
    [reason] = made.failed.values()
    assert "ended by itself, twice" in reason


def test_a_network_that_cannot_be_sent_is_said(archive: Path, tmp_path: Path) -> None:
    class Hidden(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.mean((2, 3)).repeat(1, 2)

    with pytest.raises(mc.MedcontourError, match="cannot be sent to another process"):
        mc.batch(archive, Hidden(), tmp_path / "out", labels=LABELS, workers=2)


def test_no_workers_do_nothing(archive: Path, bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(mc.MedcontourError, match="1 or more"):
        mc.batch(archive, bundle, tmp_path / "out", workers=0)
