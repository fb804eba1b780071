"""`medcontour learn`: from pictures without masks to outlines; stopped, corrected, and refused."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import PIL.Image
import pytest
import torch
from safetensors.torch import load_file
from scipy import ndimage
from small_files import call
from torch import nn

import medcontour as mc
from medcontour.checked.records import ScanRecords
from medcontour.learning.explained import explained
from medcontour.learning.images import drawn, images_of
from medcontour.pipeline.outliners import learned_networks
from medcontour.pipeline.planes import plane_batches

ONE = "images/spot0.png"


def drawn_area(file: Path, bundle: Path, spots: Path) -> float:
    """Pixels inside a picture's map of a learned outliner."""
    classifier = mc.load_classifier(bundle)
    scan = mc.read_scan(spots / "images" / "spot8.png")
    [batch] = plane_batches(scan, classifier, [0], 1)
    return float((learned_networks(file, classifier).maps(batch.inputs) > 0.5).sum())


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


@pytest.mark.slow
def test_outlines_are_learned_and_used(learned: Path, bundle: Path, spots: Path) -> None:
    truth = np.asarray(PIL.Image.open(spots / "masks" / "spot0.png")) > 0
    suggestion = mc.suggest(spots / ONE, bundle, outline=f"learned:{learned}")
    [finding] = suggestion
    [mask] = finding.mask(mc.read_scan(spots / ONE), "outline")
    assert dice(mask, truth) > 0.85
    assert re.fullmatch("learned:[0-9a-f]{16}", suggestion.settings["outline"])  # no path


@pytest.mark.slow
def test_a_stack_is_outlined_as_one_object(
    learned: Path, bundle: Path, spots: Path, tmp_path: Path
) -> None:
    picture = np.asarray(PIL.Image.open(spots / ONE)).astype(np.int16)
    plain = np.asarray(PIL.Image.open(spots / "images" / "plain0.png")).astype(np.int16)
    voxels = np.stack([plain, picture, picture, plain])
    affine = np.diag([-2.0, -2.0, 3.0, 1.0])  # RAS mm
    nib.save(nib.Nifti1Image(voxels.transpose(2, 1, 0), affine), tmp_path / "stack.nii.gz")
    scan = mc.read_scan(tmp_path / "stack.nii.gz")
    [finding] = mc.suggest(scan, bundle, outline=f"learned:{learned}")
    masks = finding.mask(scan, "outline")
    assert [bool(mask.any()) for mask in masks] == [False, True, True, False]
    assert all(dice(mask, scan.voxels[1] > 200) > 0.85 for mask in masks[1:3])


def test_slices_that_are_not_learned_from_may_have_outlines(
    bundle: Path, spots: Path, tmp_path: Path
) -> None:
    """A stack's objects go on into slices that the classifier does not call."""
    picture = np.asarray(PIL.Image.open(spots / ONE)).astype(np.int16)
    affine = np.diag([-2.0, -2.0, 3.0, 1.0])  # RAS mm
    nib.save(
        nib.Nifti1Image(np.stack([picture] * 2).transpose(2, 1, 0), affine), tmp_path / "s.nii"
    )
    scan, classifier = mc.read_scan(tmp_path / "s.nii"), mc.load_classifier(bundle)
    _, second = images_of(scan, 0, classifier, 1, None)
    found = explained(scan, [second], classifier, mc.Settings(), ScanRecords(None, ""))
    [outlines] = found.values()
    assert list(found) == [1]
    assert dice(drawn(outlines.outlines, picture.shape), picture > 200) > 0.85


@pytest.mark.slow
def test_no_image_and_no_name_is_in_the_file(learned: Path, spots: Path) -> None:
    content = learned.read_bytes()
    assert not any(path.name.encode() in content for path in (spots / "images").iterdir())
    assert str(spots).encode() not in content
    assert [path.name for path in learned.parent.iterdir()] == [learned.name]


@pytest.mark.slow
def test_a_stopped_run_goes_on_to_the_same_file(
    learned: Path, bundle: Path, spots: Path, tmp_path: Path
) -> None:
    out = tmp_path / "o.safetensors"
    seen: list[str] = []

    def stop_after(what: str, done: int) -> None:
        def progress(now: str, count: int, _all: int) -> None:
            seen.append(now)
            if (now, count) == (what, done):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            mc.learn(spots / "images", bundle, out, progress=progress)
        assert not out.exists()

    stop_after("optimise", 4)
    stop_after("learn", 60)
    mc.learn(spots / "images", bundle, out)
    first, second = load_file(learned), load_file(out)
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        torch.testing.assert_close(second[name], tensor)
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


