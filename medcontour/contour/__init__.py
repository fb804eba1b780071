"""Star-convex curves: parameters to radius, soft mask, area and vertices. Pure geometry."""

from medcontour.contour.fourier import FourierContour, RadiusLaw
from medcontour.contour.plane import PlaneGeometry

__all__ = ["FourierContour", "PlaneGeometry", "RadiusLaw"]
