"""Whether the evidence, or the score, hangs on something that is not the patient."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from medcontour.classifier import Classifier, VolumeClassifier
from medcontour.pipeline.whole_stack import stack_batch
from medcontour.results import FindingSlice, slice_numbers
from medcontour.scan import Scan
from medcontour.shortcuts import ShortcutShares, filled_in, find_marks, shortcut_shares

__all__ = ["ShortcutCheck", "check_shortcut", "check_stack_shortcuts", "shortcut_notes"]


@dataclass(frozen=True)
class WarningConstants:
    """From where on a shortcut is warned of (`docs/concepts/shortcuts.md`). Chosen by hand.

    Attributes
    ----------
    on_marks
        Share of the evidence that lies on marks.
    p_value
        The largest share of the contour's possible places that hold as much: the usual level.
    outside
        Share of the evidence that lies outside the body.
    fall
        Of the probability with the marks filled in.
    elsewhere
        The share of that fall that filling in elsewhere has to stay below.
    """

    on_marks: float = 0.25
    p_value: float = 0.05
    outside: float = 0.5
    fall: float = 0.2
    elsewhere: float = 0.5


WARNED = WarningConstants()

LIES_ON, OUTSIDE, HANGS_ON = "lies on ", "lies outside the body", "score hangs on "


@dataclass(frozen=True)
class ShortcutCheck:
    """What the check found on one slice.

    Attributes
    ----------
    shares
        How much of the evidence contours lies on marks, and outside the body.
    marks
        What marks the slice has (of a stack that is one input: it, or else another), in words;
        empty where there are none.
    score
        The classifier's probability.
    without_marks, elsewhere
        The same with the marks filled in from their surroundings, and with as much filled in at
        another place; None where there are no marks.
    """

    shares: ShortcutShares
    marks: str
    score: float
    without_marks: float | None = None
    elsewhere: float | None = None

    @property
    def evaluations(self) -> float:
        """What it cost: two pictures, run forward only, are half an evaluation."""
        return 0.0 if self.without_marks is None else 0.5

    @property
    def warnings(self) -> dict[str, str]:
        """A sentence for each shortcut there may be, by its short name."""
        found = {}
        on, out = self.shares.marks, self.shares.outside_body
        if self.marks and on.share >= WARNED.on_marks and on.p_value <= WARNED.p_value:
            found[LIES_ON + self.marks] = (
                f"The evidence lies on {self.marks}: {on.share:.0%} of the contour, where chance "
                f"gives {on.chance:.0%}; the classifier may have learnt a shortcut."
            )
        if out.share >= WARNED.outside:
            found[OUTSIDE] = (
                f"The evidence lies outside the body: {out.share:.0%} of the contour; the "
                "classifier may go by something that is not the patient."
            )
        if self.without_marks is not None and self.elsewhere is not None:
            fall, other = self.score - self.without_marks, self.score - self.elsewhere
            if fall >= WARNED.fall and other < WARNED.elsewhere * fall:
                found[HANGS_ON + self.marks] = (
                    f"The score hangs on {self.marks}: filled in from their surroundings the "
                    f"probability is {self.without_marks:.2f}, and with as much filled in "
                    f"elsewhere {self.elsewhere:.2f}."
                )
        return found

    @property
    def record(self) -> dict[str, float | str]:
        """For a contour's `quality`; nothing where the contour is clear of marks and surround."""
        kept: dict[str, float | str] = {}
        if self.marks:
            kept["on_marks"] = self.shares.marks.share
        if self.shares.outside_body.share:
            kept["outside_body"] = self.shares.outside_body.share
        if self.without_marks is not None and self.elsewhere is not None:
            kept |= {"score_without_marks": self.without_marks, "score_elsewhere": self.elsewhere}
        if self.warnings:
            kept["shortcut"] = "; ".join(self.warnings)
        return kept


def check_shortcut(
    scan: Scan,
    classifier: Classifier,
    target: int,
    k: int,
    region: npt.NDArray[np.bool_],
    score: float,
) -> ShortcutCheck:
    """Check one slice: where its evidence lies, and whether the score outlives its marks.

    Marks are filled in on the slice itself, before the classifier's own preparation, so that a
    range set by the marks' brightness is set anew.

    Parameters
    ----------
    scan, classifier, target
        As of `medcontour.suggest`, the target by index.
    k
        The slice.
    region
        (rows, columns) bool: the inside of the slice's evidence contours.
    score
        The classifier's probability for the slice.
    """
    plane = scan.voxels[k]
    marks = find_marks(plane, scan.modality)
    shares = shortcut_shares(plane, region, marks=marks, measured=scan.measured_in(k))
    if not marks.words:
        return ShortcutCheck(shares, "", score)
    without, elsewhere = (
        _probability(scan, classifier, target, filled_in(plane, taken))
        for taken in (marks.pixels, _moved(marks.pixels))
    )
    return ShortcutCheck(shares, marks.words, score, without, elsewhere)


