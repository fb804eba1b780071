from .job import calibrate, calibrate_with
from .scans import CheckedScan, checked_scans

__all__ = ["CheckedScan", "calibrate", "calibrate_with", "checked_scans"]
