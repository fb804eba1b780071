"""The command line: a thin face of the Python API."""

from medcontour.cli import benchmark, one_slice, refine  # noqa: F401  (their commands enter the app)
from medcontour.cli.app import main

__all__ = ["main"]
