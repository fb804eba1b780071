"""The main job: which slices, which class, one batch; and jobs on one slice."""

from medcontour.pipeline.from_start import snap
from medcontour.pipeline.job import suggest
from medcontour.pipeline.one_slice import AREAS, WEIGHTS, contour_map, robustness

__all__ = ["AREAS", "WEIGHTS", "contour_map", "robustness", "snap", "suggest"]
