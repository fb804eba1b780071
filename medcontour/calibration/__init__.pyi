from .apply import calibrated
from .conformal import conformal_p_value, least_p_value
from .file import calibration_schema
from .model import FILE_NAME, Calibration
from .strength import scan_strength, strength

__all__ = [
    "FILE_NAME",
    "Calibration",
    "calibrated",
    "calibration_schema",
    "conformal_p_value",
    "least_p_value",
    "scan_strength",
    "strength",
]
