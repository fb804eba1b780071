"""A classifier that answers by a burnt-in mark is caught, one that answers by a lesion is not."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import save_net_with_metadata
from PIL import Image, ImageDraw, ImageFont
from planted import classifier, scan_of
from pydicom.dataset import Dataset
from sample_run import SampleRun
from torch import Tensor, nn

import medcontour as mc

ROWS, COLUMNS = 128, 160
LESION = (slice(80, 104), slice(30, 58))


class Brighter(nn.Module):
    """Says yes where more than 30 pixels lie between two values: a pen's, or a lesion's."""

    def __init__(self, above: float, below: float) -> None:
        super().__init__()
        self.above, self.below = above, below

    def forward(self, images: Tensor) -> Tensor:
        within = torch.sigmoid(60 * (images - self.above)) * torch.sigmoid(
            60 * (self.below - images)
        )
        answer = (within.flatten(1).sum(1) / 30 - 1).clamp(-4, 4)
        return torch.stack([torch.zeros_like(answer), answer], 1)


def by_the_pen() -> nn.Module:
    return Brighter(0.85, 2.0)


def by_the_lesion() -> nn.Module:
    return Brighter(0.45, 0.7)


def picture() -> np.ndarray:
    """(ROWS, COLUMNS) of 0 to 1: dim grain, a brighter lesion, and a word."""
    plane = np.random.default_rng(0).uniform(0.1, 0.3, (ROWS, COLUMNS)).astype(np.float32)
    plane[LESION] += 0.35
    ink = Image.new("1", (COLUMNS, ROWS))
    ImageDraw.Draw(ink).text((95, 22), "LEFT", fill=1, font=ImageFont.load_default(15))
    plane[np.asarray(ink)] = 1.0
    return plane


def test_a_classifier_that_reads_the_writing_is_warned_of() -> None:
    suggestion = mc.suggest(scan_of(picture()), classifier(by_the_pen()), outline="none")
    [finding] = suggestion.slices
    quality = finding.evidence_contours[0].quality
    assert quality["on_marks"] >= 0.25
    assert quality["score_without_marks"] < 0.5 < quality["score_elsewhere"]
    assert "The evidence lies on burnt-in strokes" in finding.note
    assert "The score hangs on burnt-in strokes" in finding.note
    assert finding.evidence.shortcut_evaluations == 0.5
    lies, hangs = suggestion.notes[-2:]
    assert lies.startswith("The evidence on the image lies on burnt-in strokes (text, calipers")
    assert f"{quality['on_marks']:.0%} of the contour" in lies
    assert hangs.startswith("The score on the image hangs on burnt-in strokes")


def test_a_classifier_that_looks_at_the_lesion_is_not() -> None:
    suggestion = mc.suggest(scan_of(picture()), classifier(by_the_lesion()), outline="none")
    [finding] = suggestion.slices
    quality = finding.evidence_contours[0].quality
    assert quality["on_marks"] < 0.05
    assert quality["score_without_marks"] == pytest.approx(finding.score, abs=0.05)
    assert "shortcut" not in quality
    assert finding.note == ""
    assert suggestion.notes == ()


def test_several_slices_are_named_in_one_note_and_the_header_is_heard() -> None:
    clean = picture()
    clean[clean == 1.0] = 0.2
    scan = scan_of(picture(), clean, picture())
    header = Dataset()
    header.BurnedInAnnotation = "YES"
    scan = replace(scan, datasets=(header,) * 3)
    suggestion = mc.suggest(scan, classifier(by_the_pen()), outline="none")
    assert [finding.slice for finding in suggestion.slices] == [0, 2]
    [lies] = [note for note in suggestion.notes if "lies on" in note]
    assert "on slices 1, 3 lies on" in lies
    assert suggestion.notes[-1].endswith("carry burnt-in annotation.")


@pytest.mark.slow
def test_a_slice_without_marks_costs_nothing_more(sample_run: SampleRun) -> None:
    """The sample study has no marks, and its classifier looks at nodules."""
    searched = [part for part in sample_run.suggestion.slices if part.evidence]
    assert searched
    for part in searched:
        assert part.evidence.shortcut_evaluations == 0
        assert "shortcut" not in part.evidence_contours[0].quality
    assert not any("shortcut" in note for note in sample_run.suggestion.notes)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_the_warning_reaches_the_terminal_the_report_and_the_json(tmp_path: Path) -> None:
    Image.fromarray((picture() * 255).astype(np.uint8)).save(tmp_path / "picture.png")
    pred = {"channel_def": {"0": "healthy", "1": "ill"}}
    metadata = {"network_data_format": {"outputs": {"pred": pred}}}
    scripted = torch.jit.script(by_the_pen())
    save_net_with_metadata(scripted, str(tmp_path / "network.ts"), meta_values=metadata)
    command = [str(Path(sys.executable).parent / "medcontour"), "suggest", "picture.png"]
    done = subprocess.run(
        [*command, "--classifier", "network.ts", "--out", "out"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    told = "The evidence on the image lies on burnt-in strokes (text, calipers or lines)"
    assert f"Note: {told}" in done.stdout
    assert told in (tmp_path / "out" / "report.html").read_text()
    saved = mc.Suggestion.read_json(tmp_path / "out")
    assert any(note.startswith(told) for note in saved.notes)
