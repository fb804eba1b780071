"""The result: contours placed in patient space, their evidence, and its JSON."""

from medcontour.suggestion.model import (
    ClassifierReference,
    Evidence,
    Finding,
    PlacedContour,
    ScanReference,
    Suggestion,
    Views,
)

__all__ = [
    "ClassifierReference",
    "Evidence",
    "Finding",
    "PlacedContour",
    "ScanReference",
    "Suggestion",
    "Views",
]
