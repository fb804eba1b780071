"""Star-convex curves: parameters to radius, soft mask, area and vertices, and back by fitting."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
