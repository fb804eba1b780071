"""What a client is told of a suggestion beside its files: scores and evidence, as plain values."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from medcontour.results import Finding, Suggestion

__all__ = ["summary"]


def summary(suggestion: Suggestion) -> dict[str, Any]:
    """Say what was found, how sure the classifier is, and what its evidence is.

    Returns
    -------
    Values that JSON holds, and nothing of the patient: ``target``, ``classifier``, ``findings``
    (each with ``slice``, ``label``, ``score``, ``status``, ``evidence``, areas in mm2 and
    ``note``), ``slice_scores``, ``evaluations``, ``seconds`` and ``notes``.
    """
    return {
        "target": suggestion.classifier.target_name,
        "classifier": {
            "name": suggestion.classifier.name,
            "sha256": suggestion.classifier.sha256,
        },
        "findings": [_finding(finding) for finding in suggestion.findings],
        "slice_scores": {str(k): score for k, score in suggestion.slice_scores.items()},
        "evaluations": sum(finding.cost for finding in suggestion.findings),
        "seconds": suggestion.run.get("seconds"),
        "notes": list(suggestion.notes),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "slice": finding.slice,
        "label": finding.label,
        "score": finding.score,
        "status": finding.status,
        "evidence": asdict(finding.evidence) if finding.evidence else None,
        "outline_area_mm2": [contour.area_mm2 for contour in finding.outlines],
        "evidence_area_mm2": [contour.area_mm2 for contour in finding.evidence_contours],
        "note": finding.note,
    }
