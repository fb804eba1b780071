"""Silence for libraries whose warnings quote the values that they read."""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["muted", "quietly"]

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


class _StandardError:
    """Where the process' standard error goes, and how many are inside `muted`."""

    number = 2

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0
        self.kept: int | None = None

    def turn_away(self) -> None:
        with self.lock, suppress(OSError):  # there may be none
            self.inside += 1
            if self.inside == 1:
                self.kept = os.dup(self.number)
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self.number)
                os.close(nowhere)

    def turn_back(self) -> None:
        with self.lock:
            self.inside -= 1
            if self.inside == 0 and self.kept is not None:
                os.dup2(self.kept, self.number)
                os.close(self.kept)
                self.kept = None


_standard_error = _StandardError()


@contextmanager
def muted() -> Iterator[None]:
    """Keep C libraries (GDCM, OpenJPEG, libjpeg, libtiff) from writing to standard error here.

    They write past Python, to the process' own file. It is turned away for as long as any thread
    is inside, so hold this around the decoding of one image alone.
    """
    _standard_error.turn_away()
    try:
        yield
    finally:
        _standard_error.turn_back()
