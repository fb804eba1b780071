"""What a path holds, looked at once: by it a reader knows its own files, never by their names."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset

from medcontour.limits import check_file, check_memory, read_text
from medcontour.scan.claims import open_measured

__all__ = ["Content", "read_dicom", "read_json"]

FIRST = 400
# Without its preamble a DICOM file begins with the length of its meta information, or, where it
# has none, with an attribute of group 8.
_BARE = (b"\x02\x00\x00\x00UL", b"\x08\x00\x05\x00", b"\x08\x00\x08\x00", b"\x08\x00\x16\x00")


@dataclass(frozen=True)
class Content:
    """A file or folder that somebody wants read.

    Attributes
    ----------
    path
        Where it is.
    start
        Its first 400 bytes; empty for a folder.
    """

    path: Path
    start: bytes = field(repr=False)

    @classmethod
    def of(cls, path: Path) -> Content:
        """Look at the first bytes of a file, or at a folder."""
        if path.is_dir():
            return cls(path, b"")
        check_file(path)
        check_memory(path.stat().st_size, str(path), "give a smaller file")
        with path.open("rb") as file:
            return cls(path, file.read(FIRST))

    @cached_property
    def document(self) -> dict[str, Any]:
        """The JSON object that the file is, or an empty one."""
        if not self.start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
            return {}
        return read_json(self.path)

    @cached_property
    def modality(self) -> str | None:
        """DICOM's Modality (0008,0060), None for what is no DICOM object."""
        if self.start[128:132] != b"DICM" and not self.start.startswith(_BARE):
            return None
        return str(read_dicom(self.path).get("Modality", ""))


def read_json(path: Path) -> dict[str, Any]:
    """Read the JSON object that a file holds; a ValueError where it holds another thing."""
    document = json.loads(read_text(path))
    if not isinstance(document, dict):
        raise ValueError("the JSON is no object")
    return document


def read_dicom(path: Path) -> Dataset:
    """Read a DICOM file, with the 128 bytes of preamble or without them."""
    with open_measured(path) as stream:
        return pydicom.dcmread(stream, force=True)
