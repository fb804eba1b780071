"""Classifiers that call every slice of a stack positive."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["all_positive"]

MANY = 10
"""From so many slices on it is odd that a classifier calls all of them positive."""


def all_positive(
    scores: Mapping[int, float], threshold: float, classifier: str, label: str
) -> str | None:
    """Say so where a classifier calls every slice of a stack positive: it may not know such scans.

    Examples
    --------
    >>> all_positive({0: 0.9, 1: 0.2}, 0.5, "network", "nodule")
    >>> print(all_positive(dict.fromkeys(range(30), 0.9), 0.5, "network", "nodule"))
    network calls all 30 slices nodule: it may not be made for scans like this one.
    """
    if len(scores) < MANY or min(scores.values()) <= threshold:
        return None
    return (
        f"{classifier} calls all {len(scores)} slices {label}: "
        "it may not be made for scans like this one."
    )
