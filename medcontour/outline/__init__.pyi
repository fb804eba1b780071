from .region import Outline, follow_region, outline_candidates

__all__ = [
    "Outline",
    "follow_region",
    "outline_candidates",
]
