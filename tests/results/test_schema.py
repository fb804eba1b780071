"""The published schema of suggestion.json, held against an independent validator."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from medcontour import MedcontourError, Suggestion
from medcontour.pipeline.settings import Settings
from medcontour.results import (
    ClassifierReference,
    Evidence,
    Finding,
    FindingSlice,
    ObjectReference,
    PlacedContour,
    ScanReference,
    suggestion_schema,
)
from medcontour.results.status import Status

SCHEMA = suggestion_schema()
JUDGE = Draft7Validator(SCHEMA)


def contour(k: int) -> dict[str, Any]:
    return {
        "slice": k,
        "parameters": {"center": [0.1, 0], "size": -2.0, "harmonics": [[0, 0.1]], "frame": [0, 0]},
        "polygon_lps_mm": [[0.0, 0, 3.5], [4, 0, 3.5], [0, 4.5, 3.5]],
        "area_mm2": 9.0,
        "quality": {"contrast": 2.0},
    }


def finding(number: int, *slices: int) -> dict[str, Any]:
    return {
        "id": f"{number:012x}",
        "number": number,
        "label": "lesion",
        "status": "suggested",
        "score": 0.9,
        "volume_mm3": 24.3,
        "longest_diameter_mm": 4.5,
        "short_axis_mm": None,
        "slices": [finding_slice(k) for k in slices],
    }


def finding_slice(k: int) -> dict[str, Any]:
    names = [own.name for own in fields(Evidence)]
    return {
        "slice": k,
        "sop_instance_uid": f"1.2.3.{k}",
        "score": 0.9,
        "status": "suggested",
        "evidence": dict.fromkeys(names, 0.5) | {"stable_under_mirroring": True},
        "evidence_contours": [contour(k)],
        "outlines": [contour(k)],
        "note": "",
    }


DOCUMENT: dict[str, Any] = {
    "schema": "medcontour/suggestion/2",
    "scan": {
        "modality": "CT",
        "shape": [5, 40, 50],
        "affine_lps": [[0.7, 0, 0, 1], [0, 1.3, 0, 2], [0, 0, 2.7, 3], [0, 0, 0, 1]],
        "units": "mm",
        "study_instance_uid": "1.2.3",
        "series_instance_uid": None,
        "frame_of_reference_uid": "1.2.5",
    },
    "classifier": {
        "name": "net",
        "sha256": "ab" * 32,
        "target": 1,
        "target_name": "lesion",
        "labels": ["no lesion", "lesion"],
    },
    "settings": {"preset": "fast", "area": None, "outline": "region", "scan": None},
    "findings": [finding(1, 1, 2), finding(2, 4)],
    "slice_scores": {"1": 0.9, "4": 0.8},
    "edited": False,
    "notes": ["Slices are uneven."],
    "predecessors": {"seg": {"sop_instance_uid": "1.2", "series_instance_uid": "1.2.4"}},
    "run": {"seconds": 1.5},
}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON document but its root."""
    for key, child in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, key)
        if isinstance(child, dict | list):
            yield from places(child, (*path, key))


def parent(document: dict[str, Any], path: tuple[Any, ...]) -> Any:
    part: Any = document
    for key in path[:-1]:
        part = part[key]
    return part


def is_read(document: dict[str, Any], folder: Path) -> bool:
    """Whether the package reads it; if it does not, the refusal is one sentence."""
    path = folder / "suggestion.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    try:
        Suggestion.read_json(path)
    except MedcontourError as error:
        sentence = str(error)
    else:
        return True
    assert str(path) in sentence
    assert "medcontour suggest" in sentence
    return False


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("schema")


def test_it_is_a_schema_and_takes_a_suggestion(folder: Path) -> None:
    Draft7Validator.check_schema(SCHEMA)
    JUDGE.validate(DOCUMENT)
    assert is_read(DOCUMENT, folder)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("scan", ScanReference),
        ("classifier", ClassifierReference),
        ("finding", Finding),
        ("finding_slice", FindingSlice),
        ("evidence", Evidence),
        ("contour", PlacedContour),
    ],
)
def test_it_names_every_key_that_is_written(name: str, kind: type) -> None:
    # The kind is told by the list it stands in, a slice's class by its finding; the source is the
    # scan itself, the views are for the report.
    written = {own.name for own in fields(kind)} - {"kind", "source", "views"}
    written = written | {"score", "status"} if kind is Finding else written
    written = written - {"label"} if kind is FindingSlice else written
    assert set(SCHEMA["definitions"][name]["properties"]) == written


def test_it_names_every_status_and_the_keys_of_a_predecessor() -> None:
    status = SCHEMA["definitions"]["status"]["enum"]
    assert tuple(status) == get_args(Status)
    predecessor = SCHEMA["properties"]["predecessors"]["additionalProperties"]["properties"]
    assert set(predecessor) == {own.name for own in fields(ObjectReference)}


PLACES = list(places(DOCUMENT))


def test_it_names_every_setting() -> None:
    named = SCHEMA["definitions"]["settings"]["properties"]
    assert {own.name for own in fields(Settings)} <= set(named)


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**12), 10**12),
    st.floats(-1e9, 1e9),
    st.sampled_from([1.0, -1, 10**400, "", "text", [], {}, [[]], {"a": 1}, [1, 2, 3]]),
)


@settings(max_examples=60)
@given(path=st.sampled_from(PLACES), value=SCALARS)
def test_what_it_takes_is_read_and_what_it_refuses_is_refused(
    folder: Path, path: tuple[Any, ...], value: Any
) -> None:
    document = copy.deepcopy(DOCUMENT)
    parent(document, path)[path[-1]] = value
    taken = JUDGE.is_valid(document)
    if taken and path[-1] in ("slice", 0):  # no schema can say which slices a scan has
        slices = document["scan"]["shape"][0]
        parts = [part for f in document["findings"] for part in f["slices"]]
        named = [part["slice"] for part in parts]
        named += [c["slice"] for part in parts for c in part["evidence_contours"]]
        named += [c["slice"] for part in parts for c in part["outlines"]]
        taken = all(k < slices for k in named)
    assert is_read(document, folder) == taken


@settings(max_examples=40)
@given(path=st.sampled_from(PLACES))
def test_a_part_that_is_gone_is_named(folder: Path, path: tuple[Any, ...]) -> None:
    document = copy.deepcopy(DOCUMENT)
    del parent(document, path)[path[-1]]
    taken = JUDGE.is_valid(document)
    assert is_read(document, folder) == taken
    if not taken and isinstance(path[-1], str) and path[-1] != "schema":
        with pytest.raises(MedcontourError, match=f"has no {path[-1]}"):
            Suggestion.read_json(folder)


@settings(max_examples=30)
@given(path=st.sampled_from([(), *(p for p in PLACES if isinstance(p[-1], str))]))
def test_a_key_of_a_later_version_does_no_harm(folder: Path, path: tuple[Any, ...]) -> None:
    document = copy.deepcopy(DOCUMENT)
    part = parent(document, (*path, ""))
    if isinstance(part, dict) and path[:1] not in (("slice_scores",), ("predecessors",)):
        part["of_a_later_version"] = [1, {"a": None}]
    JUDGE.validate(document)
    assert is_read(document, folder)
