"""From a trained image classifier to editable contours, in patient space.

>>> import medcontour as mc
>>> scan = mc.read_scan("study/")  # doctest: +SKIP
>>> classifier = mc.load_classifier("bundle/")  # doctest: +SKIP
>>> mc.suggest(scan, classifier).save("out/")  # doctest: +SKIP
"""

from importlib.metadata import version

__version__ = version("medcontour")

# The rooms first: once loaded, they would stand under the names of the functions below.
import medcontour.export
import medcontour.refine  # noqa: F401
from medcontour.classifier import load_classifier
from medcontour.errors import MedcontourError
from medcontour.explain import ExtremalContours, quantus_explain
from medcontour.refine import Refined, refine
from medcontour.scan import Scan, read_scan
from medcontour.suggest import contour_map, robustness, snap, suggest
from medcontour.suggestion import Suggestion, export, exporters, push

__all__ = [
    "ExtremalContours",
    "MedcontourError",
    "Refined",
    "Scan",
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
