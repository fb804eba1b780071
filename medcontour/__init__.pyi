from .batches import Batch, batch
from .calibration import Calibration
from .checked import calibrate
from .classifier import load_classifier
from .edits import Refined, refine
from .errors import MedcontourError
from .explain import ExtremalContours, quantus_explain
from .formats.dicom.push import push
from .learning import Learned, NextScan, learn, next_scans
from .pipeline import Settings, contour_map, explain_photograph, robustness, snap, suggest
from .results import Suggestion, export, exporters
from .scan import Scan, read_scan

__version__: str

__all__ = [
    "Batch",
    "Calibration",
    "ExtremalContours",
    "Learned",
    "MedcontourError",
    "NextScan",
    "Refined",
    "Scan",
    "Settings",
    "Suggestion",
    "batch",
    "calibrate",
    "contour_map",
    "explain_photograph",
    "export",
    "exporters",
    "learn",
    "load_classifier",
    "next_scans",
    "push",
    "quantus_explain",
    "read_scan",
    "refine",
    "robustness",
    "snap",
    "suggest",
]
