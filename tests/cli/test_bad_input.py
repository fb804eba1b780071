"""Each mistake that a user can make ends in one plain sentence, and writes nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import PIL.Image
import pydicom
import pytest
from small_files import (
    BIRTH,
    FAMILY,
    NUMBER,
    Answer,
    plane,
    write_bundle,
    write_series,
)

Run = Callable[..., Answer]
Make = Callable[[Path], Path]


def refusal(answer: Answer, *named: object) -> str:
    """The sentence of an answer, checked for what every refusal must keep."""
    assert answer.code == 1
    assert answer.out == ""
    lines = [line for line in answer.err.splitlines() if line.strip()]
    assert len(lines) == 1, answer.err
    sentence = lines[0]
    assert sentence.endswith(".")
    assert "Traceback" not in sentence
    for word in (FAMILY, NUMBER, BIRTH):
        assert word.lower() not in sentence.lower()
    for name in named:
        assert str(name) in sentence, sentence
    return sentence


def nifti(path: Path, data: np.ndarray) -> Path:
    nibabel.save(nibabel.Nifti1Image(data.astype(np.float32), np.eye(4)), path)
    return path


def volume() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 1, (40, 50, 6))


def missing(folder: Path) -> Path:
    return folder / "nowhere"


def empty_folder(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


def text_as(name: str) -> Make:
    def make(folder: Path) -> Path:
        (folder / name).write_text("This is no image.\n" * 40)
        return folder / name

    return make


def truncated_nifti(folder: Path) -> Path:
    path = nifti(folder / "cut.nii.gz", volume())
    path.write_bytes(path.read_bytes()[:5000])
    return path


def truncated_dicom(folder: Path) -> Path:
    path = write_series(folder / "cut") / "002.dcm"
    path.write_bytes(path.read_bytes()[:2500])
    return folder / "cut"


def duplicated_slice(folder: Path) -> Path:
    series = write_series(folder / "twice")
    copy = pydicom.dcmread(series / "001.dcm")
    copy.SOPInstanceUID = "1.2.3.4"
    copy.save_as(series / "copy.dcm", enforce_file_format=True)
    return series


def constant(folder: Path) -> Path:
    return write_series(folder / "constant", [np.full((48, 64), 0.5)] * 3)


def with_nan(folder: Path) -> Path:
    data = volume()
    data[3, 4, 5] = np.nan
    return nifti(folder / "nan.nii.gz", data)


def several_volumes(folder: Path) -> Path:
    return nifti(folder / "time.nii.gz", np.stack([volume(), volume()], -1))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (missing, ["nowhere", "does not exist", "check the path"]),
        (empty_folder, ["empty", "give the one that holds the images"]),
        (text_as("note.dcm"), ["note.dcm", "no DICOM file"]),
        (text_as("note.nii.gz"), ["note.nii.gz", "NIfTI"]),
        (text_as("note.txt"), ["note.txt", "give a DICOM folder"]),
        (truncated_nifti, ["cut.nii.gz", "truncated"]),
        (truncated_dicom, ["002.dcm"]),
        (duplicated_slice, ["copy.dcm", "at the same place"]),
        (constant, ["constant", "same value everywhere"]),
        (with_nan, ["nan.nii.gz", "not numbers"]),
        (several_volumes, ["time.nii.gz", "several volumes"]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
@pytest.mark.parametrize("command", ["suggest", "info"])
def test_a_scan_that_cannot_be_read(
    command: str, make: Make, says: list[str], medcontour: Run, bundle: Path, tmp_path: Path
) -> None:
    scan = make(tmp_path)
    if command == "info":
        refusal(medcontour("info", scan), *says)
    else:
        out = tmp_path / "out"
        refusal(medcontour("suggest", scan, "--classifier", bundle, "--out", out), *says)
        assert not out.exists()


def no_bundle(folder: Path) -> Path:
    return folder / "nowhere"


def without_weights(folder: Path) -> Path:
    (write_bundle(folder / "bundle") / "models" / "model.pt").unlink()
    return folder / "bundle"


def without_metadata(folder: Path) -> Path:
    (write_bundle(folder / "bundle") / "configs" / "metadata.json").unlink()
    return folder / "bundle"


def garbled_configuration(folder: Path) -> Path:
    path = write_bundle(folder / "bundle") / "configs" / "inference.json"
    path.write_text(path.read_text()[:60])
    return folder / "bundle"


def truncated_weights(folder: Path) -> Path:
    path = write_bundle(folder / "bundle") / "models" / "model.pt"
    path.write_bytes(path.read_bytes()[:400])
    return folder / "bundle"


def no_torchscript(folder: Path) -> Path:
    return text_as("model.ts")(folder)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (no_bundle, ["nowhere", "check the path"]),
        (without_weights, ["bundle", "no weights", "models/model.pt"]),
        (without_metadata, ["bundle", "metadata.json"]),
        (garbled_configuration, ["inference.json", "cannot be read"]),
        (truncated_weights, ["model.pt", "damaged"]),
        (no_torchscript, ["model.ts", "no TorchScript"]),
        (lambda folder: write_bundle(folder / "b", labels=("a", "b", "c")), ["3 label", "one"]),
        (lambda folder: write_bundle(folder / "b", weight=np.nan), ["no probability"]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_classifier_that_cannot_be_used(
    make: Make, says: list[str], medcontour: Run, study: Path, tmp_path: Path
) -> None:
    classifier, out = make(tmp_path), tmp_path / "out"
    answer = medcontour(
        "suggest", study, "--classifier", classifier, "--out", out, "--target", "1", "--json"
    )
    refusal(answer, *says)
    assert not list(out.glob("*"))


def test_channels_that_do_not_fit(medcontour: Run, bundle: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
    PIL.Image.fromarray(pixels).save(tmp_path / "colour.png")
    out = tmp_path / "out"
    answer = medcontour(
        "suggest", tmp_path / "colour.png", "--classifier", bundle, "--out", out, "--json"
    )
    refusal(answer, "takes 1 channel(s)", "gives 3")
    assert not list(out.glob("*"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--target", "fracture"], ['"fracture"', '"no spot", "spot"']),
        (["--target", "7"], ['"7"', '"spot"']),
        (["--export", "labelmap,pdf"], ['"pdf"', "labelmap", "rtstruct"]),
        (["--slices", "9:12"], ["9:12", "4 slices"]),
        (["--slices", "3:3"], ["3:3"]),
        (["--area", "0.95"], ["0.95", "range"]),
        (["--area", "-1"], ["-1", "range"]),
        (["--area-mm2", "1"], ["1 mm2", "range"]),
        (["--area", "0.1", "--area-mm2", "200"], ["choose one"]),
        (["--area", "0.1", "--contours", "auto"], ["one contour"]),
        (["--series", "1.2.3"], ["1.2.3", "choose one"]),
        (["--device", "toaster"], ["toaster"]),
    ],
    ids=" ".join,
)
def test_a_choice_that_is_not_there(
    options: list[str], says: list[str], medcontour: Run, study: Path, bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    answer = medcontour("suggest", study, "--classifier", bundle, "--out", out, "--json", *options)
    refusal(answer, *says)
    assert not list(out.glob("*"))


def test_a_format_that_the_image_cannot_have_is_refused_before_the_work(
    medcontour: Run, bundle: Path, tmp_path: Path
) -> None:
    PIL.Image.fromarray((plane(spot=True) * 255).astype(np.uint8)).save(tmp_path / "picture.png")
    out = tmp_path / "out"
    answer = medcontour(
        "suggest", tmp_path / "picture.png", "--classifier", bundle, "--out", out,
        "--export", "labelmap,rtstruct",
    )  # fmt: skip
    refusal(answer, "not DICOM", "rtstruct", "formats that work: coco, labelmap")
    assert not out.exists()


def test_a_file_in_place_of_the_result_folder(
    medcontour: Run, study: Path, bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("mine")
    for out in (tmp_path / "out", tmp_path / "out" / "deeper"):
        answer = medcontour("suggest", study, "--classifier", bundle, "--out", out)
        refusal(answer, out, "choose another")
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.slow
def test_a_foreign_folder_of_that_name_is_kept(
    medcontour: Run, study: Path, bundle: Path, tmp_path: Path
) -> None:
    """A folder "markups" that holds something else than curves is not replaced."""
    notes = tmp_path / "out" / "markups" / "notes.txt"
    notes.parent.mkdir(parents=True)
    notes.write_text("mine")
    answer = medcontour(
        "suggest", study, "--classifier", bundle, "--out", tmp_path / "out", "--slices", "1:2",
        "--export", "markups", "--json",
    )  # fmt: skip
    refusal(answer, "markups")
    assert notes.read_text() == "mine"


# convert


def test_convert_of_what_is_no_suggestion(medcontour: Run, suggested, tmp_path: Path) -> None:
    out, _ = suggested
    target = tmp_path / "map.nii.gz"

    def convert(suggestion: Path) -> Answer:
        return medcontour("convert", suggestion, "--to", "labelmap", "--out", target)

    refusal(convert(tmp_path / "nowhere.json"), tmp_path / "nowhere.json")
    whole = (out / "suggestion.json").read_text()
    cut = tmp_path / "cut.json"
    cut.write_text(whole[: len(whole) // 2])
    refusal(convert(cut), cut, "whole JSON")
    cut.write_text(whole.replace("medcontour/suggestion/2", "medcontour/suggestion/99"))
    refusal(convert(cut), cut, "medcontour/suggestion/2")
    document = json.loads(whole)
    del document["findings"][0]["slices"][0]["outlines"][0]["polygon_lps_mm"]
    cut.write_text(json.dumps(document))
    refusal(convert(cut), cut, "polygon_lps_mm")
    refusal(medcontour("info", cut), cut, "polygon_lps_mm")
    assert not target.exists()


def test_convert_to_a_format_or_place_that_is_not_there(
    medcontour: Run, suggested, tmp_path: Path
) -> None:
    out, _ = suggested
    refusal(
        medcontour("convert", out, "--to", "pdf", "--out", tmp_path / "a.pdf"), '"pdf"', "labelmap"
    )
    nowhere = tmp_path / "nowhere" / "map.nii.gz"
    refusal(medcontour("convert", out, "--to", "labelmap", "--out", nowhere), nowhere)
    wrong = tmp_path / "map.png"
    refusal(medcontour("convert", out, "--to", "labelmap", "--out", wrong), wrong, ".nii.gz")
    (tmp_path / "taken.dcm").mkdir()
    taken = tmp_path / "taken.dcm"
    refusal(medcontour("convert", out, "--to", "rtstruct", "--out", taken), taken)
    assert list(tmp_path.iterdir()) == [taken]


def test_convert_with_another_scan(medcontour: Run, suggested, tmp_path: Path) -> None:
    out, _ = suggested
    for name, planes in (("same size", None), ("shorter", [plane(spot=True)] * 2)):
        other = write_series(tmp_path / name, planes)
        answer = medcontour(
            "convert", out, "--to", "labelmap", "--out", tmp_path / "a.nii.gz", "--scan", other
        )
        refusal(answer)
    volume_of_same_size = nifti(tmp_path / "v.nii.gz", np.random.default_rng(0).random((64, 48, 4)))
    answer = medcontour(
        "convert", out, "--to", "labelmap", "--out", tmp_path / "a.nii.gz",
        "--scan", volume_of_same_size,
    )  # fmt: skip
    refusal(answer)
    assert not (tmp_path / "a.nii.gz").exists()


@pytest.mark.slow
def test_convert_of_an_image_to_dicom(medcontour: Run, tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    PIL.Image.fromarray((plane(spot=True) * 255).astype(np.uint8)).save(picture)
    bundle = write_bundle(tmp_path / "bundle", scale=(0, 255))
    command = ("suggest", picture, "--classifier", bundle, "--out", tmp_path / "out")
    assert medcontour(*command, "--export", "labelmap").code == 0
    target = tmp_path / "rtstruct.dcm"
    answer = medcontour("convert", tmp_path / "out", "--to", "rtstruct", "--out", target)
    refusal(answer, "not DICOM", "rtstruct", "labelmap")
    assert not target.exists()


# Usage


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["suggest"],
        ["suggest", "scan"],
        ["suggest", "scan", "--classifier", "bundle"],
        ["suggest", "scan", "--classifier", "b", "--out", "o", "--preset", "slow"],
        ["suggest", "scan", "--classifier", "b", "--out", "o", "--contours", "0"],
        ["suggest", "scan", "--classifier", "b", "--out", "o", "--contours", "many"],
        ["suggest", "scan", "--classifier", "b", "--out", "o", "--contours", "9"],
        ["map", "scan", "--classifier", "b", "--out", "o"],
        ["map", "scan", "--classifier", "b", "--out", "o", "--slice", "1", "--areas", "0.1;0.2"],
        ["map", "scan", "--classifier", "b", "--out", "o", "--slice", "1", "--areas", ""],
        ["robustness", "scan", "--classifier", "b", "--out", "o", "--slice", "1", "--weights", "a"],
        ["robustness", "s", "--classifier", "b", "--out", "o", "--slice", "1", "--harmonics", "21"],
        ["suggest", "scan", "--classifier", "b", "--out", "o", "--slices", "3-5"],
        ["suggest", "scan", "--classifier", "b", "--out", "o", "--slices", "a:b"],
        ["suggest", "scan", "--classifier", "b", "--out", "o", "--background", "pink"],
        ["suggest", "scan", "--classifier", "b", "--out", "o", "--nonsense"],
        ["convert", "out"],
        ["convert", "out", "--to", "labelmap"],
        ["info"],
    ],
    ids=" ".join,
)
def test_wrong_usage(
    arguments: list[str], medcontour: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = medcontour(*arguments)
    assert answer.code == 2
    assert answer.out == ""
    assert answer.err
    assert "Traceback" not in answer.err
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_result_is_kept_when_the_next_run_fails(
    medcontour: Run, suggested, study: Path, bundle: Path, tmp_path: Path
) -> None:
    out, _ = suggested
    shutil.copytree(out, tmp_path / "out")
    before = {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    answer = medcontour(
        "suggest", study, "--classifier", bundle, "--out", tmp_path / "out", "--slices", "9:12",
        "--json",
    )  # fmt: skip
    refusal(answer)
    assert {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()} == before
