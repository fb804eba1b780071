from .fit import fit_mask, fit_polygon
from .fourier import FourierContour, Parametrisation
from .plane import PlaneGeometry
from .shape import Shape

__all__ = [
    "FourierContour",
    "Parametrisation",
    "PlaneGeometry",
    "Shape",
    "fit_mask",
    "fit_polygon",
]
