"""What others read in suggestion.json: the contract's keys and types, and what never is in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import medcontour
from medcontour import MedcontourError, Suggestion
from medcontour.contour import FourierContour
from medcontour.results import (
    ClassifierReference,
    Evidence,
    Finding,
    FindingSlice,
    PlacedContour,
    ScanReference,
    export,
)

LABEL = "größer ≥ 3 mm"
AWKWARD = 0.1 + 0.2, 1e-17, 1 / 3, -123456.789012345678


def contour(kind: str, k: int) -> PlacedContour:
    curve = FourierContour.from_dict(
        {
            "parametrisation": "log",
            "center": [1 / 3, -0.1],
            "size": -1.7,
            "harmonics": [[0.1, 0.2], [1e-9, -0.3]],
            "frame": [0.05, -0.01],
        }
    )
    flat = curve.polygon(16)[0].numpy() * 87.3
    polygon = np.column_stack([flat, np.full(16, 3.1 * k)]) + AWKWARD[:3]
    quality = {"contrast": 2.5} if kind == "outline" else {"background": "blur"}
    return PlacedContour(kind, k, curve.to_dict(), polygon, 12.25 + AWKWARD[2], quality)


def part(k: int, status: str) -> FindingSlice:
    return FindingSlice(
        slice=k,
        sop_instance_uid=f"1.2.3.{k}",
        label=LABEL,
        score=0.9 + AWKWARD[0] / 10,
        status=status,
        evidence=Evidence(0.9, 0.1, AWKWARD[2], 0.2, 0.8, 0.05, 76, 51.0, 40.0, 0.4, 0.5, 4, 4),
        evidence_contours=(contour("evidence", k),),
        outlines=(contour("outline", k),) if status != "collapsed" else (),
        note="A note." if status == "collapsed" else "",
    )


@pytest.fixture
def suggestion() -> Suggestion:
    return Suggestion(
        scan=ScanReference(
            modality="CT",
            shape=(5, 40, 50),
            affine_lps=np.diag([0.7, 1.3, 2.7, 1.0]).tolist(),
            units="mm",
            study_instance_uid="1.2.3",
            series_instance_uid="1.2.4",
            frame_of_reference_uid="1.2.5",
        ),
        classifier=ClassifierReference("net", "ab" * 32, 1, "lesion", ("no lesion", "lesion")),
        settings={"preset": "fast", "area": None, "slices": [1, 4], "outline": "region"},
        findings=(
            Finding(
                "a",
                1,
                LABEL,
                (part(1, "suggested"), part(2, "no better than random places")),
                123.4,
            ),
            Finding("b", 2, LABEL, (part(3, "collapsed"),)),
            Finding("c", 3, LABEL, (part(4, "suggested"),), 12.5, AWKWARD[2], 1e-3),
        ),
        slice_scores={1: 0.9, 2: 0.8, 3: 0.7, 4: AWKWARD[0]},
        run={"seconds": 1.5, "created": "2024-01-02T03:04:05+00:00"},
        edited=True,
        notes=("Slices are uneven.",),
    )


@pytest.fixture
def written(suggestion: Suggestion, tmp_path: Path) -> Path:
    suggestion.write_json(tmp_path / "suggestion.json")
    return tmp_path / "suggestion.json"


def test_what_is_written_is_read_back_exactly(suggestion: Suggestion, written: Path) -> None:
    back = Suggestion.read_json(written)
    for name in ("scan", "classifier", "settings", "slice_scores", "run", "edited", "notes"):
        assert getattr(back, name) == getattr(suggestion, name), name
    assert len(back.findings) == len(suggestion.findings)
    for ours, theirs in zip(suggestion.findings, back.findings, strict=True):
        assert replace(ours, slices=()) == replace(theirs, slices=())
    for ours, theirs in zip(suggestion.slices, back.slices, strict=True):
        for kind in ("evidence_contours", "outlines"):
            pairs = zip(getattr(ours, kind), getattr(theirs, kind), strict=True)
            for a, b in pairs:
                np.testing.assert_array_equal(a.polygon_lps_mm, b.polygon_lps_mm)
                assert b.polygon_lps_mm.dtype == np.float64
                rest_a, rest_b = vars(a) | {"polygon_lps_mm": 0}, vars(b) | {"polygon_lps_mm": 0}
                assert rest_a == rest_b
        bare = {"evidence_contours": (), "outlines": ()}
        assert replace(ours, **bare) == replace(theirs, **bare)
    assert back.to_json() == suggestion.to_json() == written.read_text(encoding="utf-8")


def test_the_folder_does_as_well_as_the_file(suggestion: Suggestion, written: Path) -> None:
    assert Suggestion.read_json(written.parent).to_json() == suggestion.to_json()


def test_parameters_give_back_the_curve(suggestion: Suggestion, written: Path) -> None:
    first = Suggestion.read_json(written).slices[0].outlines[0]
    again = FourierContour.from_dict(first.parameters).polygon(16)[0].numpy() * 87.3
    np.testing.assert_allclose(again, first.polygon_lps_mm[:, :2] - AWKWARD[:2], atol=1e-9)


NUMBER = (int, float)
OUTLINE = ("findings", "0", "slices", "0", "outlines", "0")
CONTRACT: dict[str, Any] = {
    "schema": str,
    "scan": {"modality": str, "shape": list, "affine_lps": list},
    "classifier": {"name": str, "sha256": str, "target": int, "target_name": str},
    "settings": dict,
    "findings": list,
    "run": dict,
}
FINDING: dict[str, Any] = {
    "id": str,
    "number": int,
    "label": str,
    "status": str,
    "score": NUMBER,
    "volume_mm3": (*NUMBER, type(None)),
    "longest_diameter_mm": (*NUMBER, type(None)),
    "slices": list,
}
SLICE: dict[str, Any] = {
    "slice": int,
    "sop_instance_uid": str,
    "score": NUMBER,
    "status": str,
    "evidence": {
        "preserved": NUMBER,
        "deleted": NUMBER,
        "background": NUMBER,
        "random_preserved": NUMBER,
        "random_deleted": NUMBER,
        "p_value": NUMBER,
        "evaluations": NUMBER,
    },
    "evidence_contours": list,
    "outlines": list,
}
CONTOUR: dict[str, Any] = {"parameters": dict, "polygon_lps_mm": list, "area_mm2": NUMBER}


def check(document: dict[str, Any], contract: dict[str, Any]) -> None:
    for key, kind in contract.items():
        if isinstance(kind, dict):
            check(document[key], kind)
        else:
            assert isinstance(document[key], kind), key


def test_the_keys_and_types_that_others_rely_on(written: Path) -> None:
    document = json.loads(written.read_text(encoding="utf-8"))
    check(document, CONTRACT)
    assert document["schema"] == "medcontour/suggestion/2"
    assert np.shape(document["scan"]["affine_lps"]) == (4, 4)
    uids = ("study_instance_uid", "series_instance_uid", "frame_of_reference_uid")
    assert all(isinstance(document["scan"][uid], str) for uid in uids)
    for item in document["findings"]:
        check(item, FINDING)
        for part in item["slices"]:
            check(part, SLICE)
            for one in (*part["evidence_contours"], *part["outlines"]):
                check(one, CONTOUR)
                assert np.shape(one["polygon_lps_mm"]) == (16, 3)


def test_a_document_of_schema_1_is_read(written: Path, suggestion: Suggestion) -> None:
    """There each slice was a finding."""
    document = json.loads(written.read_text(encoding="utf-8"))
    document["schema"] = "medcontour/suggestion/1"
    document["findings"] = [
        {"label": item["label"], **part} for item in document["findings"] for part in item["slices"]
    ]
    text = json.dumps(document).replace("no better than random places", "no better than chance")
    for new, old in (("placements", "chance_curves"), ("placement_ev", "chance_ev")):
        assert new in text
        text = text.replace(new, old)
    written.write_text(text)
    read = Suggestion.read_json(written)
    assert [len(finding.slices) for finding in read] == [1, 1, 1, 1]
    assert [part.status for part in read.slices] == [part.status for part in suggestion.slices]
    assert read.slices[0].evidence == suggestion.slices[0].evidence
    del document["findings"][1]["score"]
    written.write_text(json.dumps(document))
    assert "lacks or garbles" in refusal(written)


def test_nan_is_never_written(suggestion: Suggestion, tmp_path: Path) -> None:
    broken = replace(suggestion, slice_scores={0: float("nan")})
    with pytest.raises(ValueError, match="JSON"):
        broken.write_json(tmp_path / "suggestion.json")
    assert list(tmp_path.iterdir()) == []


# Files that are not whole


def refusal(path: Path) -> str:
    with pytest.raises(MedcontourError) as caught:
        Suggestion.read_json(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert str(path) in message
    assert "medcontour suggest" in message
    return message


def test_a_missing_file(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path / "nothing.json")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_file(share: float, written: Path) -> None:
    raw = written.read_bytes()
    written.write_bytes(raw[: int(len(raw) * share)])
    assert "not a whole JSON file" in refusal(written)


def test_bytes_that_are_no_text(written: Path) -> None:
    written.write_bytes(b"\xff\xfe\x00\x01" * 50)
    assert "not a whole JSON file" in refusal(written)


@pytest.mark.parametrize("content", ["[]", "3", '"text"', "{}", '{"schema": "medcontour/other/9"}'])
def test_another_schema(content: str, written: Path) -> None:
    written.write_text(content)
    assert "medcontour/suggestion/2" in refusal(written)


def _without(*keys: str) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        part: Any = document
        for key in keys[:-1]:
            part = part[int(key)] if isinstance(part, list) else part[key]
        del part[keys[-1]]

    return change


def _with(value: Any, *keys: str) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        part: Any = document
        for key in keys[:-1]:
            part = part[int(key)] if isinstance(part, list) else part[key]
        part[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        _without("scan"),
        _without("scan", "shape"),
        _without("findings"),
        _without("findings", "0", "slices", "0", "evidence"),
        _without("findings", "0", "slices", "0", "evidence", "p_value"),
        _without("findings", "0", "slices", "0", "outlines", "0", "polygon_lps_mm"),
        _with(
            [[1, 2], [3, 4], [5, 6]],
            "findings",
            "0",
            "slices",
            "0",
            "outlines",
            "0",
            "polygon_lps_mm",
        ),
        _with(
            [[1, 2, 3], [3, 4]], "findings", "0", "slices", "0", "outlines", "0", "polygon_lps_mm"
        ),
        _with("text", "findings", "0", "slices", "0", "outlines", "0", "polygon_lps_mm"),
        _with("many", "findings", "0", "score"),
        _with([], "findings", "0", "slices"),
        _with(0, "findings", "0", "number"),
        _with(5, "findings"),
        _with(None, "scan"),
        _with(["a"], "slice_scores"),
        _with({"first": 0.5}, "slice_scores"),
    ],
)
def test_a_part_that_is_lacking_or_garbled(
    change: Callable[[dict[str, Any]], None], written: Path
) -> None:
    document = json.loads(written.read_text(encoding="utf-8"))
    change(document)
    written.write_text(json.dumps(document))
    assert "lacks or garbles" in refusal(written)


def test_a_file_that_cannot_be_written_leaves_the_one_before(
    suggestion: Suggestion, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(MedcontourError, match="choose another folder"):
        suggestion.write_json(tmp_path / "file" / "suggestion.json")
    assert (tmp_path / "file").read_text() == "no folder"


# What goes into exports


def test_exports_hold_suggested_findings_alone(suggestion: Suggestion) -> None:
    kept = suggestion.for_export()
    assert [f.slice for f in kept.slices] == [1, 4]
    assert [c.slice for c in kept.contours("outline")] == [1, 4]
    assert [f.slice for f in suggestion.for_export(include_weak=True).slices] == [1, 2, 3, 4]
    assert [f.slice for f in suggestion.slices] == [1, 2, 3, 4]


@pytest.mark.parametrize(("outline", "kind"), [("region", "outline"), ("none", "evidence")])
def test_label_maps_carry_outlines_where_there_are_any(
    outline: str, kind: str, suggestion: Suggestion
) -> None:
    assert replace(suggestion, settings={"outline": outline}).editable == kind


def test_a_suggestion_without_its_scan_is_not_saved(written: Path, tmp_path: Path) -> None:
    with pytest.raises(MedcontourError, match="medcontour convert"):
        Suggestion.read_json(written).save(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_export_is_the_function_after_a_format_was_loaded() -> None:
    """The room `medcontour.export` has its name; loading a format must not put it there."""
    medcontour.exporters()
    assert medcontour.export is export
