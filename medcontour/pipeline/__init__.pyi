from .from_start import snap, snap_with
from .job import suggest, suggest_with
from .one_slice import contour_map, robustness
from .photograph import explain_photograph
from .settings import Settings

__all__ = [
    "Settings",
    "contour_map",
    "explain_photograph",
    "robustness",
    "snap",
    "snap_with",
    "suggest",
    "suggest_with",
]
