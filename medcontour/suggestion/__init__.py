"""The result: contours placed in patient space, their evidence, and its JSON."""

from medcontour.suggestion.exporter import Exporter, NothingToWrite, export, exporters, refusal
from medcontour.suggestion.model import (
    ClassifierReference,
    Evidence,
    Finding,
    PlacedContour,
    ScanReference,
    Suggestion,
    Views,
)
from medcontour.suggestion.save import Saved

__all__ = [
    "ClassifierReference",
    "Evidence",
    "Exporter",
    "Finding",
    "NothingToWrite",
    "PlacedContour",
    "Saved",
    "ScanReference",
    "Suggestion",
    "Views",
    "export",
    "exporters",
    "refusal",
]
