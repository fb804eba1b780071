"""What the commands do when all is well."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import PIL.Image
import pydicom
import pytest
from small_files import (
    BIRTH,
    CENTRE,
    COLUMNS,
    FAMILY,
    GIVEN,
    NUMBER,
    RADIUS,
    ROWS,
    plane,
    write_bundle,
    write_series,
)

Run = Callable[..., "object"]


def contour_data(path: Path) -> dict[str, list[list[float]]]:
    dataset = pydicom.dcmread(path)
    names = {roi.ROINumber: roi.ROIName for roi in dataset.StructureSetROISequence}
    return {
        names[roi.ReferencedROINumber]: [
            [float(value) for value in item.ContourData] for item in roi.ContourSequence
        ]
        for roi in dataset.ROIContourSequence
    }


def segment_pixels(path: Path) -> tuple[np.ndarray, list[str]]:
    dataset = pydicom.dcmread(path)
    return dataset.pixel_array, [segment.SegmentLabel for segment in dataset.SegmentSequence]


# suggest


def test_json_is_one_object_and_all_there_is_on_standard_output(suggested) -> None:
    out, said = suggested
    assert said["out"] == str(out)
    assert said["left_out"] == {}
    assert set(said["files"]) <= {path.name for path in out.iterdir()}
    [finding] = said["findings"]
    assert (finding["number"], finding["label"]) == (1, "spot")
    assert finding["status"] == "suggested"
    [part] = finding["slices"]
    assert part["slice"] == 1
    assert part["p_value"] <= 0.05
    assert (out.parent / "said.err").read_text() == ""
    document = json.loads((out / "suggestion.json").read_text())
    assert document["findings"][0]["score"] == finding["score"]
    assert document["run"] == said["run"]


def test_the_label_map_is_the_spot(suggested) -> None:
    out, _ = suggested
    written = np.asarray(nibabel.load(out / "labelmap.nii.gz").dataobj).T
    row, column = np.mgrid[:ROWS, :COLUMNS]
    truth = np.zeros((4, ROWS, COLUMNS), bool)
    truth[1] = np.hypot(column - CENTRE[0], row - CENTRE[1]) <= RADIUS
    assert written.shape == truth.shape
    assert 2 * ((written == 1) & truth).sum() >= 0.9 * ((written == 1).sum() + truth.sum())


def test_without_json_it_tells_a_person_what_was_found(
    medcontour: Run, study: Path, bundle: Path, tmp_path: Path
) -> None:
    answer = medcontour(
        "suggest", study, "--classifier", bundle, "--out", tmp_path / "out", "--slices", "1:2",
        "--export", "labelmap,markups",
    )  # fmt: skip
    assert answer.code == 0
    assert "suggested" in answer.out
    assert "spot" in answer.out
    assert "Wrote suggestion.json, labelmap.nii.gz, markups" in answer.out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "suggestion.json",
        "labelmap.nii.gz",
        "labelmap.txt",
        "markups",
    }


@pytest.mark.parametrize("as_json", [False, True])
def test_nothing_found_is_said_and_is_no_error(
    medcontour: Run, study: Path, bundle: Path, tmp_path: Path, as_json: bool
) -> None:
    answer = medcontour(
        "suggest", study, "--classifier", bundle, "--out", tmp_path / "out", "--slices", "2:4",
        *(["--json"] if as_json else []),
    )  # fmt: skip
    assert answer.code == 0
    if as_json:
        assert json.loads(answer.out)["findings"] == []
    else:
        assert "Nothing was found" in answer.out
    document = json.loads((tmp_path / "out" / "suggestion.json").read_text())
    assert document["findings"] == []
    assert not np.asarray(nibabel.load(tmp_path / "out" / "labelmap.nii.gz").dataobj).any()
    assert "rtstruct.dcm" not in {path.name for path in (tmp_path / "out").iterdir()}


def test_options_reach_the_work(medcontour: Run, study: Path, bundle: Path, tmp_path: Path) -> None:
    answer = medcontour(
        "suggest", study, "--classifier", bundle, "--out", tmp_path / "out", "--target", "SPOT",
        "--slices", "1:2", "--area", "0.04", "--background", "mean", "--outline", "none",
        "--objective", "target", "--contours", "1", "--seed", "5", "--device", "cpu",
        "--preset", "fast", "--export", "labelmap", "--include-weak", "--json",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    settings = json.loads((tmp_path / "out" / "suggestion.json").read_text())["settings"]
    assert settings["target"] == "spot"
    assert settings["slices"] == "1:2"
    assert settings["area"] == 0.04
    assert settings["background"] == "mean"
    assert settings["outline"] == "none"
    assert settings["contours"] == 1
    assert settings["seed"] == 5


@pytest.mark.slow
def test_of_several_series_one_is_chosen(medcontour: Run, bundle: Path, tmp_path: Path) -> None:
    with_spot = write_series(tmp_path / "both" / "a")
    write_series(tmp_path / "both" / "b", [plane(spot=False, seed=k) for k in range(3)])
    uid = pydicom.dcmread(with_spot / "000.dcm").SeriesInstanceUID
    command = ("suggest", tmp_path / "both", "--classifier", bundle, "--out", tmp_path / "out")
    refused = medcontour(*command)
    assert refused.code == 1
    assert "2 series; choose one" in refused.err
    assert str(uid) in refused.err
    assert FAMILY not in refused.err
    assert not (tmp_path / "out").exists()
    answer = medcontour(*command, "--series", uid, "--export", "labelmap", "--json")
    assert answer.code == 0
    assert json.loads((tmp_path / "out" / "suggestion.json").read_text())["scan"][
        "series_instance_uid"
    ] == str(uid)


def test_an_image_leaves_out_what_needs_dicom_and_says_so(medcontour: Run, tmp_path: Path) -> None:
    PIL.Image.fromarray((plane(spot=True) * 255).astype(np.uint8)).save(tmp_path / "picture.png")
    bundle = write_bundle(tmp_path / "bundle", scale=(0, 255))
    answer = medcontour(
        "suggest", tmp_path / "picture.png", "--classifier", bundle, "--out", tmp_path / "out"
    )
    assert answer.code == 0
    assert "Left out rtstruct: " in answer.out
    assert "Left out seg: " in answer.out
    assert "seg-labelmap" not in answer.out
    assert (tmp_path / "out" / "coco.json").is_file()
    assert (tmp_path / "out" / "labels.png").is_file()
    assert (tmp_path / "out" / "labelmap.nii.gz").is_file()
    assert not list((tmp_path / "out").glob("*.dcm"))


# convert


@pytest.mark.parametrize(
    ("name", "filename"),
    [
        ("labelmap", "labelmap.nii.gz"),
        ("nrrd", "segmentation.seg.nrrd"),
        ("markups", "markups"),
        ("rtstruct", "rtstruct.dcm"),
        ("seg", "seg.dcm"),
    ],
)
def test_converted_is_what_suggest_wrote(
    name: str, filename: str, medcontour: Run, suggested, tmp_path: Path
) -> None:
    out, _ = suggested
    answer = medcontour("convert", out, "--to", name, "--out", tmp_path / filename)
    assert answer.code == 0, answer.err
    assert str(tmp_path / filename) in answer.out
    if name == "rtstruct":
        data = contour_data(tmp_path / filename)
        assert set(data) == {"spot 1", "spot 1 evidence"}
        assert data == contour_data(out / filename)
    elif name == "seg":
        (a, names), (b, others) = (segment_pixels(x / filename) for x in (tmp_path, out))
        np.testing.assert_array_equal(a, b)
        assert names == others == ["spot 1"]
    elif name == "markups":
        written = {path.name: path.read_bytes() for path in (tmp_path / filename).iterdir()}
        assert written == {path.name: path.read_bytes() for path in (out / filename).iterdir()}
        assert len(written) == 2
    else:
        assert (tmp_path / filename).read_bytes() == (out / filename).read_bytes()


@pytest.mark.slow
def test_convert_finds_a_scan_that_has_moved(
    medcontour: Run, study: Path, bundle: Path, tmp_path: Path
) -> None:
    shutil.copytree(study, tmp_path / "here")
    command = ("suggest", tmp_path / "here", "--classifier", bundle, "--out", tmp_path / "out")
    assert medcontour(*command, "--slices", "1:2", "--export", "labelmap").code == 0
    shutil.move(tmp_path / "here", tmp_path / "there")
    converted = tmp_path / "moved.nii.gz"
    command = ("convert", tmp_path / "out" / "suggestion.json", "--to", "labelmap")
    lost = medcontour(*command, "--out", converted)
    assert lost.code == 1
    assert str(tmp_path / "here") in lost.err
    found = medcontour(*command, "--out", converted, "--scan", tmp_path / "there")
    assert found.code == 0
    assert converted.read_bytes() == (tmp_path / "out" / "labelmap.nii.gz").read_bytes()


def test_converted_pictures_show_what_is_weak_and_label_maps_do_not(
    medcontour: Run, suggested, tmp_path: Path
) -> None:
    out, _ = suggested
    weak = out.with_name("results") / "suggestion.json"
    weak.parent.mkdir()
    weak.write_text(
        (out / "suggestion.json")
        .read_text()
        .replace('"status": "suggested"', '"status": "no better than random places"')
    )

    def convert(name: str, *options: str) -> Path:
        target = tmp_path / {"labelmap": "a.nii.gz", "overlay": "overlay"}.get(name, "report.html")
        assert medcontour("convert", weak, "--to", name, "--out", target, *options).code == 0
        return target

    assert not np.asarray(nibabel.load(convert("labelmap")).dataobj).any()
    kept = nibabel.load(convert("labelmap", "--include-weak"))
    np.testing.assert_array_equal(kept.dataobj, nibabel.load(out / "labelmap.nii.gz").dataobj)
    assert [path.name for path in convert("overlay").iterdir()] == ["slice_002.png"]
    assert "no better than random places" in convert("report").read_text()


# info


def test_info_of_a_scan(medcontour: Run, study: Path) -> None:
    facts = json.loads(medcontour("info", study, "--json").out)
    assert facts["kind"] == "scan"
    assert (facts["slices"], facts["rows"], facts["columns"]) == (4, ROWS, COLUMNS)
    assert (facts["row_spacing"], facts["column_spacing"]) == pytest.approx((1.2, 0.9))
    assert facts["slice_spacing"] == pytest.approx(3)
    assert facts["modality"] == "CT"
    assert {"rtstruct", "seg", "labelmap"} <= set(facts["formats"])
    shown = medcontour("info", study)
    assert shown.code == 0
    assert "row spacing" in shown.out


def test_info_lists_several_series_and_describes_the_chosen_one(
    medcontour: Run, tmp_path: Path
) -> None:
    uids = []
    for name, count in (("a", 3), ("b", 2)):
        folder = write_series(tmp_path / name, [plane(spot=False, seed=k) for k in range(count)])
        uids.append(str(pydicom.dcmread(folder / "000.dcm").SeriesInstanceUID))
    facts = json.loads(medcontour("info", tmp_path, "--json").out)
    assert facts["kind"] == "several series"
    found = {series["uid"]: series for series in facts["series"]}
    assert set(found) == set(uids)
    expected = {"uid": uids[0], "modality": "CT", "columns": COLUMNS, "rows": ROWS, "slices": 3}
    assert found[uids[0]] == expected
    shown = medcontour("info", tmp_path)
    assert shown.code == 0
    assert f"CT, {COLUMNS} x {ROWS} x 2" in shown.out
    assert FAMILY not in shown.out
    chosen = json.loads(medcontour("info", tmp_path, "--series", uids[1], "--json").out)
    assert (chosen["kind"], chosen["slices"]) == ("scan", 2)


def test_info_of_a_bundle(medcontour: Run, bundle: Path) -> None:
    facts = json.loads(medcontour("info", bundle, "--json").out)
    assert facts["kind"] == "classifier"
    assert facts["name"] == "Spot finder"
    assert facts["labels"] == ["no spot", "spot"]
    assert len(facts["weights_sha256"]) == 64


def test_info_of_a_suggestion(medcontour: Run, suggested) -> None:
    out, _ = suggested
    for path in (out, out / "suggestion.json"):
        facts = json.loads(medcontour("info", path, "--json").out)
        assert facts["kind"] == "suggestion"
        assert facts["target"] == "spot"
        assert facts["slices"] == [1]
        assert facts["findings"] == facts["suggested"] == 1


# Help


OPTIONS = {
    "suggest": [
        "SCAN", "--classifier", "--out", "--target", "--preset", "--contours", "--area",
        "--slices", "--export", "--background", "--outline", "--device", "--seed", "--json",
    ],
    "convert": ["SUGGESTION", "--to", "--out", "coco", "labelmap", "rtstruct", "seg"],
    "info": ["PATH"],
}  # fmt: skip


@pytest.mark.parametrize("command", OPTIONS)
def test_help_names_every_option_of_the_contract(command: str, medcontour: Run) -> None:
    answer = medcontour(command, "--help")
    assert answer.code == 0
    for option in OPTIONS[command]:
        assert option.lower() in answer.out.lower()


def test_help_lists_the_commands(medcontour: Run) -> None:
    answer = medcontour("--help")
    assert answer.code == 0
    for command in OPTIONS:
        assert command in answer.out


# Patient data


def test_no_command_says_who_the_patient_is(
    medcontour: Run, study: Path, bundle: Path, suggested, tmp_path: Path
) -> None:
    out, _ = suggested
    folder = tmp_path / f"{FAMILY}_{GIVEN}"
    shutil.copytree(study, folder)
    answers = [
        medcontour(
            "suggest", folder, "--classifier", bundle, "--out", tmp_path / "out", "--slices", "1:3"
        ),
        medcontour("info", study),
        medcontour("info", study, "--json"),
        medcontour("info", out),
        medcontour("convert", out, "--to", "rtstruct", "--out", tmp_path / "rtstruct.dcm"),
        medcontour("suggest", study, "--classifier", bundle, "--out", tmp_path / "x", "--export",
                   "nonsense"),
    ]  # fmt: skip
    assert [answer.code for answer in answers] == [0, 0, 0, 0, 0, 1]
    written = [
        path.read_bytes()
        for path in (*(tmp_path / "out").rglob("*.*"), *out.rglob("*.*"))
        if path.is_file() and path.suffix not in (".dcm", ".png", ".gz")
    ]
    assert len(written) > 8
    spoken = [(answer.out + answer.err).encode() for answer in answers]
    for content in (*spoken, *written):
        for word in (FAMILY, GIVEN, NUMBER, BIRTH):
            assert word.lower().encode() not in content.lower()
    assert (
        json.loads((tmp_path / "out" / "suggestion.json").read_text())["settings"]["scan"] is None
    )
    refused = medcontour("convert", tmp_path / "out", "--to", "nrrd", "--out", tmp_path / "a.nrrd")
    assert refused.code == 1
    assert "--scan" in refused.err
    dicom = pydicom.dcmread(tmp_path / "rtstruct.dcm")
    assert dicom.PatientName == f"{FAMILY}^{GIVEN}"


@pytest.mark.slow
def test_the_installed_command_itself(study: Path, tmp_path: Path) -> None:
    """As another process, with its own streams and exit codes."""
    program = shutil.which("medcontour")
    assert program is not None
    facts = subprocess.run(
        [program, "info", study, "--json"], capture_output=True, text=True, timeout=300
    )
    assert (facts.returncode, facts.stderr) == (0, "")
    assert json.loads(facts.stdout)["slices"] == 4
    command = [program, "suggest", tmp_path / "nowhere", "--classifier", tmp_path, "--out", "out"]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=tmp_path)
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert len(refused.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
