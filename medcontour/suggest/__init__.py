"""The main job: which slices, which class, one batch; and jobs on one slice."""

from medcontour.suggest.from_start import snap
from medcontour.suggest.job import suggest
from medcontour.suggest.one_slice import AREAS, WEIGHTS, contour_map, robustness

__all__ = ["AREAS", "WEIGHTS", "contour_map", "robustness", "snap", "suggest"]
