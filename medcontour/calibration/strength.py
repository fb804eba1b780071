"""The one number of a finding that conformal p values compare."""

from __future__ import annotations

import math

from medcontour.results.finding import Finding
from medcontour.results.model import Suggestion

__all__ = ["STRENGTH", "log_odds", "scan_strength", "strength"]

STRENGTH = "least_log_odds_of_score_and_preserved"
"""Its name in the file. Any number would give valid p values; a good one gives small p values to
true findings. Chosen on tuning images: docs/concepts/figures.md says which and how."""

LEAST = 1e-6
"""Of a probability and its complement, where it is turned into log-odds."""


def log_odds(probability: float) -> float:
    """Log-odds of a probability; 0 and 1 give finite ones.

    Examples
    --------
    >>> log_odds(0.5), round(log_odds(1.0), 1)
    (0.0, 13.8)
    """
    inside = min(max(probability, LEAST), 1 - LEAST)
    return math.log(inside / (1 - inside))


def strength(finding: Finding) -> float:
    """How strong a finding is: ``-inf`` where it is not suggested.

    Log-odds of the class on the slice as it is or from the evidence alone, whichever are lower, on
    the slice where these are highest.
    """
    if not finding.suggested:
        return -math.inf
    return max(
        (
            log_odds(min(part.score, part.evidence.preserved))
            for part in finding.slices
            if part.suggested and part.evidence is not None
        ),
        default=-math.inf,
    )


def scan_strength(suggestion: Suggestion) -> float:
    """How strong the strongest finding of a scan is; ``-inf`` where nothing is suggested."""
    return max(map(strength, suggestion.findings), default=-math.inf)
