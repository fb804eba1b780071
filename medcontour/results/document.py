"""Findings and contours as ``suggestion.json`` holds them, and back."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any, Literal

import numpy as np

from medcontour.results.parts import (
    ClassifierReference,
    Evidence,
    Finding,
    PlacedContour,
    ScanReference,
)

__all__ = [
    "classifier_from_dict",
    "contour_to_dict",
    "finding_from_dict",
    "finding_to_dict",
    "scan_from_dict",
]


def contour_to_dict(contour: PlacedContour) -> dict[str, Any]:
    """Give a contour as the contract's JSON holds it."""
    return {
        "slice": contour.slice,
        "parameters": contour.parameters,
        "polygon_lps_mm": contour.polygon_lps_mm.tolist(),
        "area_mm2": contour.area_mm2,
        "quality": contour.quality,
    }


def contour_from_dict(item: dict[str, Any], kind: Literal["evidence", "outline"]) -> PlacedContour:
    """Read what `contour_to_dict` gave."""
    return PlacedContour(
        kind=kind,
        slice=int(item["slice"]),
        parameters=dict(item["parameters"]),
        polygon_lps_mm=np.asarray(item["polygon_lps_mm"], dtype=np.float64),
        area_mm2=float(item["area_mm2"]),
        quality=dict(item["quality"]),
    )


def finding_to_dict(finding: Finding) -> dict[str, Any]:
    """Give a finding as the contract's JSON holds it."""
    return {
        "slice": finding.slice,
        "sop_instance_uid": finding.sop_instance_uid,
        "label": finding.label,
        "score": finding.score,
        "status": finding.status,
        "evidence": asdict(finding.evidence) if finding.evidence else None,
        "evidence_contours": [contour_to_dict(c) for c in finding.evidence_contours],
        "outlines": [contour_to_dict(c) for c in finding.outlines],
        "note": finding.note,
    }


def finding_from_dict(item: dict[str, Any]) -> Finding:
    """Read what `finding_to_dict` gave."""
    return Finding(
        slice=int(item["slice"]),
        sop_instance_uid=item["sop_instance_uid"],
        label=item["label"],
        score=float(item["score"]),
        status=item["status"],
        evidence=None
        if item["evidence"] is None
        else Evidence(**_known(Evidence, item["evidence"])),
        evidence_contours=tuple(
            contour_from_dict(contour, "evidence") for contour in item["evidence_contours"]
        ),
        outlines=tuple(contour_from_dict(contour, "outline") for contour in item["outlines"]),
        note=item["note"],
    )


def scan_from_dict(item: dict[str, Any]) -> ScanReference:
    """Read what `ScanReference` is written as."""
    shape = tuple(int(n) for n in item["shape"])
    return ScanReference(**_known(ScanReference, item) | {"shape": shape})


def classifier_from_dict(item: dict[str, Any]) -> ClassifierReference:
    """Read what `ClassifierReference` is written as."""
    exact = {"target": int(item["target"]), "labels": tuple(item["labels"])}
    return ClassifierReference(**_known(ClassifierReference, item) | exact)


def _known(kind: type, item: dict[str, Any]) -> dict[str, Any]:
    """The keys that a class has: others may stand beside them, and are left out."""
    return {own.name: item[own.name] for own in fields(kind) if own.name in item}
