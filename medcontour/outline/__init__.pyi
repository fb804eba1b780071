from .outliner import Outline, Outliner, outliner
from .region import boundary_quality, follow_region, outline_candidates

__all__ = [
    "Outline",
    "Outliner",
    "boundary_quality",
    "follow_region",
    "outline_candidates",
    "outliner",
]
