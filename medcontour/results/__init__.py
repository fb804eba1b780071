"""The result: contours placed in patient space, their evidence, and its JSON."""

from medcontour.results.check import suggestion_schema
from medcontour.results.exporter import (
    Exporter,
    NothingToWrite,
    export,
    exporters,
    format_names,
    is_picture,
    on_request,
    refusal,
)
from medcontour.results.model import Suggestion
from medcontour.results.one_slice import (
    ContourMap,
    MapLevel,
    Robustness,
    RobustnessRun,
    SliceResult,
)
from medcontour.results.parts import (
    ClassifierReference,
    Evidence,
    Finding,
    ObjectReference,
    PlacedContour,
    ScanReference,
    Views,
)
from medcontour.results.photograph import Photograph, PhotographEvidence
from medcontour.results.save import Saved

__all__ = [
    "ClassifierReference",
    "ContourMap",
    "Evidence",
    "Exporter",
    "Finding",
    "MapLevel",
    "NothingToWrite",
    "ObjectReference",
    "Photograph",
    "PhotographEvidence",
    "PlacedContour",
    "Robustness",
    "RobustnessRun",
    "Saved",
    "ScanReference",
    "SliceResult",
    "Suggestion",
    "Views",
    "export",
    "exporters",
    "format_names",
    "is_picture",
    "on_request",
    "refusal",
    "suggestion_schema",
]
