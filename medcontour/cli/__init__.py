"""The command line: a thin face of the Python API."""

from medcontour.cli.app import main

__all__ = ["main"]
