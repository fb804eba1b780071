"""Exports: one module a format, found through the entry-point group ``medcontour.exporters``."""

from medcontour.export.labels import Label, labels
from medcontour.export.rasterise import label_volume

__all__ = ["Label", "label_volume", "labels"]
