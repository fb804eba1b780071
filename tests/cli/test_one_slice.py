"""`map` and `robustness`: what they write, where it lies, and what they refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from small_files import BIRTH, CENTRE, FAMILY, GIVEN, NUMBER, plane, write_bundle

import medcontour as mc
from medcontour.report import write_map

Run = Callable[..., "object"]


def test_a_map_of_a_dicom_slice(medcontour: Run, study: Path, bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "map"
    answer = medcontour(
        "map", study, "--classifier", bundle, "--slice", 1, "--areas", "0.1,0.03", "--out", out,
        "--circles", 8, "--json",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    said = json.loads(answer.out)
    written = (out / "map.json").read_text()
    assert json.loads(written).items() <= said.items()
    assert said["files"] == ["map.json", "map.png", "fidelity.png"]
    assert (said["slice"], said["classifier"]["target_name"]) == (1, "spot")
    smallest, largest = said["levels"]
    assert (smallest["area_asked"], largest["area_asked"]) == (0.03, 0.1)
    scan = mc.read_scan(study)
    whole = 48 * 1.2 * 64 * 0.9
    for level in (smallest, largest):
        assert level["area_fraction"] == pytest.approx(level["area_asked"], abs=0.01)
        assert level["contour"]["area_mm2"] == pytest.approx(level["area_fraction"] * whole)
        points = scan.to_index(level["contour"]["polygon_lps_mm"], 1)
        assert np.ptp(np.array(level["contour"]["polygon_lps_mm"])[:, 2]) == 0
        away = (points.mean(0) - CENTRE) * (0.9, 1.2)
        assert np.linalg.norm(away) < 9
        assert level["preserved"] > level["random_preserved"]
        assert level["random_preserved_sd"] >= 0
    for name in ("map.png", "fidelity.png"):
        picture = np.asarray(PIL.Image.open(out / name).convert("RGB"))
        assert picture.std() > 10
    for word in (FAMILY, GIVEN, NUMBER, BIRTH):
        assert word not in written
    for name in ("map.png", "fidelity.png"):
        assert FAMILY.encode() not in (out / name).read_bytes()


def test_robustness_of_an_image(medcontour: Run, tmp_path: Path) -> None:
    bundle, out = write_bundle(tmp_path / "bundle", scale=(0, 255)), tmp_path / "out"
    picture = np.round(plane(spot=True) * 255).astype(np.uint8)
    PIL.Image.fromarray(picture).save(tmp_path / "spot.png")
    answer = medcontour(
        "robustness", tmp_path / "spot.png", "--classifier", bundle, "--slice", 0, "--out", out,
        "--weights", "0.01,1", "--harmonics", 12,
    )  # fmt: skip
    assert answer.code == 0, answer.err
    assert "pixels" in answer.out
    written = json.loads((out / "robustness.json").read_text())
    assert len(written["starts"]) == 9
    assert [run["spectral_weight"] for run in written["spectrum"]] == [0.01, 1.0]
    assert all(len(r["contour"]["parameters"]["harmonics"]) == 12 for r in written["spectrum"])
    assert written["starts_agreement"]["distance_mm"] < 6
    assert 0.3 < written["starts_agreement"]["iou"] <= 1
    for name in ("starts.png", "spectrum.png"):
        assert np.asarray(PIL.Image.open(out / name).convert("RGB")).std() > 10


@pytest.mark.parametrize(
    ("command", "arguments", "words"),
    [
        ("map", ["--slice", "4"], "no slice of index 4: the scan has 4"),
        ("map", ["--slice", "-1"], "no slice of index -1"),
        ("map", ["--slice", "1", "--areas", "0.1,0.9"], "0.001 to 0.785"),
        ("map", ["--slice", "1", "--areas", "0.1,0.1"], "twice"),
        ("map", ["--slice", "1", "--areas", "nan"], "out of reach"),
        ("map", ["--slice", "1", "--target", "lesion"], "lesion"),
        ("robustness", ["--slice", "9"], "no slice of index 9"),
        ("robustness", ["--slice", "1", "--weights", "-1"], "below 0"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    command: str, arguments: list[str], words: str, medcontour: Run, study: Path, bundle: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    out = tmp_path / "out"
    answer = medcontour(command, study, "--classifier", bundle, "--out", out, *arguments)
    assert answer.code == 1
    assert words in answer.err
    assert len(answer.err.strip().splitlines()) == 1
    assert not list(out.glob("*"))


def test_a_slice_that_is_called_negative_is_mapped_and_that_is_said(
    study: Path, bundle: Path, tmp_path: Path
) -> None:
    scan, classifier = mc.read_scan(study), mc.load_classifier(bundle)
    found = mc.contour_map(scan, classifier, 0, [0.1], circles=4)
    assert found.score < 0.5
    assert "does not call slice 1 spot" in found.notes[-1]
    assert [p.name for p in write_map(found, scan, tmp_path)] == [
        "map.json",
        "map.png",
        "fidelity.png",
    ]
