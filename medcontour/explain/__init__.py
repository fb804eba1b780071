"""Explain a classifier's score: backgrounds, objectives, starts, the optimiser, evidence."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
