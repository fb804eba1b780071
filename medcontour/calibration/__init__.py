"""What a classifier's findings mean, from scans that were checked: conformal p values and trust."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
