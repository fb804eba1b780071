"""What a header claims against what its file can hold, before memory is asked for."""

from __future__ import annotations

import io
from pathlib import Path

from medcontour.errors import MedcontourError

__all__ = ["DEFLATE", "check_claim", "open_measured"]

DEFLATE = 1032
"""Bytes that one byte packed by deflate (gzip, PNG) can stand for, at most."""

# A pixel takes a bit at least, of data that are packed as closely as deflate can.
_MOST = 8 * DEFLATE
# A small blank image may be packed more closely still, by JPEG 2000 for example.
_FLOOR = 2**24
_BLOCK = 2**16


def check_claim(values: int, stored: int, name: str, most: int = _MOST) -> None:
    """Refuse a header that claims more values than its file's bytes can stand for.

    Parameters
    ----------
    values
        How many the header claims. Up to 2^24 are believed: they cost little.
    stored
        Bytes that they are said to be in.
    name
        What to call the file in the message.
    most
        Values that a byte can stand for.

    Raises
    ------
    MedcontourError
        When they cannot be there.

    Examples
    --------
    >>> check_claim(512 * 512, 300_000, "slice.dcm")
    >>> check_claim(65535 * 65535, 300, "slice.dcm")
    Traceback (most recent call last):
    medcontour.errors.MedcontourError: slice.dcm claims more values than its bytes can hold \
(4.29e+09 in 300): its header is damaged or the file is truncated; fetch it again.
    """
    if values > _FLOOR and values > most * stored:
        raise MedcontourError(
            f"{name} claims more values than its bytes can hold ({float(values):.3g} in {stored}): "
            "its header is damaged or the file is truncated; fetch it again."
        )


class _Measured(io.BufferedReader):
    """A file that is never asked for more than it holds: Python would set memory aside for it."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path))
        self._length = path.stat().st_size

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _BLOCK:
            size = min(size, max(0, self._length - self.tell()))
        return super().read(size)


def open_measured(path: Path) -> io.BufferedReader:
    """Open a file for reading, of which a read of any length takes no more memory than is there.

    A damaged length in a header is asked for as it is by the libraries that parse it.
    """
    return _Measured(path)
