"""No name, number or date of a patient in anything that is written or said but DICOM objects."""

from __future__ import annotations

import json
import re
import shutil
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from small_files import BIRTH, FAMILY, GIVEN, NUMBER, call, write_bundle, write_series

import medcontour as mc
from medcontour.errors import MedcontourError
from medcontour.privacy import could_identify, discreet, keep_private, stored_path

SECRETS = (FAMILY, GIVEN, NUMBER, BIRTH, "1931-04-05", "Brunhilde", "Zwei_Namen")


def everything(folder: Path) -> str:
    """All that lies in a folder but DICOM objects: names, texts, and what pictures carry."""
    found = []
    for path in sorted(folder.rglob("*")):
        found.append(str(path.relative_to(folder)))
        if path.is_dir() or path.suffix == ".dcm":
            continue
        data = path.read_bytes()
        found.append(data.decode("utf-8", "replace"))
        if data[:2] == b"\x1f\x8b":
            found.append(zlib.decompress(data, 47).decode("latin-1"))
        if path.suffix == ".png":
            with Image.open(path) as image:
                found.append(repr(image.info))
    return "\n".join(found)


def told(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret.casefold() in text.casefold()]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundle") / "bundle")


@pytest.mark.parametrize(
    "folder",
    [
        f"{FAMILY}_{GIVEN}",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in (NUMBER, "1931-04-05", "Brunhilde")
        ),
    ],
)
def test_group_14_nothing_that_suggest_writes_or_says_tells_who_it_is(
    folder: str, tmp_path: Path, bundle: Path, capsys
) -> None:
    study = write_series(tmp_path / folder / f"{GIVEN} {BIRTH}")
    (study / f"{FAMILY}.dcm").write_bytes(b"no image")
    out = tmp_path / folder / "out"
    for more in ([], ["--json"]):
        answer = call(
            ["suggest", study, "--classifier", bundle, "--out", out, "--slices", "1:2", *more],
            capsys,
        )
        assert answer.code == 0, answer.err
        assert not told(answer.out + answer.err)
    assert not told(everything(out))
    document = json.loads((out / "suggestion.json").read_text())
    assert document["settings"]["scan"] is None
    answer = call(["refine", out, out / "rtstruct.dcm", "--out", tmp_path / "again"], capsys)
    assert answer.code == 1
    assert "--scan" in answer.err
    assert not told(answer.err)


@pytest.mark.parametrize("outline", ["learned:", "prompted:sam2:"])
def test_group_14_a_file_that_an_option_names_after_its_kind(
    outline: str, tmp_path: Path, bundle: Path, capsys
) -> None:
    study, out = write_series(tmp_path / "study"), tmp_path / "out"
    path = f"{outline}{tmp_path / FAMILY / GIVEN}"
    given = ["suggest", study, "--classifier", bundle, "--out", out, "--outline", path]
    answer = call(given, capsys)
    assert answer.code == 1, answer.err
    assert str(tmp_path) in answer.err
    assert not told(answer.out + answer.err)


@pytest.mark.slow
def test_group_14_an_edit_is_read_back_where_the_path_tells_nothing(
    tmp_path: Path, bundle: Path, capsys, monkeypatch
) -> None:
    """Result and scan may move together, and the command may run from anywhere."""
    monkeypatch.chdir(tmp_path)
    write_series(tmp_path / "work" / "ct_study")
    given = ["--classifier", bundle, "--slices", "1:2", "--export", "rtstruct"]
    answer = call(["suggest", "work/ct_study", "--out", "work/out", *given], capsys)
    assert answer.code == 0, answer.err
    document = json.loads(Path("work/out/suggestion.json").read_text())
    assert document["settings"]["scan"] == "../ct_study"
    shutil.move(tmp_path / "work", tmp_path / "archive")
    monkeypatch.chdir("/")
    out = tmp_path / "archive" / "out"
    for command in (
        ["refine", out, out / "rtstruct.dcm", "--out", tmp_path / "refined"],
        ["convert", out, "--to", "coco", "--out", tmp_path / "coco.json"],
    ):
        answer = call(command, capsys)
        assert answer.code == 0, answer.err
    again = mc.Suggestion.read_json(tmp_path / "refined")
    assert Path(again.scan_path).resolve() == tmp_path / "archive" / "ct_study"


