"""The command line: a thin face of the Python API."""

from medcontour.cli import (  # noqa: F401  (they enter the app)
    batch,
    benchmark,
    benchmark_methods,
    benchmark_trust,
    calibrate,
    convert,
    explain,
    info,
    learn,
    map,
    next,
    push,
    refine,
    robustness,
    serve,
    suggest,
)
from medcontour.cli.app import main

__all__ = ["main"]
