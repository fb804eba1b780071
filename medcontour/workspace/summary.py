"""What a client is told of a suggestion beside its files: scores and evidence, as plain values."""

from __future__ import annotations

from typing import Any

from medcontour.results import Finding, Suggestion
from medcontour.results.document import finding_to_dict

__all__ = ["summary"]

OF_FINDING = (
    "id",
    "number",
    "label",
    "score",
    "status",
    "conformal_p_value",
    "trust",
    "volume_mm3",
    "longest_diameter_mm",
)
OF_SLICE = ("slice", "score", "status", "evidence", "note")
"""Keys that a finding, and each of its slices, have in ``suggestion.json`` as well."""


def summary(suggestion: Suggestion) -> dict[str, Any]:
    """Say what was found, how sure the classifier is, and what its evidence is.

    Returns
    -------
    Values that JSON holds, and nothing of the patient: ``target``, ``classifier``, ``findings``
    (each with ``id``, ``number``, ``label``, ``score``, ``status``, ``conformal_p_value``,
    ``trust``, ``volume_mm3``, ``longest_diameter_mm`` and ``slices``: ``slice``, ``score``,
    ``status``, ``evidence``, areas in mm2 and ``note``), ``slice_scores``, ``evaluations``,
    ``seconds`` and ``notes``.
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
    document = finding_to_dict(finding)
    return {key: document[key] for key in OF_FINDING} | {
        "slices": [
            {key: whole[key] for key in OF_SLICE}
            | {
                "outline_area_mm2": [contour.area_mm2 for contour in part.outlines],
                "evidence_area_mm2": [contour.area_mm2 for contour in part.evidence_contours],
            }
            for part, whole in zip(finding.slices, document["slices"], strict=True)
        ]
    }
