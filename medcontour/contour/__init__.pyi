from .cut import cut
from .fit import fit_mask, fit_polygon
from .fit_surface import fit_volume
from .fourier import FourierContour
from .link import Parametrisation
from .plane import PlaneGeometry
from .round import Space, round_shapes, unit_share
from .shape import PlaneShape, Shape
from .surface import HarmonicSurface
from .turn import turned, turned_surface
from .volume import VolumeGeometry

__all__ = [
    "FourierContour",
    "HarmonicSurface",
    "Parametrisation",
    "PlaneGeometry",
    "PlaneShape",
    "Shape",
    "Space",
    "VolumeGeometry",
    "cut",
    "fit_mask",
    "fit_polygon",
    "fit_volume",
    "round_shapes",
    "turned",
    "turned_surface",
    "unit_share",
]
