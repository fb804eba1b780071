"""Records of scans, kept beside a file while the work on it goes on."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from medcontour.errors import MedcontourError
from medcontour.record_lines import append_lines, read_lines
from medcontour.results.masks import Mask
from medcontour.scan import Scan

__all__ = ["ScanRecords"]


@dataclass
class ScanRecords:
    """Lines beside the file to write, one for each scan, so that a run that was stopped goes on.

    A scan is known by a digest of its voxels, its place and its mask with a number drawn for this
    run alone (the first line): no name, and no digest that is found in another file.

    Attributes
    ----------
    file
        Where they are kept; None keeps none.
    run
        What records depend on: classifier, target, settings. Others are not taken up, nor those of
        another version of medcontour.
    known
        Records by the key of their scan: plain values, as JSON holds them.
    """

    file: Path | None
    run: str
    salt: str = field(default_factory=lambda: secrets.token_hex(16))
    known: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.file is None:
            return
        try:
            self._begin(self.file)
        except OSError as error:
            raise MedcontourError(
                f"{self.file} cannot be written ({error.strerror}); choose another folder."
            ) from error

    def _begin(self, file: Path) -> None:
        """Take up what is there of this run, or begin anew."""
        lines = list(read_lines(file))
        first = {"run": self.run, "version": version("medcontour")}
        if lines and first.items() <= lines[0].items() and isinstance(lines[0].get("salt"), str):
            self.salt = lines[0]["salt"]
            self.known = {
                line["key"]: line["record"]
                for line in lines[1:]
                if isinstance(line.get("key"), str) and isinstance(line.get("record"), dict)
            }
        else:
            file.unlink(missing_ok=True)
            append_lines(file, [{**first, "salt": self.salt}])

    def key(self, scan: Scan, truth: Mask | None = None) -> str:
        """Name a scan, and what is known of it, by the content."""
        digest = hashlib.blake2b(self.salt.encode(), digest_size=16)
        digest.update(json.dumps([scan.voxels.shape, scan.units, scan.modality]).encode())
        for array in (scan.affine_lps, scan.slice_origins_lps, scan.voxels):
            digest.update(np.ascontiguousarray(array).data)
        digest.update(b"" if truth is None else np.packbits(truth).data)
        return digest.hexdigest()

    def add(self, key: str, record: dict[str, Any]) -> None:
        """Keep the record of one scan."""
        self.known[key] = record
        if self.file is not None:
            append_lines(self.file, [{"key": key, "record": record}])

    def remove(self) -> None:
        """Remove the lines: the file is whole."""
        if self.file is not None:
            self.file.unlink(missing_ok=True)
