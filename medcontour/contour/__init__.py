"""Star-convex curves: parameters to radius, soft mask, area and vertices, and back by fitting."""

from medcontour.contour.fit import fit_mask, fit_polygon
from medcontour.contour.fourier import FourierContour, Parametrisation
from medcontour.contour.plane import PlaneGeometry

__all__ = ["FourierContour", "Parametrisation", "PlaneGeometry", "fit_mask", "fit_polygon"]
