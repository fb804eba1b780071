"""Findings and contours as ``suggestion.json`` holds them, and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal

import numpy as np

from medcontour.results.parts import Evidence, Finding, PlacedContour

__all__ = ["contour_to_dict", "finding_from_dict", "finding_to_dict"]


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
    """Read what `contour_to_dict` gave; a ValueError tells what it lacks."""
    polygon = np.asarray(item["polygon_lps_mm"], dtype=np.float64)
    if polygon.ndim != 2 or polygon.shape[1] != 3 or len(polygon) < 3:
        raise ValueError("polygon_lps_mm must be three or more [x, y, z] points")
    return PlacedContour(
        kind=kind,
        slice=int(item["slice"]),
        parameters=dict(item["parameters"]),
        polygon_lps_mm=polygon,
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
        evidence=Evidence(**item["evidence"]) if item["evidence"] is not None else None,
        evidence_contours=tuple(
            contour_from_dict(contour, "evidence") for contour in item["evidence_contours"]
        ),
        outlines=tuple(contour_from_dict(contour, "outline") for contour in item["outlines"]),
        note=item["note"],
    )
