"""Findings and contours as ``suggestion.json`` holds them, and back."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any, Literal

import numpy as np

from medcontour.results.finding import Finding
from medcontour.results.parts import (
    ClassifierReference,
    Evidence,
    FindingSlice,
    PlacedContour,
    PlacedSurface,
    ScanReference,
)

__all__ = [
    "classifier_from_dict",
    "contour_to_dict",
    "finding_from_dict",
    "finding_to_dict",
    "from_first_schema",
    "scan_from_dict",
    "slice_to_dict",
]


def contour_to_dict(contour: PlacedContour) -> dict[str, Any]:
    """Give a contour as the contract's JSON holds it."""
    return {
        "slice": contour.slice,
        "parameters": contour.parameters,
        "polygon_lps_mm": contour.polygon_lps_mm.tolist(),
        "area_mm2": contour.area_mm2,
        "quality": contour.quality,
    } | (
        {}
        if contour.exact_polygon_lps_mm is None
        else {"exact_polygon_lps_mm": contour.exact_polygon_lps_mm.tolist()}
    )


def contour_from_dict(item: dict[str, Any], kind: Literal["evidence", "outline"]) -> PlacedContour:
    """Read what `contour_to_dict` gave."""
    return PlacedContour(
        kind=kind,
        slice=int(item["slice"]),
        parameters=dict(item["parameters"]),
        polygon_lps_mm=np.asarray(item["polygon_lps_mm"], dtype=np.float64),
        area_mm2=float(item["area_mm2"]),
        quality=dict(item["quality"]),
        exact_polygon_lps_mm=None
        if item.get("exact_polygon_lps_mm") is None
        else np.asarray(item["exact_polygon_lps_mm"], dtype=np.float64),
    )


def finding_to_dict(finding: Finding) -> dict[str, Any]:
    """Give a finding as the contract's JSON holds it."""
    return {
        "id": finding.id,
        "number": finding.number,
        "label": finding.label,
        "status": finding.status,
        "score": finding.score,
        "volume_mm3": finding.volume_mm3,
        "longest_diameter_mm": finding.longest_diameter_mm,
        "short_axis_mm": finding.short_axis_mm,
        "conformal_p_value": finding.conformal_p_value,
        "trust": finding.trust,
        "slices": [slice_to_dict(part) for part in finding.slices],
    } | (
        {}
        if finding.evidence_surface is None
        else {"evidence_surface": _surface_to_dict(finding.evidence_surface)}
    )


def _surface_to_dict(surface: PlacedSurface) -> dict[str, Any]:
    return {
        "parameters": surface.parameters,
        "lps_from_volume": surface.lps_from_volume.tolist(),
        "volume_mm3": surface.volume_mm3,
    }


def _surface_from_dict(item: dict[str, Any]) -> PlacedSurface:
    return PlacedSurface(
        parameters=dict(item["parameters"]),
        lps_from_volume=np.asarray(item["lps_from_volume"], dtype=np.float64),
        volume_mm3=float(item["volume_mm3"]),
    )


def slice_to_dict(part: FindingSlice) -> dict[str, Any]:
    """Give one slice of a finding as the contract's JSON holds it."""
    return {
        "slice": part.slice,
        "sop_instance_uid": part.sop_instance_uid,
        "score": part.score,
        "status": part.status,
        "evidence": asdict(part.evidence) if part.evidence else None,
        "evidence_contours": [contour_to_dict(c) for c in part.evidence_contours],
        "outlines": [contour_to_dict(c) for c in part.outlines],
        "note": part.note,
    }


def finding_from_dict(item: dict[str, Any]) -> Finding:
    """Read what `finding_to_dict` gave; score and status are those of the slices."""
    return Finding(
        id=item["id"],
        number=item["number"],
        label=item["label"],
        slices=tuple(_slice_from_dict(part, item["label"]) for part in item["slices"]),
        volume_mm3=item["volume_mm3"],
        longest_diameter_mm=item["longest_diameter_mm"],
        short_axis_mm=item["short_axis_mm"],
        conformal_p_value=item.get("conformal_p_value"),
        trust=item.get("trust"),
        evidence_surface=None
        if item.get("evidence_surface") is None
        else _surface_from_dict(item["evidence_surface"]),
    )


FIRST_NAMES = {"chance_curves": "placements", "chance_evaluations": "placement_evaluations"}
"""What figures of the evidence were called in schema 1."""

FIRST_STATUS = {"no better than chance": "no better than random places"}
"""What a status was called in schema 1."""


def from_first_schema(document: dict[str, Any]) -> dict[str, Any]:
    """Bring a document of schema 1 to schema 2: each of its findings was one slice.

    Raises
    ------
    ValueError
        When its findings are no list of records.
    """
    findings = document.get("findings")
    if not isinstance(findings, list) or not all(isinstance(item, dict) for item in findings):
        raise ValueError("findings is not what it should be")
    findings = [_of_first_names(item) for item in findings]
    own = ("label", "score", "status")
    return document | {
        "schema": "medcontour/suggestion/2",
        "findings": [
            {key: item[key] for key in own if key in item}
            | {
                "id": f"slice-{number}",
                "number": number,
                "volume_mm3": None,
                "longest_diameter_mm": None,
                "short_axis_mm": None,
                "slices": [{key: value for key, value in item.items() if key != "label"}],
            }
            for number, item in enumerate(findings, start=1)
        ],
    }


def _of_first_names(item: dict[str, Any]) -> dict[str, Any]:
    """A finding of schema 1 under the names of schema 2."""
    renamed = dict(item)
    if isinstance(status := item.get("status"), str):
        renamed["status"] = FIRST_STATUS.get(status, status)
    if isinstance(evidence := item.get("evidence"), dict):
        renamed["evidence"] = {
            FIRST_NAMES.get(name, name): value for name, value in evidence.items()
        }
    return renamed


def _slice_from_dict(item: dict[str, Any], label: str) -> FindingSlice:
    return FindingSlice(
        slice=int(item["slice"]),
        sop_instance_uid=item["sop_instance_uid"],
        label=label,
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
