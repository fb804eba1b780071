"""The command line: a thin face of the Python API."""

from medcontour.cli import benchmark, benchmark_methods, explain, one_slice, refine  # noqa: F401  (they enter the app)
from medcontour.cli.app import main

__all__ = ["main"]
