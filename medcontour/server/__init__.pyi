from .app import openapi_document
from .bounds import BOUNDS, Bounds
from .options import KEY_VARIABLE, ServerOptions, read_key
from .run import serve

__all__ = [
    "BOUNDS",
    "KEY_VARIABLE",
    "Bounds",
    "ServerOptions",
    "openapi_document",
    "read_key",
    "serve",
]
