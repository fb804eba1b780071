"""What was seen on each checked scan, kept beside the file while the work goes on."""

from __future__ import annotations

import hashlib
import json
import math
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from medcontour.errors import MedcontourError
from medcontour.record_lines import append_lines, read_lines
from medcontour.results.masks import Mask
from medcontour.scan import Scan

__all__ = ["Records", "Seen", "SeenFinding"]


@dataclass(frozen=True)
class SeenFinding:
    """A suggested finding: its strength, its figures, and whether it is right, where known."""

    strength: float
    figures: dict[str, float | None]
    kept: bool | None


@dataclass(frozen=True)
class Seen:
    """What was suggested on one scan: nothing that says which scan it was."""

    findings: tuple[SeenFinding, ...]

    @property
    def strength(self) -> float:
        """Of the strongest suggestion; ``-inf`` where there is none."""
        return max((finding.strength for finding in self.findings), default=-math.inf)


@dataclass
class Records:
    """Lines beside the file to write, so that a run that was stopped goes on.

    A scan is known by a digest of its voxels, its place and its mask with a number drawn for this
    run alone (the first line): no name, and no digest that is found in another file.

    Attributes
    ----------
    file
        Where they are kept; None keeps none.
    run
        What records depend on: classifier, target, settings. Others are not taken up.
    """

    file: Path | None
    run: str
    salt: str = field(default_factory=lambda: secrets.token_hex(16))
    known: dict[str, Seen] = field(default_factory=dict)

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
        if lines and lines[0].get("run") == self.run and isinstance(lines[0].get("salt"), str):
            self.salt = lines[0]["salt"]
            for line in lines[1:]:
                try:
                    self.known[line["key"]] = _seen(line)
                except (KeyError, TypeError, ValueError):
                    continue  # that one is looked at again
        else:
            file.unlink(missing_ok=True)
            append_lines(file, [{"run": self.run, "salt": self.salt}])

    def key(self, scan: Scan, truth: Mask | None) -> str:
        """Name a scan by its content."""
        digest = hashlib.blake2b(self.salt.encode(), digest_size=16)
        digest.update(json.dumps([scan.voxels.shape, scan.units, scan.modality]).encode())
        for array in (scan.affine_lps, scan.slice_origins_lps, scan.voxels):
            digest.update(np.ascontiguousarray(array).data)
        digest.update(b"" if truth is None else np.packbits(truth).data)
        return digest.hexdigest()

    def add(self, key: str, seen: Seen) -> None:
        """Keep what was seen on one scan."""
        self.known[key] = seen
        if self.file is not None:
            append_lines(self.file, [{"key": key, **_plain(seen)}])

    def remove(self) -> None:
        """Remove the lines: the file is whole."""
        if self.file is not None:
            self.file.unlink(missing_ok=True)


def _plain(seen: Seen) -> dict[str, Any]:
    return {"findings": [asdict(finding) for finding in seen.findings]}


def _seen(line: dict[str, Any]) -> Seen:
    return Seen(tuple(SeenFinding(**finding) for finding in line["findings"]))
