"""Star-convex curves: parameters to radius, soft mask, area and vertices, and back by fitting."""

from medcontour.contour.fit import fit_mask, fit_polygon
from medcontour.contour.fourier import FourierContour, RadiusLaw
from medcontour.contour.plane import PlaneGeometry

__all__ = ["FourierContour", "PlaneGeometry", "RadiusLaw", "fit_mask", "fit_polygon"]
