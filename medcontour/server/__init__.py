"""HTTP and its page: what a workspace does, for clients on this machine and others."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
