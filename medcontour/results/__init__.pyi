from .check import suggestion_schema
from .exporter import (
    Exporter,
    NothingToWrite,
    export,
    exporters,
    format_names,
    is_picture,
    on_request,
    refusal,
)
from .model import Suggestion
from .one_slice import ContourMap, MapLevel, Robustness, RobustnessRun, SliceResult
from .parts import (
    ClassifierReference,
    Evidence,
    Finding,
    ObjectReference,
    PlacedContour,
    ScanReference,
    Views,
)
from .photograph import Photograph, PhotographEvidence
from .save import Saved

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
