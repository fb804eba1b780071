"""Exports: one module a format, found through the entry-point group ``medcontour.exporters``."""

from medcontour.formats.labels import Label, labels
from medcontour.formats.rasterise import label_volume

__all__ = ["Label", "label_volume", "labels"]
