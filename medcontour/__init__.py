"""From a trained image classifier to editable contours, in patient space.

>>> import medcontour as mc
>>> scan = mc.read_scan("study/")  # doctest: +SKIP
>>> classifier = mc.load_classifier("bundle/")  # doctest: +SKIP
>>> mc.suggest(scan, classifier).save("out/")  # doctest: +SKIP
"""

from importlib.metadata import version

import lazy_loader

__version__ = version("medcontour")

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
