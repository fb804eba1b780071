"""Explanation methods to compare, each one callable, and the randomisation check."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
