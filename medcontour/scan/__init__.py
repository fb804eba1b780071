"""Scans: DICOM series, NIfTI volumes and plain images with their exact geometry."""

from medcontour.scan.read import read_scan
from medcontour.scan.scan import FileGrid, Scan
from medcontour.scan.series import SeriesFacts, list_series

__all__ = ["FileGrid", "Scan", "SeriesFacts", "list_series", "read_scan"]
