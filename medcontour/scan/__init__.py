"""Scans: DICOM series, NIfTI volumes and plain images with their exact geometry."""

from medcontour.scan.read import read_scan
from medcontour.scan.scan import FileGrid, Scan

__all__ = ["FileGrid", "Scan", "read_scan"]
