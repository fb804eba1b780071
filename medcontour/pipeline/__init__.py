"""The main job: which slices, which class, one batch; and jobs on one slice."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
