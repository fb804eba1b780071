"""calibration.json: whole, checked by its own schema, and refused in a sentence where it is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fitted import judged_findings
from jsonschema import Draft7Validator

import medcontour as mc
from medcontour.calibration import FILE_NAME, calibration_schema
from medcontour.calibration.fit import fit_trust
from medcontour.calibration.polarity import Polarity
from medcontour.results import ClassifierReference

NOTHING = -float("inf")


def made(**changes: Any) -> mc.Calibration:
    values: dict[str, Any] = {
        "sha256": "ab" * 32,
        "target": 1,
        "target_name": "lesion",
        "settings_key": "0123456789abcdef",
        "unit": "image",
        "without_finding": ((NOTHING,), (NOTHING, 1.25), (3.0,)),
        "trust": fit_trust(judged_findings()),
        "polarity": Polarity(3, 40),
    }
    return mc.Calibration(**values | changes)


@pytest.mark.parametrize(
    "changes", [{}, {"trust": None}, {"without_finding": ()}, {"polarity": None}]
)
def test_what_is_written_keeps_to_the_published_schema_and_comes_back(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    calibration = made(**changes)
    calibration.write(tmp_path / FILE_NAME)
    document = json.loads((tmp_path / FILE_NAME).read_text())
    Draft7Validator.check_schema(calibration_schema())
    Draft7Validator(calibration_schema()).validate(document)
    assert mc.Calibration.read(tmp_path / FILE_NAME) == calibration
    assert mc.Calibration.read(tmp_path) == calibration  # of a folder, the file in it


def test_the_key_is_of_the_numbers() -> None:
    assert made().key() == made(notes=("a note",)).key() != made(trust=None).key()


def without(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda document: document.pop(key)


def putting(key: str, value: Any) -> Callable[[dict[str, Any]], object]:
    return lambda document: document.update({key: value})


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (putting("schema", "medcontour/calibration/2"), "medcontour/calibration/1"),
        (putting("schema", "medcontour/suggestion/2"), "medcontour/calibration/1"),
        (without("schema"), "names no schema"),
        (without("without_finding"), "without_finding"),
        (putting("without_finding", [[]]), "without_finding"),
        (putting("without_finding", [["1"]]), "without_finding"),
        (putting("unit", "slice"), "unit"),
        (putting("strength", "area"), '"area"'),
        (lambda document: document["trust"]["figures"].pop(), "of another version"),
        (lambda document: document["trust"]["figures"][0].pop("mean"), "trust.figures"),
        (lambda document: document["trust"]["figures"][0].update(name="luck"), "another version"),
    ],
)
def test_a_file_of_another_kind_or_version_is_refused(
    tmp_path: Path, damage: Callable[[dict[str, Any]], object], said: str
) -> None:
    document = json.loads(made().to_json())
    damage(document)
    (tmp_path / FILE_NAME).write_text(json.dumps(document))
    with pytest.raises(mc.MedcontourError, match=r"calibration\.json") as refused:
        mc.Calibration.read(tmp_path)
    assert said in str(refused.value)
    assert "medcontour calibrate" in str(refused.value)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '{"schema": NaN}', "[" * 100_000])
def test_what_is_no_whole_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "some.json").write_text(text)
    with pytest.raises(mc.MedcontourError, match="medcontour calibrate"):
        mc.Calibration.read(tmp_path / "some.json")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path: Path, share: float) -> None:
    text = made().to_json()
    (tmp_path / "some.json").write_text(text[: int(share * len(text))])
    with pytest.raises(mc.MedcontourError, match="not a whole JSON file"):
        mc.Calibration.read(tmp_path / "some.json")


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(mc.MedcontourError, match="cannot be read"):
        mc.Calibration.read(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sha256": "cd" * 32}, "other weights"),
        ({"target": 0, "target_name": "no lesion"}, '"no lesion"'),
        ({"target_name": "nodule"}, '"nodule"'),
    ],
)
def test_of_another_classifier_or_class_it_refuses_to_be_used(
    changes: dict[str, Any], said: str
) -> None:
    reference = ClassifierReference("net", "ab" * 32, 1, "lesion", ("no lesion", "lesion"))
    made().check(reference)
    with pytest.raises(mc.MedcontourError, match=said):
        made(**changes).check(reference)
