from .outliner import Outline, Outliner, outliner
from .region import follow_region, outline_candidates

__all__ = [
    "Outline",
    "Outliner",
    "follow_region",
    "outline_candidates",
    "outliner",
]