def check_stack_shortcuts(
    scan: Scan,
    classifier: VolumeClassifier,
    target: int,
    regions: Mapping[int, npt.NDArray[np.bool_]],
    score: float,
) -> dict[int, ShortcutCheck]:
    """Check a stack that is one input: slice by slice where its evidence lies.

    Whether the score outlives the marks is of the whole stack: those of all slices are filled in.

    Parameters
    ----------
    scan, classifier, target, score
        As of `check_shortcut`; the probability of the stack.
    regions
        By slice, (rows, columns) bool: the inside of the evidence there.

    Returns
    -------
    dict
        By slice of `regions`; what the score is without marks is the same on each.
    """
    marks = {k: find_marks(scan.voxels[k], scan.modality) for k in range(scan.slices)}
    shares = {
        k: shortcut_shares(scan.voxels[k], region, marks=marks[k], measured=scan.measured_in(k))
        for k, region in regions.items()
    }
    marked = {k: own.pixels for k, own in marks.items() if own.words}
    if not marked:
        return {k: ShortcutCheck(own, "", score) for k, own in shares.items()}
    words = {k: marks[k].words for k in regions}
    anywhere = next(marks[k].words for k in marked)

    def probability(taken: Mapping[int, npt.NDArray[np.bool_]]) -> float:
        voxels = scan.voxels.copy()
        for k, pixels in taken.items():
            voxels[k] = filled_in(voxels[k], pixels)
        inputs = stack_batch(replace(scan, voxels=voxels), classifier).inputs
        with torch.no_grad():
            return float(classifier.score(inputs)[0, target].float().sigmoid())

    without = probability(marked)
    elsewhere = probability({k: _moved(pixels) for k, pixels in marked.items()})
    return {
        k: ShortcutCheck(own, words[k] or anywhere, score, without, elsewhere)
        for k, own in shares.items()
    }


def _moved(pixels: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """As many pixels at another place: half the image away."""
    rows, columns = pixels.shape
    moved: npt.NDArray[np.bool_] = np.roll(pixels, (rows // 2, columns // 2), (0, 1)) & ~pixels
    return moved


@torch.no_grad()
def _probability(
    scan: Scan, classifier: Classifier, target: int, plane: npt.NDArray[np.float32]
) -> float:
    prepared = classifier.prepare(plane, scan.pixel_spacing)
    odds = classifier.score(prepared.tensor[None])[0, target]
    return float(odds.float().sigmoid())


def shortcut_notes(scan: Scan, findings: Iterable[FindingSlice]) -> Iterator[str]:
    """Say in a sentence for each kind of shortcut on which slices it was seen."""
    seen: dict[str, list[FindingSlice]] = {}
    for finding in findings:
        for contour in finding.evidence_contours[:1]:
            for what in filter(None, str(contour.quality.get("shortcut", "")).split("; ")):
                seen.setdefault(what, []).append(finding)
    for what, on in seen.items():
        slices = slice_numbers(finding.slice for finding in on)
        where = "the image" if scan.slices == 1 else f"slice{'s' * (len(on) > 1)} {slices}"
        if what.startswith(HANGS_ON):
            scores = _range(on, "score_without_marks", "{:.2f}")
            yield (
                f"The score on {where} hangs on {what.removeprefix(HANGS_ON)}: with them filled "
                f"in its probability falls to {scores}."
            )
        else:
            name = "outside_body" if what == OUTSIDE else "on_marks"
            yield (
                f"The evidence on {where} {what}: {_range(on, name, '{:.0%}')} of the contour; "
                "the classifier may have learnt a shortcut."
            )
    if seen and any(data.get("BurnedInAnnotation") == "YES" for data in scan.datasets):
        yield "The scan's header says that its pixels carry burnt-in annotation."


def _range(findings: list[FindingSlice], name: str, figure: str) -> str:
    values = [float(finding.evidence_contours[0].quality[name]) for finding in findings]
    low, high = figure.format(min(values)), figure.format(max(values))
    return low if low == high else f"{low} to {high}"
