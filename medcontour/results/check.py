"""Whether a JSON document is a suggestion in all that others rely on."""

from __future__ import annotations

import json
import math
from typing import Any, get_args

from pydicom.uid import UID

from medcontour.results.status import Status

__all__ = ["check_document", "parse"]

FAR_MM = 1e6
_TEXTS_OR_NONE = ("study_instance_uid", "series_instance_uid", "frame_of_reference_uid")


def parse(text: str) -> Any:
    """Parse JSON whose numbers are all finite.

    Raises
    ------
    ValueError
        For what is no JSON, and for NaN and infinity.
    """
    return json.loads(text, parse_constant=_finite, parse_float=_finite)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no finite number")
    return number


def check_document(document: dict[str, Any]) -> None:
    """Refuse a document with a value of another kind than its name promises.

    Raises
    ------
    ValueError, TypeError or KeyError
        With the name of the first one.
    """
    scan, classifier = document["scan"], document["classifier"]
    shape, affine = scan["shape"], scan["affine_lps"]
    _need("scan.shape", len(shape) == 3 and all(_whole(n) and n > 0 for n in shape))
    rows = len(affine) == 4 and all(len(row) == 4 for row in affine)
    _need("scan.affine_lps", rows and all(_number(n) for row in affine for n in row))
    _need("scan.units", scan["units"] in ("mm", "pixel"))
    _need("scan.modality", isinstance(scan["modality"], str))
    for name in _TEXTS_OR_NONE:
        _need(f"scan.{name}", isinstance(scan.get(name), (str, type(None))))
    labels = classifier["labels"]
    _need("classifier.labels", isinstance(labels, list) and all(isinstance(n, str) for n in labels))
    for name in ("name", "sha256", "target_name"):
        _need(f"classifier.{name}", isinstance(classifier[name], str))
    _need("classifier.target", _whole(classifier["target"]))
    _need("notes", all(isinstance(note, str) for note in document["notes"]))
    _need("edited", isinstance(document["edited"], bool))
    for name in ("settings", "run", "slice_scores"):
        _need(name, isinstance(document[name], dict))
    for reference in document.get("predecessors", {}).values():
        uids = all(isinstance(uid, str) and UID(uid).is_valid for uid in reference.values())
        _need("predecessors", uids)
    _need("slice_scores", all(_number(n) for n in document["slice_scores"].values()))
    for name in ("scan", "outline", "preset", "background", "objective"):
        _need(f"settings.{name}", isinstance(document["settings"].get(name), (str, type(None))))
    _need("findings", isinstance(document["findings"], list))
    for finding in document["findings"]:
        _check_finding(finding, shape[0])


def _check_finding(finding: dict[str, Any], slices: int) -> None:
    for name in ("label", "note"):
        _need(name, isinstance(finding[name], str))
    _need("sop_instance_uid", isinstance(finding["sop_instance_uid"], (str, type(None))))
    _need("status", finding["status"] in get_args(Status))
    _need("score", _number(finding["score"]))
    if (evidence := finding["evidence"]) is not None:
        _need("evidence", all(_number(value) for value in evidence.values()))
    for contour in (finding, *finding["evidence_contours"], *finding["outlines"]):
        _need("slice", _whole(contour["slice"]) and 0 <= contour["slice"] < slices)
    for contour in (*finding["evidence_contours"], *finding["outlines"]):
        numbers = [n for point in contour["polygon_lps_mm"] for n in point]
        _need("polygon_lps_mm", all(_number(n) and abs(n) < FAR_MM for n in numbers))
        _need("area_mm2", _number(contour["area_mm2"]))
        harmonics = contour["parameters"].get("harmonics", [])
        _need("harmonics", isinstance(harmonics, list) and len(harmonics) <= 100)


def _need(name: str, kept: bool) -> None:
    if not kept:
        raise ValueError(f"{name} is of another kind than it should be")


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53


def _number(value: Any) -> bool:
    return isinstance(value, float) or _whole(value)
