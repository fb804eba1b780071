from .learned import LearnedNetworks, LearnedOutliner
from .outliner import Outline, Outliner, outliner
from .promptable import PromptableModel
from .prompted import Redrawn
from .region import boundary_quality, follow_region, outline_candidates

__all__ = [
    "LearnedNetworks",
    "LearnedOutliner",
    "Outline",
    "Outliner",
    "PromptableModel",
    "Redrawn",
    "boundary_quality",
    "follow_region",
    "outline_candidates",
    "outliner",
]
