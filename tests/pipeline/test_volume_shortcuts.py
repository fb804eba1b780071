"""A classifier of volumes that goes by a burnt-in mark is caught; one that sees a lesion is not."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from monai.transforms import Compose, EnsureChannelFirst, ScaleIntensityRange
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor, nn

import medcontour as mc

ROWS, COLUMNS, SLICES = 96, 112, 8
WRITTEN, LESION = range(2, 6), (slice(3, 7), slice(60, 78), slice(20, 40))


class Brighter(nn.Module):
    """Says yes where many voxels lie between two values: a pen's, or a lesion's."""

    def __init__(self, above: float, below: float, many: float) -> None:
        super().__init__()
        self.same = nn.Conv3d(1, 1, 1, bias=False)
        nn.init.ones_(self.same.weight)
        self.above, self.below, self.many = above, below, many

    def forward(self, volumes: Tensor) -> Tensor:
        values = self.same(volumes)
        within = (60 * (values - self.above)).sigmoid() * (60 * (self.below - values)).sigmoid()
        return (within.flatten(1).sum(1, keepdim=True) / self.many - 1).clamp(-4, 4)


def write_stack(path: Path) -> None:
    """Values of 0 to 1: dim grain, a brighter lesion, and a word on some of the slices."""
    voxels = np.random.default_rng(0).uniform(0.1, 0.3, (SLICES, ROWS, COLUMNS))
    voxels[LESION] += 0.35
    ink = Image.new("1", (COLUMNS, ROWS))
    ImageDraw.Draw(ink).text((60, 16), "LEFT", fill=1, font=ImageFont.load_default(15))
    for k in WRITTEN:
        voxels[k][np.asarray(ink)] = 1.0
    affine = np.diag([-1.0, -1.0, 2.0, 1.0])
    nib.save(nib.Nifti1Image(voxels.transpose(2, 1, 0).astype(np.float32), affine), path)


def suggested(folder: Path, network: nn.Module) -> mc.Suggestion:
    write_stack(folder / "scan.nii.gz")
    as_they_are = Compose([EnsureChannelFirst(), ScaleIntensityRange(0, 1, 0, 1)])
    classifier = mc.load_classifier(network, labels=["finding"], preprocessing=as_they_are)
    return mc.suggest(folder / "scan.nii.gz", classifier, outline="none")


@pytest.mark.slow
def test_one_that_reads_the_writing_is_warned_of(tmp_path: Path) -> None:
    suggestion = suggested(tmp_path, Brighter(0.85, 2.0, 150))
    [finding] = suggestion
    parts = [part for part in finding.slices if part.slice in WRITTEN]
    assert parts
    for part in parts:
        quality = part.evidence_contours[0].quality
        assert quality["score_without_marks"] < 0.5 < quality["score_elsewhere"]
        assert "The score hangs on burnt-in strokes" in part.note
    assert any("The evidence lies on burnt-in strokes" in part.note for part in parts)
    spent = sum(part.evidence.shortcut_evaluations for part in finding.slices if part.evidence)
    assert spent == pytest.approx(0.5)
    text = " ".join(suggestion.notes)
    assert "lies on burnt-in strokes" in text
    assert "hangs on burnt-in strokes" in text


@pytest.mark.slow
def test_one_that_looks_at_the_lesion_is_not(tmp_path: Path) -> None:
    suggestion = suggested(tmp_path, Brighter(0.45, 0.7, 400))
    [finding] = suggestion
    for part in finding.slices:
        quality = part.evidence_contours[0].quality
        assert "shortcut" not in quality
        assert quality["score_without_marks"] == pytest.approx(finding.score, abs=0.05)
    assert not any("burnt-in" in note for note in suggestion.notes)
