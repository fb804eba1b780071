"""One small protocol for image classifiers, and what makes one of files, networks and names."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
