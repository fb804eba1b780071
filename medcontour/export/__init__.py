"""Exports: one module a format, found through the entry-point group ``medcontour.exporters``."""

from medcontour.export.exporter import Exporter, NothingToWrite, export, exporters, refusal
from medcontour.export.labels import Label, labels
from medcontour.export.rasterise import label_volume

__all__ = [
    "Exporter",
    "Label",
    "NothingToWrite",
    "export",
    "exporters",
    "label_volume",
    "labels",
    "refusal",
]
