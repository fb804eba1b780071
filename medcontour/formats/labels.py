"""The structures of a suggestion, with the value and the colours that every format gives them."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from medcontour.files import one_line
from medcontour.results.finding import Finding
from medcontour.results.model import Suggestion
from medcontour.results.parts import PlacedContour

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
    """One structure of the formats: a finding, or a class where findings were merged.

    Attributes
    ----------
    value
        Its voxel value in label maps: the finding's number.
    name
        The finding's name (``nodule 1``) on one line, without control characters and outer blanks;
        with a number behind where another comes to the same.
    category
        Name of the class, made plain in the same way.
    finding
        What it is of.
    """

    value: int
    name: str
    category: str
    finding: Finding

    def contours(self, kind: Kind) -> Iterator[PlacedContour]:
        """Yield its contours of one kind, by slice."""
        yield from self.finding.contours(kind)

    def called(self, kind: Kind) -> str:
        """Give the name of its structures and curves: ``NAME``, or ``NAME evidence``."""
        return self.name if kind == "outline" else f"{self.name} evidence"

    def colour(self, kind: Kind) -> RGB:
        """Give red, green and blue, 0 to 255; outlines and evidence differ."""
        return _PAIRS[(self.value - 1) % len(_PAIRS)][0 if kind == "outline" else 1]


def labels(suggestion: Suggestion) -> list[Label]:
    """List what formats hold, one for each finding, in the findings' order."""
    categories = _plain_names(f.label for f in suggestion.findings)
    found: list[Label] = []
    taken: set[str] = set()
    for place, finding in enumerate(suggestion.findings, start=1):
        category = categories[finding.label]
        plain = category if finding.number is None else f"{category} {finding.number}"
        name = _unlike(taken, plain)
        taken.add(name)
        found.append(Label(finding.number or place, name, category, finding))
    return found


def _plain_names(texts: Iterable[str]) -> dict[str, str]:
    """Each text on one line; those that come to the same are told apart by a number."""
    names: dict[str, str] = {}
    for value, text in enumerate(dict.fromkeys(texts), start=1):
        names[text] = _unlike(names.values(), one_line(text) or f"label {value}")
    return names


def _unlike(taken: Collection[str], plain: str) -> str:
    """The name, or the first of NAME 2, NAME 3, ... that is not taken."""
    names = itertools.chain([plain], (f"{plain} {number}" for number in itertools.count(2)))
    return next(name for name in names if name not in taken)


def structures(suggestion: Suggestion) -> list[tuple[Label, Kind, list[PlacedContour]]]:
    """List what formats of curves hold: of each finding its outlines, then its evidence contours.

    Their place in the list, from 1, is their number there. A kind without contours is left out.
    """
    every = [
        (label, kind, list(label.contours(kind))) for label in labels(suggestion) for kind in KINDS
    ]
    return [each for each in every if each[2]]
