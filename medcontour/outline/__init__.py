"""From an evidence contour to the boundary in the image; no classifier is asked."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
