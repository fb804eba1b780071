"""From an evidence contour to the boundary in the image; no classifier is asked."""

from medcontour.outline.region import Outline, follow_region, outline_candidates

__all__ = ["Outline", "follow_region", "outline_candidates"]
