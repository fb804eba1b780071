"""`medcontour explain`: one photograph, one network, the contour of its evidence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_files import Answer
from torch import nn

Run = Callable[..., Answer]
ROWS, COLUMNS = 48, 64
TOP, LEFT, SIDE = 16, 32, 16  # of the bright square on the photograph as shown


class Sides(nn.Module):
    """Class k is the brightness of quarter k of the width."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        middle = inputs.mean(1, keepdim=True)[:, :, TOP : TOP + SIDE]
        return 8 * nn.functional.adaptive_avg_pool2d(middle, (1, 4)).flatten(1) - 2


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """As TorchScript, with the names of its classes."""
    names = dict(enumerate(("left", "middle left", "middle right", "right")))
    metadata = {
        "network_data_format": {
            "outputs": {"pred": {"channel_def": {str(k): v for k, v in names.items()}}}
        }
    }
    file = tmp_path / "sides.pt"
    torch.jit.save(
        torch.jit.trace(Sides().eval(), torch.rand(1, 1, ROWS, COLUMNS)),
        str(file),
        _extra_files={"metadata.json": json.dumps(metadata)},
    )
    return file


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    """A bright square, in a file that a camera turned by 90 degrees."""
    pixels = np.full((ROWS, COLUMNS), 20, dtype=np.uint8)
    pixels[TOP : TOP + SIDE, LEFT : LEFT + SIDE] = 220
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees to the right
    file = tmp_path / "Doe^Jane" / "photo.png"
    file.parent.mkdir()
    Image.fromarray(np.rot90(pixels, 1)).save(file, exif=exif)
    return file


def test_the_contour_lies_on_what_the_class_is(
    medcontour: Run, network: Path, photograph: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    line = ("explain", photograph, "--model", network, "--background", "mean", "--out", out)
    answer = medcontour(*line, "--json")
    assert answer.code == 0, answer.err
    said = json.loads(answer.out)
    found = json.loads((out / "explanation.json").read_text())
    assert found["schema"] == "medcontour/photograph/1"
    assert {key: said[key] for key in said if key not in ("out", "files")} == {
        key: found[key] for key in found if key != "schema"
    }
    assert (found["class_index"], found["class_name"]) == (2, "middle right")
    assert (found["rows"], found["columns"], found["file"]) == (ROWS, COLUMNS, "photo.png")
    column, row = np.mean(found["points"], axis=0)
    assert LEFT <= column <= LEFT + SIDE
    assert TOP <= row <= TOP + SIDE
    evidence = found["evidence"]
    assert evidence["measure"] == "probability"
    assert evidence["preserved"] > 0.9 * evidence["original"]
    assert evidence["deleted"] < (evidence["original"] + evidence["background"]) / 2
    assert evidence["deleted"] < evidence["random_deleted"]
    assert evidence["preserved"] > evidence["random_preserved"]
    assert 0 < evidence["evaluations"] <= 50
    # To this network left and right are classes: shifted and enlarged it is judged, not mirrored.
    assert (evidence["views_held"], evidence["views_tested"]) == (4, 4)
    assert not evidence["stable_under_mirroring"]
    assert evidence["p_value"] <= 0.05
    [note] = found["notes"]
    assert "not stable under mirroring" in note
    assert "Doe" not in (out / "explanation.json").read_text()
    picture = np.asarray(Image.open(out / "overlay.png").convert("RGB")).astype(int)
    yellow = (picture[..., 0] > 200) & (picture[..., 1] > 170) & (picture[..., 2] < 90)
    down, across = yellow.nonzero()
    assert len(down) > 100
    # The photograph is wider than high, and so is its picture, whatever the file's order.
    assert picture.shape[1] > picture.shape[0]
    assert across.mean() / picture.shape[1] == pytest.approx((column + 0.5) / COLUMNS, abs=0.05)
    shown = medcontour(*line)
    assert shown.out.startswith("middle right: probability ")
    assert "Wrote explanation.json, overlay.png in" in shown.out
    assert (out / "explanation.json").read_text() == json.dumps(found, indent=1) + "\n"


def test_a_background_that_keeps_the_answer_is_said(
    medcontour: Run, network: Path, photograph: Path, tmp_path: Path
) -> None:
    line = [photograph, "--model", network, "--background", "gaussian"]
    answer = medcontour("explain", *line, "--out", tmp_path / "out")
    assert answer.code == 0, answer.err
    assert "Note: The background alone keeps much of the probability" in answer.out


def test_another_class_may_be_asked_for_by_name_or_number(
    medcontour: Run, network: Path, photograph: Path, tmp_path: Path
) -> None:
    for target in ("LEFT", "0"):
        line = ("explain", photograph, "--model", network, "--out", tmp_path / "out")
        answer = medcontour(*line, "--target", target, "--json")
        assert answer.code == 0, answer.err
        found = json.loads(answer.out)
        assert (found["class_index"], found["class_name"]) == (0, "left")
        assert found["evidence"]["original"] < 0.1


def test_what_cannot_be_done_is_a_sentence(
    medcontour: Run, network: Path, photograph: Path, study: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"

    def said(*line: object) -> str:
        answer = medcontour("explain", *line, "--out", out)
        assert answer.code == 1
        assert answer.out == ""
        assert len(answer.err.splitlines()) == 1
        assert not out.exists()
        return answer.err

    assert "is a scan, not a photograph" in said(study, "--model", network)
    assert "does not exist" in said(tmp_path / "none.png", "--model", network)
    assert 'has no class "dog"' in said(photograph, "--model", network, "--target", "dog")
    assert 'has no class "4"' in said(photograph, "--model", network, "--target", "4")
    assert "resnet51" in said(photograph, "--model", "resnet51")


class BothSides(nn.Module):
    """Class 0 where the left and the right end are bright, and nothing of that with one alone."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        ends = nn.functional.adaptive_avg_pool2d(inputs.mean(1, keepdim=True), (1, 8))
        both = torch.minimum(ends[..., 0], ends[..., 7]).flatten(1)
        return torch.cat([40 * both - 24, torch.zeros_like(both)], 1)


def test_a_contour_that_by_itself_does_not_keep_the_class_says_so(
    medcontour: Run, tmp_path: Path
) -> None:
    """The two ends of a photograph: no curve of a twentieth of it holds both."""
    pixels = np.full((ROWS, COLUMNS), 20, dtype=np.uint8)
    pixels[:, :8] = pixels[:, -8:] = 220
    Image.fromarray(pixels).save(tmp_path / "ends.png")
    network = torch.jit.trace(BothSides().eval(), torch.rand(1, 1, ROWS, COLUMNS))
    torch.jit.save(network, str(tmp_path / "both.pt"))
    out = tmp_path / "out"
    line = ("explain", tmp_path / "ends.png", "--model", tmp_path / "both.pt", "--target", 0)
    answer = medcontour(
        *line, "--labels", "both,none", "--background", "mean", "--out", out, "--json"
    )
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    evidence = found["evidence"]
    told = any("by itself keeps less than half of the probability" in n for n in found["notes"])
    assert evidence["original"] > 0.5
    assert told == (evidence["preserved"] < evidence["original"] / 2)
    assert told
