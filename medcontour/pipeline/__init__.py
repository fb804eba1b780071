"""The main job: which slices, which class, one batch; and jobs on one slice."""

from medcontour.pipeline.from_start import snap, snap_with
from medcontour.pipeline.job import suggest, suggest_with
from medcontour.pipeline.one_slice import AREAS, CIRCLES, WEIGHTS, contour_map, robustness
from medcontour.pipeline.settings import Settings

__all__ = [
    "AREAS",
    "CIRCLES",
    "WEIGHTS",
    "Settings",
    "contour_map",
    "robustness",
    "snap",
    "snap_with",
    "suggest",
    "suggest_with",
]
