"""What the main job gave for a part of the sample study."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import medcontour as mc
from medcontour.classifier import Classifier


@dataclass(frozen=True)
class SampleRun:
    """A suggestion for a few neighbouring slices of the sample study, saved in all formats."""

    study: Path
    bundle: Path
    scan: mc.Scan
    classifier: Classifier
    slices: slice
    suggestion: mc.Suggestion
    folder: Path
