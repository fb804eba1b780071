"""The first masks: the outlines that the pipeline finds on a sample of the images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medcontour.checked.records import ScanRecords
from medcontour.classifier import Classifier
from medcontour.learning.images import LearningImage, Polygons
from medcontour.pipeline.job import uncalibrated
from medcontour.pipeline.settings import Settings
from medcontour.scan import Scan

__all__ = ["SliceOutlines", "explained"]


@dataclass(frozen=True)
class SliceOutlines:
    """What was suggested on one slice, on the classifier's input.

    Attributes
    ----------
    outlines
        See `Polygons`.
    shortcut
        Whether the evidence lies on what is no anatomy.
    """

    outlines: Polygons
    shortcut: bool


def explained(
    scan: Scan,
    images: Sequence[LearningImage],
    classifier: Classifier,
    settings: Settings,
    records: ScanRecords,
) -> dict[int, SliceOutlines]:
    """What is suggested on a scan, by slice; explained now, or known from before.

    Parameters
    ----------
    scan, images
        The scan, and those of its slices that outlines are wanted of.
    classifier, settings
        What explains it.
    records
        What was explained before.
    """
    key = records.key(scan)
    if key not in records.known:
        records.add(key, _suggested(scan, images, classifier, settings))
    return {int(k): _read(own) for k, own in records.known[key].items()}


def _suggested(
    scan: Scan, images: Sequence[LearningImage], classifier: Classifier, settings: Settings
) -> dict[str, Any]:
    """By slice, the record of each that is suggested."""
    suggestion = uncalibrated(scan, classifier, settings)
    to_input = {image.slice: np.linalg.inv(image.index_from_input) for image in images}
    found: dict[str, Any] = {}
    for finding in suggestion.findings:
        for part in finding.slices if finding.suggested else ():
            if part.slice not in to_input:  # one that its neighbours took in
                continue
            record = found.setdefault(str(part.slice), {"outlines": [], "shortcut": False})
            for outline in part.outlines:
                index = scan.to_index(outline.polygon_lps_mm, part.slice)
                there = np.column_stack([index, np.ones(len(index))]) @ to_input[part.slice].T
                record["outlines"].append(np.round(there[:, :2], 2).tolist())
            record["shortcut"] |= any("shortcut" in c.quality for c in part.evidence_contours)
    return found


def _read(record: Mapping[str, Any]) -> SliceOutlines:
    polygons = [np.array(each, dtype=np.float64).reshape(-1, 2) for each in record["outlines"]]
    return SliceOutlines(polygons, bool(record["shortcut"]))
