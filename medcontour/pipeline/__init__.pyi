from .from_start import snap, snap_with
from .job import suggest, suggest_with
from .judged import check_on_image, judge_with
from .one_slice import contour_map, robustness
from .photograph import explain_photograph
from .settings import Settings

__all__ = [
    "Settings",
    "check_on_image",
    "contour_map",
    "explain_photograph",
    "judge_with",
    "robustness",
    "snap",
    "snap_with",
    "suggest",
    "suggest_with",
]
