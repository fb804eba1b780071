"""Scans that somebody has checked: what a classifier's suggestions are on them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
