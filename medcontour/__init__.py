"""From a trained image classifier to editable contours, in patient space.

>>> import medcontour as mc
>>> scan = mc.read_scan("study/")  # doctest: +SKIP
>>> classifier = mc.load_classifier("bundle/")  # doctest: +SKIP
>>> mc.suggest(scan, classifier).save("out/")  # doctest: +SKIP
"""

from importlib.metadata import version

__version__ = version("medcontour")

from medcontour.classifier import load_classifier
from medcontour.edits import Refined, refine
from medcontour.errors import MedcontourError
from medcontour.explain import ExtremalContours, quantus_explain
from medcontour.formats.dicom.push import push
from medcontour.pipeline import Settings, contour_map, robustness, snap, suggest
from medcontour.results import Suggestion, export, exporters
from medcontour.scan import Scan, read_scan

__all__ = [
    "ExtremalContours",
    "MedcontourError",
    "Refined",
    "Scan",
    "Settings",
    "Suggestion",
    "contour_map",
    "export",
    "exporters",
    "load_classifier",
    "push",
    "quantus_explain",
    "read_scan",
    "refine",
    "robustness",
    "snap",
    "suggest",
]
