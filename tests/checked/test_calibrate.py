"""From checked scans to calibration.json, and from there to the figures of findings."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from small_files import FAMILY, NUMBER, Answer, plane, write_bundle, write_series

import medcontour as mc
from medcontour.calibration import FILE_NAME, calibrated

Run = Callable[..., Answer]
CHEAP = {"outline": "none"}
"""Two thirds of the time go into outlines, which are not what is looked at here."""

OPTIONS = ("--outline", "none")
ROWS = [
    "scan,finding,group,mask",
    "plain_0.png,0,Geheimrat,",
    "plain_1.png,0,Geheimrat,",
    "plain_2.png,0,b,plain_2_mask.png",
    "spot_0.png,1,c,spot_0_mask.png",
    "spot_1.png,0,d,",  # somebody says that nothing is there
]


@pytest.fixture(scope="module")
def listed(pictures: Path) -> Path:
    file = pictures / "checked.csv"
    file.write_text("\n".join(ROWS))
    return file


@pytest.fixture(scope="module")
def whole(listed: Path, bundle: Path) -> mc.Calibration:
    return mc.calibrate(listed, bundle, **CHEAP)


def test_each_group_without_a_finding_has_its_scans_strongest(whole: mc.Calibration) -> None:
    nothing = -float("inf")
    assert whole.unit == "image"
    assert whole.images == 4
    *quiet, (loud,) = whole.without_finding
    assert quiet == [(nothing,), (nothing, nothing)]
    assert loud > nothing
    assert whole.trust is None
    assert any("No trust is fitted" in note for note in whole.notes)
    assert any("below 0.25" in note for note in whole.notes)


def test_a_run_that_was_stopped_goes_on(
    listed: Path, bundle: Path, tmp_path: Path, whole: mc.Calibration
) -> None:
    """What was seen is taken up: changed on the way, it changes what comes out."""

    def stop(what: str, done: int, count: int) -> None:
        if done == count - 1:
            raise KeyboardInterrupt

    out = tmp_path / FILE_NAME
    with pytest.raises(KeyboardInterrupt):
        mc.calibrate(listed, bundle, out=out, progress=stop, **CHEAP)
    [records] = tmp_path.iterdir()
    assert not out.exists()
    lines = [json.loads(line) for line in records.read_text().splitlines()]
    kept = [line["record"] for line in lines[1:] if line["record"]["findings"]]
    assert len(lines) == 5
    assert len(kept) == 1
    lines[1]["record"]["findings"] = [kept[0]["findings"][0] | {"strength": 99.0, "kept": None}]
    records.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = mc.calibrate(listed, bundle, out=out, **CHEAP)
    assert (-float("inf"), 99.0) in done.without_finding
    assert done.without_finding[-1] in ((99.0,), whole.without_finding[-1])
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]
    assert mc.Calibration.read(out) == done


def test_nothing_that_is_kept_names_a_scan_or_a_group(
    listed: Path, bundle: Path, tmp_path: Path
) -> None:
    text = []

    def look(what: str, done: int, count: int) -> None:
        text.extend(path.read_text() for path in tmp_path.iterdir())

    mc.calibrate(listed, bundle, out=tmp_path / FILE_NAME, progress=look, **CHEAP)
    text.append((tmp_path / FILE_NAME).read_text())
    assert len(text) == 6
    for word in ("Geheimrat", "plain", "spot_0", ".png", str(listed.parent)):
        assert not any(word in each for each in text), word


def test_of_a_patients_series_each_counts_as_a_part_of_one(tmp_path: Path) -> None:
    """The identifier in the headers is the group; it goes nowhere."""
    bundle = write_bundle(tmp_path / "bundle")
    for n in range(2):
        planes = [plane(spot=False, seed=2 * n + k) for k in range(2)]
        write_series(tmp_path / "scans" / f"s{n}", planes)
    made = mc.calibrate(tmp_path / "scans", bundle, out=tmp_path / FILE_NAME, **CHEAP)
    assert made.unit == "scan"
    assert made.without_finding == ((-float("inf"), -float("inf")),)
    for word in (NUMBER, FAMILY):
        assert word not in (tmp_path / FILE_NAME).read_text()


def test_one_bad_scan_is_named_and_the_rest_goes_on(
    pictures: Path, bundle: Path, tmp_path: Path
) -> None:
    for name in ("plain_0", "plain_1"):
        shutil.copy(pictures / f"{name}.png", tmp_path)
    shutil.copy(pictures / "plain_0.png", tmp_path / "again.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    write_series(tmp_path / "stack", [plane(spot=False, seed=k) for k in range(2)])
    made = mc.calibrate(tmp_path, bundle, **CHEAP)
    assert made.images == 2
    said = " ".join(made.notes)
    assert "(broken.png) was left out" in said
    assert "(plain_0.png) was left out: it is the same as scan 1" in said
    assert "(stack) was left out: it has several slices" in said


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("plain_0.png,1,,plain_0_mask.png", "its mask is empty"),
        ("spot_0.png,0,,spot_0_mask.png", "its mask is not empty"),
        ("spot_0.png,1,,none.png", "does not exist"),
        ("none.png,0,,", "does not exist"),
        ("plain_0.png,0,,small.png", "5 x 5"),
    ],
)
def test_a_row_that_cannot_be_right_is_left_out_with_the_reason(
    pictures: Path, bundle: Path, row: str, said: str
) -> None:
    PIL.Image.fromarray(np.zeros((5, 5), np.uint8)).save(pictures / "small.png")
    file = pictures / "one_row.csv"
    file.write_text(f"scan,finding,group,mask\nplain_1.png,0,,\n{row}\n")
    made = mc.calibrate(file, bundle, **CHEAP)
    assert made.images == 1
    assert any(note.startswith("Scan 2 (") and said in note for note in made.notes)


def test_where_no_scan_can_be_used_that_is_said(pictures: Path, bundle: Path) -> None:
    file = pictures / "positives.csv"
    file.write_text("scan,finding\nspot_0.png,1\nspot_1.png,1\n")
    with pytest.raises(mc.MedcontourError, match="All 2 scans have a finding and none has a mask"):
        mc.calibrate(file, bundle, **CHEAP)
    file.write_text("scan\nnone.png\n")
    with pytest.raises(mc.MedcontourError, match=r"No scan could be used.*does not exist"):
        mc.calibrate(file, bundle, **CHEAP)


@pytest.mark.parametrize("name", ["checked.csv", "none/calibration.json", ""])
def test_a_file_that_is_something_else_is_never_written_over(
    listed: Path, bundle: Path, name: str
) -> None:
    before = listed.read_text()
    with pytest.raises(mc.MedcontourError, match=r"is there already|cannot be written"):
        mc.calibrate(listed, bundle, out=listed.parent / name, **CHEAP)
    assert listed.read_text() == before


# What suggest makes of it


def test_a_finding_is_compared_with_what_was_suggested_where_there_is_none(
    pictures: Path, bundle: Path, whole: mc.Calibration
) -> None:
    """spot_1 itself is among them, so that it cannot be stronger than all."""
    compared = mc.suggest(pictures / "spot_1.png", bundle, calibration=whole, **CHEAP)
    [again] = compared
    assert again.conformal_p_value == pytest.approx(2 / 4)
    assert again.trust is None
    plain = mc.suggest(pictures / "spot_1.png", bundle, **CHEAP)
    assert plain.findings[0].conformal_p_value is None
    assert "calibration" not in plain.settings
    other = calibrated(plain, replace(whole, settings_key="of others"), "of these")
    assert other.findings[0].conformal_p_value == again.conformal_p_value
    assert any("other settings" in note for note in other.notes)
    assert not any("other settings" in note for note in compared.notes)


def test_one_in_the_bundles_folder_is_found_and_its_figures_are_everywhere(
    pictures: Path, tmp_path: Path, medcontour: Run, listed: Path
) -> None:
    bundle = write_bundle(tmp_path / "bundle", scale=(0, 255))
    file = bundle / FILE_NAME
    answer = medcontour("calibrate", listed, "--classifier", bundle, "--out", file, *OPTIONS)
    assert answer.code == 0, answer.err
    assert "4 images without a finding, of 3 groups: on 1 something is suggested." in answer.out
    assert "Wrote" in answer.out
    spot = pictures / "spot_0.png"
    command = ("suggest", spot, "--classifier", bundle, "--export", "report", *OPTIONS)
    answer = medcontour(*command, "--out", tmp_path / "out", "--json")
    assert answer.code == 0, answer.err
    [finding] = json.loads(answer.out)["findings"]
    suggestion = mc.Suggestion.read_json(tmp_path / "out")
    [read] = suggestion.findings
    assert read.conformal_p_value == finding["conformal_p_value"] is not None
    assert suggestion.settings["calibration"] == mc.Calibration.read(file).key()
    assert any("in the classifier's folder" in note for note in suggestion.notes)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "% of images without a finding look like this" in page


def test_of_another_classifier_it_is_refused_before_anything_is_written(
    pictures: Path, tmp_path: Path, medcontour: Run, whole: mc.Calibration
) -> None:
    whole.write(tmp_path / FILE_NAME)
    other = write_bundle(tmp_path / "other", scale=(0, 255), weight=1.01)
    command = ("suggest", pictures / "spot_0.png", "--classifier", other, "--out", tmp_path / "out")
    answer = medcontour(*command, "--calibration", tmp_path / FILE_NAME)
    assert answer.code == 1
    assert "other weights" in answer.err
    assert not (tmp_path / "out").exists()
    shutil.copy(tmp_path / FILE_NAME, other)  # found by itself it spoils nothing
    answer = medcontour(*command, "--export", "labelmap", "--json", *OPTIONS)
    assert answer.code == 0, answer.err
    said = json.loads(answer.out)
    assert any("is not used" in note for note in said["notes"])
    assert said["findings"][0]["conformal_p_value"] is None


def test_a_stack_is_not_compared_with_single_images(tmp_path: Path, whole: mc.Calibration) -> None:
    scan = mc.read_scan(write_series(tmp_path / "study"))
    bundle = write_bundle(tmp_path / "bundle")
    of_it = mc.Calibration(**{**vars(whole), "sha256": mc.load_classifier(bundle).weights_sha256})
    found = mc.suggest(scan, bundle, slices=1, calibration=of_it, **CHEAP)
    assert len(found) == 1
    assert found.findings[0].conformal_p_value is None
    assert any(note.startswith("Not calibrated") for note in found.notes)


def test_corrections_are_masks(
    pictures: Path, bundle: Path, tmp_path: Path, whole: mc.Calibration
) -> None:
    """Of a folder only what was corrected counts: of the others nobody said anything."""
    edits = tmp_path / "edits"
    edits.mkdir()
    for name in ("plain_2", "spot_0"):
        shutil.copy(pictures / f"{name}_mask.png", edits / f"{name}.png")
    scans = shutil.copytree(
        pictures, tmp_path / "scans", ignore=shutil.ignore_patterns("*_mask.png", "*.csv")
    )
    made = mc.calibrate(scans, bundle, edits=edits, **CHEAP)
    assert made.images == 1  # plain_2, whose mask is empty
    assert made.without_finding[0] in whole.without_finding