@pytest.mark.parametrize(
    "name",
    [
        f"{FAMILY}_{GIVEN}.nii.gz",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("1931-04-05.png", "Brunhilde.dcm", "Zwei_Namen.json", "Zwei_Namen")
        ),
    ],
)
def test_group_14_a_bad_file_named_after_a_patient(
    name: str, tmp_path: Path, bundle: Path, capsys
) -> None:
    path = tmp_path / FAMILY / name
    path.parent.mkdir()
    out = tmp_path / "out"
    suggest = ["suggest", path, "--classifier", bundle, "--out", out]
    for content in (None, b"", b"\x1f\x8b broken", b"\x89PNG\r\n", bytes(128) + b"DICM broken"):
        if content is not None:
            path.write_bytes(content)
        for command in (["info", path], suggest, ["refine", path, path, "--out", out]):
            answer = call(command, capsys)
            assert answer.code == 1
            assert not told(answer.out + answer.err), answer.err
            assert answer.err.strip().endswith(".")


def test_group_14_a_picture_named_after_a_patient(tmp_path: Path, capsys) -> None:
    from medcontour.formats.coco.writer import file_name

    values = np.random.default_rng(0).integers(0, 255, (20, 30), dtype=np.uint8)
    for name, kept in (("Zwei_Namen.png", "slice_0000.png"), ("lesion.png", "lesion.png")):
        Image.fromarray(values).save(tmp_path / name)
        assert file_name(mc.read_scan(tmp_path / name), 0) == kept


def test_group_14_a_refused_file_of_a_plain_name_is_named(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(np.zeros((3, 4, 5), np.float32), np.eye(4)), tmp_path / "flat.nii.gz")
    with pytest.raises(MedcontourError, match=re.escape("flat.nii.gz")):
        mc.read_scan(tmp_path / "flat.nii.gz")


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/archive/sample_data/ct_study", "../sample_data/ct_study"),
        ("/archive/out/study/series_3", "study/series_3"),
        ("/archive/scans/case12.nii.gz", "../scans/case12.nii.gz"),
        ("/archive/mueller/ct", None),
        ("/archive/li/ct", None),
        ("/archive/1961-02-03/ct", None),
        ("/archive/study19610203", None),
        ("/archive/ct/4711", None),
        ("/home/someone/ct", None),
        ("/archive/scans/mueller.nii.gz", None),
        ("/archive/scans/王小明.nii.gz", None),
    ],
)
def test_group_14_what_is_stored_of_a_path(path: str, kept: str | None) -> None:
    assert stored_path(path, Path("/archive/out")) == kept


@pytest.mark.parametrize(
    ("words", "path"),
    [(["Study"], "/archive/study"), (["CT"], "/archive/ct"), (["12"], "/archive/case_12")],
)
def test_group_14_a_plain_word_that_is_the_patients_is_not_stored(
    words: list[str], path: str
) -> None:
    assert stored_path(path, Path("/archive/out")) is not None
    assert stored_path(path, Path("/archive/out"), words) is None


PERSONS = (
    *("Mueller", "MUELLER_JUERGEN", "mueller_juergen", "Li", "Li_Na", "li_na.nii.gz", "Wu.png"),
    *("doe-john", "Doe^John", "Doe,John", "O'Brien", "Müller.nii.gz", "王小明", "PAT-4711", "4711"),
    *("1961-02-03", "19610203", "03.02.1961", "3-2-1961", "03021961", "ct_19610203", "case_471100"),
    "ct_mueller_juergen",
    *(name.decode("utf-8", "surrogateescape") for name in (b"ct_\xfc.png", b"bad\xff.nii.gz")),
)
FILES = (
    *("IM000123.dcm", "IM6", "00000042", "1.2.840.10008.5.1.4.1.dcm", "ct_study", "slice_07.dcm"),
    *("weird.nii.gz", "series1", "suggestion.json", "lesion7.png", "DICOM"),
    *("a_long_torn_thing.json", "segmentation.seg.nrrd", "test_what_cannot_be_done0"),
)


@pytest.mark.parametrize("part", PERSONS)
def test_group_14_what_could_be_a_person_is_not_repeated(part: str) -> None:
    assert could_identify(part)
    assert stored_path(f"/{part}/ct", Path("/out")) is None
    keep_private(f"/somewhere/{part}/x")
    assert part not in discreet(f"/somewhere/{part}/x is damaged.")


@pytest.mark.parametrize("part", FILES)
def test_group_14_what_a_user_needs_to_find_a_file_is_repeated(part: str) -> None:
    assert not could_identify(part)
    keep_private(f"/{part}")
    assert part in discreet(f"/{part} is damaged.")


def test_group_14_a_word_that_a_path_holds_is_said_where_it_is_none() -> None:
    keep_private("/li/ct", ["Li"])
    assert discreet("/li/ct has no label li.") == "/…/ct has no label li."
