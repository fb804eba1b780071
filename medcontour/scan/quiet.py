"""Silence for libraries whose warnings quote the values that they read."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quietly"]

_LOGGERS = ("pydicom", "nibabel.global", "PIL", "dicomweb_client", "retrying", "urllib3")


@contextmanager
def quietly() -> Iterator[None]:
    """Keep pydicom, nibabel, Pillow and the network's libraries from warning and logging here.

    Their messages quote header values ("Invalid value for VR DA: ..."), which may be a
    patient's, and come once for every slice.
    """
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
