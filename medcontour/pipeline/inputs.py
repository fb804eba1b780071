"""What a user gives as a scan and as a classifier, in any of its forms."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from medcontour.classifier import Classifier, load_classifier
from medcontour.errors import MedcontourError
from medcontour.progress import Progress
from medcontour.scan import Scan, read_scan

__all__ = ["AnyClassifier", "AnyScan", "given_classifier", "given_scan"]

AnyScan = Scan | str | os.PathLike[str]
"""A `Scan`, or what `read_scan` reads: a path or an archive's address."""

AnyClassifier = Any
"""A `Classifier`, or what `load_classifier` takes: a bundle's folder, a file, a network."""


def given_scan(scan: AnyScan, progress: Progress | None = None) -> Scan:
    """Give the scan, read where it is a path.

    Raises
    ------
    MedcontourError
        For what is neither, and as `read_scan`.
    """
    if isinstance(scan, Scan):
        return scan
    if isinstance(scan, (str, os.PathLike)):
        return read_scan(scan, progress=progress)
    raise MedcontourError(
        f"A {type(scan).__name__} is no scan; give a path, or what medcontour.read_scan gives."
    )


def given_classifier(classifier: AnyClassifier, labels: Sequence[str] | None = None) -> Classifier:
    """Give the classifier, loaded where it is a path, a name or a network.

    Raises
    ------
    MedcontourError
        As `load_classifier`.
    """
    return load_classifier(classifier, labels=labels)
