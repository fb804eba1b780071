"""Whole archives: a worklist that outlives whoever works on it, and a summary of all series."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
