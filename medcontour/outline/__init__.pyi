from .learned import LearnedOutliner
from .outliner import Inputs, Outline, Outliner, outliner
from .region import boundary_quality, follow_region, outline_candidates

__all__ = [
    "Inputs",
    "LearnedOutliner",
    "Outline",
    "Outliner",
    "boundary_quality",
    "follow_region",
    "outline_candidates",
    "outliner",
]
