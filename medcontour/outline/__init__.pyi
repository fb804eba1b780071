from .learned import LearnedNetworks, LearnedOutliner
from .outliner import Outline, Outliner, outliner
from .region import boundary_quality, follow_region, outline_candidates

__all__ = [
    "LearnedNetworks",
    "LearnedOutliner",
    "Outline",
    "Outliner",
    "boundary_quality",
    "follow_region",
    "outline_candidates",
    "outliner",
]
