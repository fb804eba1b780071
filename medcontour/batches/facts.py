"""What the summary of a batch says of one series: figures, and nothing of the patient."""

from __future__ import annotations

from typing import Any

from medcontour.calibration import scan_strength
from medcontour.results import Suggestion

__all__ = ["facts_of"]


def facts_of(suggestion: Suggestion) -> dict[str, Any]:
    """Give a suggestion's figures as plain values.

    Returns
    -------
    ``findings`` and of them ``suggested``; ``score``, the highest of a slice; ``trust``, the least
    of a suggested finding, and ``conformal_p_value``, the least of all; ``strength``, the log-odds
    of the strongest finding (`medcontour.calibration.scan_strength`); ``evaluations``, ``seconds``,
    ``notes`` (how many) and the version. What is not known is None.
    """
    suggested = [finding for finding in suggestion if finding.suggested]
    trusts = [finding.trust for finding in suggested if finding.trust is not None]
    p_values = [f.conformal_p_value for f in suggestion if f.conformal_p_value is not None]
    return {
        "findings": len(suggestion),
        "suggested": len(suggested),
        "score": round(max(suggestion.slice_scores.values()), 4),
        "trust": min(trusts, default=None),
        "conformal_p_value": min(p_values, default=None),
        "strength": round(scan_strength(suggestion), 4) if suggested else None,
        "evaluations": round(sum(finding.cost for finding in suggestion), 1),
        "seconds": suggestion.run.get("seconds"),
        "notes": len(suggestion.notes),
        "medcontour": suggestion.run.get("medcontour"),
    }
