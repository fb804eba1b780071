"""Star-convex curves and surfaces: radius, soft mask, area or volume, vertices, fits, cuts."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
