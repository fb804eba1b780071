"""What a header claims against what its file can hold, before memory is asked for."""

from __future__ import annotations

import io
import math
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from PIL import Image
from pydicom.filereader import read_dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from medcontour.errors import MedcontourError
from medcontour.limits import check_file, check_memory

__all__ = ["DEFLATE", "check_claim", "check_room", "open_measured", "opened_picture"]

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


_INFLATED, _DECODED = 3, 14
"""Times that inflated pixels stand in memory, and bytes that a value of a frame then takes."""

_BESIDE = 2**26
"""Bytes that a deflated data set may hold beside its pixels."""

_PIXELS = 0x7FE00000
"""The group of the pixels."""

_META = 128
"""Bytes of the preamble; some files lack it."""

_LONG = (b"OB", b"OW", b"SQ", b"UN", b"UT")  # with a length of four bytes, PS3.5 7.1.2

_pillow = threading.Lock()


def check_room(values: float, each: int, name: str, remedy: str = "") -> None:
    """Refuse values that memory does not hold, before they are decoded.

    Parameters
    ----------
    values
        How many there are, as the header has it.
    each
        Bytes that one takes while it is read.
    name
        What to call the file in the message.
    remedy
        What can be done beside allowing more; by default to cut the image.

    Raises
    ------
    MedcontourError
        When they take more than `medcontour.limits.memory_limit`.
    """
    what = name if each == 1 else f"{name} ({float(values):.3g} values)"
    check_memory(values * each, what, remedy or "cut it to what is needed, or make it coarser")


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

    Raises
    ------
    MedcontourError
        For what is no file (a pipe, a device), and for a deflated DICOM data set that inflates to
        more than memory holds.
    """
    check_file(path)
    file = _Measured(path)
    try:
        _check_inflated(file, path)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def _check_inflated(file: BinaryIO, path: Path) -> None:
    """Inflate a deflated DICOM data set a piece at a time, keeping none of it."""
    start = file.read(2 * _BLOCK)
    at = _after_meta(start)
    if at is None or DeflatedExplicitVRLittleEndian.encode() not in start[:at]:
        return
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    file.seek(at)
    try:
        first = unpacker.decompress(file.read(_BLOCK), 2**22)
        said, length = _check_pixels(first, path.name), len(first)
        waiting = unpacker.unconsumed_tail or file.read(_BLOCK)
        while waiting and not unpacker.eof:
            length += len(unpacker.decompress(waiting, 2**20))
            if length > said + _BESIDE:
                raise MedcontourError(
                    f"{path.name} inflates to more than its header says: it is damaged; fetch it "
                    "again, uncompressed."
                )
            waiting = unpacker.unconsumed_tail or file.read(_BLOCK)
    except zlib.error:
        return  # whoever reads it says that it is damaged


def _check_pixels(start: bytes, name: str) -> int:
    """Give the bytes of pixels that the beginning of a data set announces, if memory holds them."""
    try:
        header = read_dataset(
            io.BytesIO(start), False, True, stop_when=lambda tag, *_: tag > _PIXELS
        )
        frame = math.prod(int(header.get(key) or 1) for key in ("Rows", "Columns"))
        frame *= int(header.get("SamplesPerPixel") or 1)
        said = frame * int(header.get("NumberOfFrames") or 1)
        said = said * int(header.get("BitsAllocated") or 8) // 8 if "Rows" in header else 0
    except Exception:  # whoever reads it says that it is damaged
        return 0
    check_room(_INFLATED * said + _DECODED * frame, 1, name, "give it uncompressed, or cut it")
    return said


def _after_meta(start: bytes) -> int | None:
    """Give where the data set begins, behind the file meta information (group 2)."""
    magic = start[: _META + 4].find(b"DICM")
    if magic not in (-1, 0, _META):
        return None
    at = magic + 4 if magic >= 0 else 0
    while start[at : at + 2] == b"\2\0":
        if start[at + 4 : at + 6] in _LONG:
            at += 12 + int.from_bytes(start[at + 8 : at + 12], "little")
        else:
            at += 8 + int.from_bytes(start[at + 6 : at + 8], "little")
    return at


@contextmanager
def opened_picture(path: Path) -> Iterator[Image.Image]:
    """Open a picture whose pixels memory can hold; Pillow's own bound is this one instead.

    Raises
    ------
    MedcontourError
        For what is no file, and a picture of more pixels than fit, or than its bytes can hold.
    Exception
        Whatever Pillow raises at damaged files.
    """
    check_file(path)
    # A file, not its path: Pillow maps the file of a path into memory, and then scrambles an
    # uncompressed TIFF whose orientation swaps rows and columns.
    with path.open("rb") as file, _opened(file) as image:
        pixels = image.width * image.height
        check_claim(pixels, path.stat().st_size, str(path))
        check_room(
            pixels * max(1, len(image.getbands())),
            _PICTURE,
            f"{path}, {image.width} x {image.height} pixels,",
        )
        yield image


_PICTURE = 10
"""Bytes that a value of a picture takes: as stored, turned upright, and as float."""


def _opened(file: BinaryIO) -> Image.Image:
    with _pillow:
        bound, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(file)
        finally:
            Image.MAX_IMAGE_PIXELS = bound
