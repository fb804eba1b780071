"""Scans: DICOM series, NIfTI volumes and plain images with their exact geometry."""

from medcontour.scan.headers import SeriesFacts, list_series
from medcontour.scan.read import read_scan
from medcontour.scan.scan import FileGrid, Scan

__all__ = ["FileGrid", "Scan", "SeriesFacts", "list_series", "read_scan"]
