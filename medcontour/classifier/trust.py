"""Saying, before it happens, that what is read can run code."""

from __future__ import annotations

import logging

__all__ = ["runs_code"]


def runs_code(what: str) -> None:
    """Say on standard error (through `logging`) that something runs code when it is read.

    Parameters
    ----------
    what
        As a sentence begins, without a path.
    """
    logging.getLogger("medcontour").warning(
        "%s can run code of its own when it is loaded: use it only if you trust where it came "
        "from.",
        what,
    )
