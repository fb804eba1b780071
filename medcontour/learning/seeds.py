"""What is drawn first: the outlines that the pipeline finds on a sample of the images."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medcontour.classifier import Classifier
from medcontour.learning.images import LearningImage, Polygons
from medcontour.pipeline.job import uncalibrated
from medcontour.pipeline.settings import Settings
from medcontour.record_lines import append_lines, read_lines
from medcontour.scan import Scan

__all__ = ["Explained", "Outlined", "digest"]


@dataclass(frozen=True)
class Outlined:
    """What was suggested on one slice, on the classifier's input; see `Polygons`."""

    outlines: Polygons
    evidence: Polygons
    shortcut: bool


@dataclass
class Explained:
    """Slices that were explained, as lines in a file, so that a run that was stopped goes on.

    Nothing in it says which scan a line is of: scans are told apart by a digest with a number
    drawn for this run alone.

    Attributes
    ----------
    file
        Where they are kept; None keeps none.
    run
        What they depend on: the classifier, the class, the settings.
    """

    file: Path | None
    run: str
    salt: str = field(default_factory=lambda: secrets.token_hex(16))
    known: dict[str, dict[int, Outlined]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lines = [] if self.file is None else list(read_lines(self.file))
        if lines and lines[0].get("run") == self.run and isinstance(lines[0].get("salt"), str):
            self.salt = lines[0]["salt"]
            for line in lines[1:]:
                try:
                    self.known[line["key"]] = {
                        int(k): Outlined(
                            _arrays(own["outlines"]),
                            _arrays(own["evidence"]),
                            bool(own["shortcut"]),
                        )
                        for k, own in line["slices"].items()
                    }
                except (KeyError, TypeError, ValueError, AttributeError):
                    continue  # that one is explained again
        elif self.file is not None:
            self.file.unlink(missing_ok=True)
            append_lines(self.file, [{"run": self.run, "salt": self.salt}])

    def of(
        self,
        scan: Scan,
        images: Sequence[LearningImage],
        classifier: Classifier,
        settings: Settings,
    ) -> dict[int, Outlined]:
        """What is suggested on a scan, by slice; explained now, or known from before."""
        key = digest(scan, self.salt)
        if key not in self.known:
            found = _suggested(scan, images, classifier, settings)
            slices = {k: _plain(own) for k, own in found.items()}
            if self.file is not None:
                append_lines(self.file, [{"key": key, "slices": slices}])
            # As a run that was stopped would read it.
            self.known[key] = {k: _outlined(own) for k, own in slices.items()}
        return self.known[key]


def digest(scan: Scan, salt: str = "") -> str:
    """Name a scan by its voxels."""
    made = hashlib.blake2b(salt.encode(), digest_size=16)
    made.update(f"{scan.voxels.shape} {scan.units}".encode())
    made.update(np.ascontiguousarray(scan.voxels).data)
    return made.hexdigest()


def _suggested(
    scan: Scan, images: Sequence[LearningImage], classifier: Classifier, settings: Settings
) -> dict[int, Outlined]:
    suggestion = uncalibrated(scan, classifier, settings)
    to_input = {image.slice: np.linalg.inv(image.index_from_input) for image in images}
    found: dict[int, Outlined] = {}
    for finding in suggestion.findings:
        for part in finding.slices if finding.suggested else ():
            before = found.get(part.slice, Outlined((), (), shortcut=False))

            def placed(contours: Sequence[Any], k: int = part.slice) -> list[Any]:
                index = [scan.to_index(contour.polygon_lps_mm, k) for contour in contours]
                homogeneous = [np.column_stack([each, np.ones(len(each))]) for each in index]
                return [(each @ to_input[k].T)[:, :2] for each in homogeneous]

            found[part.slice] = Outlined(
                [*before.outlines, *placed(part.outlines)],
                [*before.evidence, *placed(part.evidence_contours)],
                before.shortcut or any("shortcut" in c.quality for c in part.evidence_contours),
            )
    return found


def _plain(own: Outlined) -> dict[str, Any]:
    return {
        "outlines": [np.round(polygon, 2).tolist() for polygon in own.outlines],
        "evidence": [np.round(polygon, 2).tolist() for polygon in own.evidence],
        "shortcut": own.shortcut,
    }


def _outlined(own: dict[str, Any]) -> Outlined:
    return Outlined(_arrays(own["outlines"]), _arrays(own["evidence"]), bool(own["shortcut"]))


def _arrays(polygons: Sequence[Any]) -> list[npt.NDArray[np.float64]]:
    return [np.array(polygon, dtype=np.float64).reshape(-1, 2) for polygon in polygons]