@pytest.mark.slow
def test_corrections_are_learned(bundle: Path, spots: Path, tmp_path: Path) -> None:
    edits = tmp_path / "edits"
    shutil.copytree(spots / "masks", edits, ignore=shutil.ignore_patterns("plain*", "spot[5-8]*"))
    edits.joinpath("of_no_scan.png").write_bytes((edits / "spot0.png").read_bytes())
    out = tmp_path / "o.safetensors"
    made = mc.learn(spots / "images", bundle, out, edits=edits)
    assert (made.card["corrected"], made.card["explained"]) == (5, 4)
    assert any("belong to no scan, or beside another: 1." in note for note in made.notes)


@pytest.mark.slow
def test_corrections_train_the_file_that_is_there_on(
    learned: Path, bundle: Path, spots: Path, tmp_path: Path
) -> None:
    """Nothing is explained again; what readers drew twice as large is drawn larger from then on."""
    edits, out = tmp_path / "edits", tmp_path / "o.safetensors"
    edits.mkdir()
    shutil.copy(learned, out)
    before = drawn_area(out, bundle, spots)
    for n in range(6):
        mask = np.asarray(PIL.Image.open(spots / "masks" / f"spot{n}.png")) > 0
        larger = ndimage.binary_dilation(mask, iterations=5)
        PIL.Image.fromarray(np.uint8(255 * larger)).save(edits / f"spot{n}.png")
    told: list[str] = []
    made = mc.learn(
        spots / "images", bundle, out, edits=edits, progress=lambda what, *_: told.append(what)
    )
    assert "optimise" not in told
    assert any("trained on with what was corrected" in note for note in made.notes)
    assert (made.card["corrected"], made.card["explained"]) == (6, 9)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["edits", out.name]
    assert drawn_area(out, bundle, spots) > 1.15 * before


def test_what_cannot_be_learned_is_said(
    bundle: Path, spots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "o.safetensors"

    def said(*arguments: object) -> str:
        answer = call(["learn", *arguments, "--classifier", bundle, "--out", out], capsys)
        assert answer.code == 1
        assert not out.exists()
        return " ".join(answer.err.split())

    images = spots / "images"
    assert "does not exist" in said(tmp_path / "none")
    plain = shutil.copytree(images, tmp_path / "plain", ignore=shutil.ignore_patterns("spot*"))
    assert "finds spot on none of 4 images" in said(plain)
    one = tmp_path / "one"
    one.mkdir()
    shutil.copy(images / "spot0.png", one)
    assert "Too few images have an outline to learn from: 1, of 1 scans" in said(one)
    assert "There is no folder" in said(images, "--edits", tmp_path / "none")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "No file in" in said(images, "--edits", empty)


class Constant(nn.Module):
    """Gives the same logits whatever it sees."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 2) for (B, C, H, W)."""
        return torch.tensor([0.0, 3.0]) + 0 * images.mean((1, 2, 3))[:, None]


def test_a_constant_classifier_gives_nothing_to_learn_from(spots: Path, tmp_path: Path) -> None:
    few = tmp_path / "images"
    shutil.copytree(spots / "images", few, ignore=shutil.ignore_patterns("*[1-9].png"))
    with pytest.raises(mc.MedcontourError, match="Too few images have an outline") as told:
        mc.learn(few, Constant(), tmp_path / "o.safetensors", target=1)
    assert "0, of 0 scans" in str(told.value)


@pytest.mark.slow
def test_images_of_several_sizes_all_with_the_finding(
    bundle: Path, spots: Path, tmp_path: Path
) -> None:
    mixed = tmp_path / "images"
    mixed.mkdir()
    for n in range(9):
        with PIL.Image.open(spots / "images" / f"spot{n}.png") as picture:
            cut = picture.crop((0, 0, picture.width - 2 * (n % 3), picture.height - n % 2))
            cut.save(mixed / f"spot{n}.png")
    made = mc.learn(mixed, bundle, tmp_path / "o.safetensors")
    assert (made.card["images"], made.card["positive"]) == (9, 9)
    assert any("finds something on every image" in note for note in made.notes)


def test_what_is_no_outliner_is_kept(
    bundle: Path, spots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "o.safetensors"
    out.write_text("of somebody")
    answer = call(["learn", spots / "images", "--classifier", bundle, "--out", out], capsys)
    assert (answer.code, out.read_text()) == (1, "of somebody")
    assert "is no learned outliner" in answer.err


@pytest.mark.slow
def test_another_classifier_is_refused(learned: Path, spots: Path, tmp_path: Path) -> None:
    from small_files import write_bundle

    other = write_bundle(tmp_path / "other", scale=(0, 255), weight=1.1)
    with pytest.raises(mc.MedcontourError, match="learned with another classifier"):
        mc.suggest(spots / ONE, other, outline=f"learned:{learned}")
