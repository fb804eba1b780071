"""The main job: which slices, which class, one batch."""

from medcontour.suggest.job import suggest

__all__ = ["suggest"]
