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
from .finding import Finding, make_finding, with_figures_of
from .model import VOLUME, Suggestion
from .numbering import COUNTED, slice_numbers
from .one_slice import ContourMap, MapLevel, Robustness, RobustnessRun, SliceResult
from .parts import (
    ClassifierReference,
    Evidence,
    FindingSlice,
    ObjectReference,
    PlacedContour,
    PlacedSurface,
    ScanReference,
    Views,
)
from .photograph import Photograph, PhotographEvidence
from .save import Saved

__all__ = [
    "COUNTED",
    "VOLUME",
    "ClassifierReference",
    "ContourMap",
    "Evidence",
    "Exporter",
    "Finding",
    "FindingSlice",
    "MapLevel",
    "NothingToWrite",
    "ObjectReference",
    "Photograph",
    "PhotographEvidence",
    "PlacedContour",
    "PlacedSurface",
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
    "make_finding",
    "on_request",
    "refusal",
    "slice_numbers",
    "suggestion_schema",
    "with_figures_of",
]
