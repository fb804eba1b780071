"""Which DICOM object a suggestion is: the same content has the same UID, wherever it is written."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
from pydicom.uid import UID, generate_uid

from medcontour.results.finding import Finding
from medcontour.results.model import Suggestion
from medcontour.results.parts import FindingSlice

__all__ = ["object_uid", "tracking_uid"]

DIGITS = 4
"""Of millimetres and scores. A fit may differ in the last bits of a float between two runs."""


def object_uid(suggestion: Suggestion, name: str, part: str = "instance") -> UID:
    """Give the UID of a part of the object that holds a suggestion.

    Two runs that give the same contours, and two exports of one suggestion, so give one object: an
    archive that has it needs it no second time. Another curve, label, score, scan, predecessor or
    version gives another.

    Parameters
    ----------
    suggestion
        As it is exported (`Suggestion.for_export`).
    name
        The export format's name.
    part
        What of the object: ``"instance"``, ``"series"``, or another thing with a UID.

    Examples
    --------
    >>> object_uid(suggestion, "rtstruct") == object_uid(suggestion, "seg")  # doctest: +SKIP
    False
    """
    content = [
        "medcontour",
        suggestion.run.get("medcontour"),
        name,
        part,
        asdict(suggestion.scan),
        suggestion.edited,
        suggestion.editable,
        {key: asdict(value) for key, value in suggestion.predecessors.items()},
        [[f.number, *map(_content, f.slices)] for f in suggestion.findings],
    ]
    return generate_uid(entropy_srcs=[json.dumps(content, sort_keys=True)])


def tracking_uid(suggestion: Suggestion, finding: Finding) -> UID:
    """Give the UID that a finding has in every object that holds it, edited or not."""
    content = ["medcontour", "finding", suggestion.scan.series_instance_uid, finding.id]
    return generate_uid(entropy_srcs=[json.dumps([*content, finding.name])])


def _content(part: FindingSlice) -> list[Any]:
    return [
        part.slice,
        part.sop_instance_uid,
        part.label,
        round(part.score, DIGITS),
        [
            # Adding zero makes no difference of -0 and 0.
            [contour.kind, contour.slice, (np.round(contour.polygon_lps_mm, DIGITS) + 0.0).tolist()]
            for contour in (*part.evidence_contours, *part.outlines)
        ],
    ]
