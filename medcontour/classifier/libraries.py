"""Libraries that come with the `benchmark` extra, where they are installed."""

from __future__ import annotations

import importlib
from typing import Any

from medcontour.classifier.reasons import reason
from medcontour.errors import MedcontourError

__all__ = ["library", "needed"]


def library(name: str) -> Any:
    """Import a module; None where it cannot be."""
    try:
        return importlib.import_module(name)
    except (ImportError, RuntimeError):  # RuntimeError: a torchvision of another torch
        return None


def needed(name: str, what: str, install: str = '"medcontour[benchmark]"') -> Any:
    """Import a module that something needs.

    Parameters
    ----------
    name
        The module's.
    what
        What needs it, as a sentence begins.
    install
        What pip is to install.

    Raises
    ------
    MedcontourError
        When it cannot be imported.
    """
    package = name.partition(".")[0]
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MedcontourError(
            f"{what} needs {package}, which is not installed here: run pip install {install}."
        ) from error
    except RuntimeError as error:
        raise MedcontourError(
            f"{what} needs {package}, which does not go with the torch that is installed here "
            f"({reason(error)}): run pip install {install} in a fresh environment."
        ) from error
