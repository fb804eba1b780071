from .fit import fit_mask, fit_polygon
from .fourier import FourierContour, Parametrisation
from .plane import PlaneGeometry

__all__ = [
    "FourierContour",
    "Parametrisation",
    "PlaneGeometry",
    "fit_mask",
    "fit_polygon",
]
