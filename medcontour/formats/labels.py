"""The labels of a suggestion, with the value and the colours that every format gives them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from medcontour.files import one_line
from medcontour.results.model import Suggestion
from medcontour.results.parts import Finding, PlacedContour

__all__ = ["CATEGORY", "KINDS", "TYPE", "Kind", "Label", "labels", "structures"]

Kind = Literal["outline", "evidence"]
KINDS: tuple[Kind, ...] = ("outline", "evidence")
RGB = tuple[int, int, int]

# What a segment is, in codes that hold whatever the class: the classifier's class may be a lesion,
# an organ or a device, and its name is no code. CID 7150, and the DICOM code for a marked region.
CATEGORY: Code = codes.SCT.SpatialAndRelationalConcept
TYPE: Code = codes.DCM.SelectedRegion

# Pairs (outline, evidence) from the colour-blind safe palette of Okabe and Ito (2008).
_PAIRS: tuple[tuple[RGB, RGB], ...] = (
    ((230, 159, 0), (86, 180, 233)),
    ((0, 158, 115), (204, 121, 167)),
    ((240, 228, 66), (213, 94, 0)),
)


@dataclass(frozen=True)
class Label:
    """One label of a suggestion.

    Attributes
    ----------
    value
        Its voxel value in label maps, and its segment number: from 1, in order of appearance.
    name
        The findings' label on one line, without control characters and outer blanks; with a
        number behind where another label comes to the same.
    findings
        The findings that carry it, by slice.
    """

    value: int
    name: str
    findings: tuple[Finding, ...]

    def contours(self, kind: Kind) -> Iterator[PlacedContour]:
        """Yield its contours of one kind, by slice."""
        for finding in self.findings:
            yield from finding.outlines if kind == "outline" else finding.evidence_contours

    def called(self, kind: Kind) -> str:
        """Give the name of its structures and curves: ``NAME``, or ``NAME evidence``."""
        return self.name if kind == "outline" else f"{self.name} evidence"

    def colour(self, kind: Kind) -> RGB:
        """Give red, green and blue, 0 to 255; outlines and evidence differ."""
        return _PAIRS[(self.value - 1) % len(_PAIRS)][0 if kind == "outline" else 1]


def labels(suggestion: Suggestion) -> list[Label]:
    """List the distinct labels of the findings, in order of appearance."""
    found: list[Label] = []
    for value, label in enumerate(dict.fromkeys(f.label for f in suggestion.findings), start=1):
        name = plain = one_line(label) or f"label {value}"
        number = 1
        while name in (other.name for other in found):
            number += 1
            name = f"{plain} {number}"
        found.append(Label(value, name, tuple(f for f in suggestion.findings if f.label == label)))
    return found


def structures(suggestion: Suggestion) -> list[tuple[Label, Kind, list[PlacedContour]]]:
    """List what formats of curves hold: of each label its outlines, then its evidence contours.

    Their place in the list, from 1, is their number there. A kind without contours is left out.
    """
    every = [
        (label, kind, list(label.contours(kind))) for label in labels(suggestion) for kind in KINDS
    ]
    return [each for each in every if each[2]]
