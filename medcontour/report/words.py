"""The report's sentences and figures, as text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from medcontour.results.all_positive import all_positive
from medcontour.results.finding import Finding
from medcontour.results.model import Suggestion
from medcontour.results.numbering import slice_numbers
from medcontour.results.parts import Evidence, FindingSlice, PlacedContour
from medcontour.results.status import Status

__all__ = [
    "RESEARCH",
    "area",
    "conformal",
    "continued",
    "diameter",
    "entries",
    "lacks_outline",
    "p_value",
    "place",
    "probability",
    "quality",
    "summary",
    "trust",
    "verdict",
    "volume",
    "warnings",
]

_LEFT_OUT: dict[Status, tuple[str, str]] = {
    "no better than random places": (
        "1 is left out: its evidence is no better than random places.",
        "{} are left out: their evidence is no better than random places.",
    ),
    "collapsed": (
        "1 is left out: its contour collapsed.",
        "{} are left out: their contours collapsed.",
    ),
}

_UNNECESSARY = (
    "Of 1 the removal does not take the class away: the classifier finds it elsewhere as well.",
    "Of {} the removal does not take the class away: the classifier finds it elsewhere as well.",
)


REDRAWN, KEPT = 1 / 3, 2 / 3
"""Trust from which a finding is no longer said to be likely redrawn, and is said to be likely kept.
Chosen before any was fitted."""

RESEARCH = "Research use; not a medical device."
"""Stands on every page and picture."""


def probability(value: float) -> str:
    """Two decimals, and no false certainty at either end.

    Examples
    --------
    >>> probability(0.934), probability(0.9999), probability(0.0001), probability(0.0)
    ('0.93', '>0.99', '<0.01', '0.00')
    """
    if 0.995 <= value < 1:
        return ">0.99"
    if 0 < value < 0.005:
        return "<0.01"
    return f"{value:.2f}"


def p_value(value: float) -> str:
    """Two significant figures.

    Examples
    --------
    >>> p_value(0.01), p_value(0.3333), p_value(1.0)
    ('0.01', '0.33', '1')
    """
    return f"{value:.2g}"


def trust(value: float | None) -> str:
    """Say in plain words how surely a reader keeps a finding, with the number behind them.

    Examples
    --------
    >>> trust(0.84), trust(0.5), trust(0.2), trust(None)
    ('likely kept (0.84)', 'doubtful (0.50)', 'likely redrawn (0.20)', 'not calibrated')
    """
    if value is None:
        return "not calibrated"
    word = "likely kept" if value >= KEPT else "likely redrawn" if value < REDRAWN else "doubtful"
    return f"{word} ({probability(value)})"


def conformal(finding: Finding, slices: int) -> str:
    """Say what a finding's conformal p value means, or that there is none."""
    value = finding.conformal_p_value
    if value is None:
        return "not calibrated"
    what = "images" if slices == 1 else "whole scans"
    return f"{p_value(value)}: {100 * value:.2g} % of {what} without a finding look like this"


def area(contour: PlacedContour, units: str) -> str:
    """Give the contour's area with its unit: mm², or pixels where the scan has no physical size."""
    figure = f"{contour.area_mm2:.1f}" if contour.area_mm2 < 100 else f"{contour.area_mm2:.0f}"
    return f"{figure} {'pixels' if units == 'pixel' else 'mm²'}"


def diameter(value: float | None, units: str) -> str:
    """Give a longest diameter with its unit.

    Examples
    --------
    >>> diameter(12.345, "mm"), diameter(None, "mm")
    ('12.3 mm', 'none')
    """
    return "none" if value is None else f"{value:.1f} {'pixels' if units == 'pixel' else 'mm'}"


def volume(value: float | None) -> str:
    """Give a volume with its unit; a dash where there is none.

    Examples
    --------
    >>> volume(1234.56), volume(12.345), volume(None)
    ('1235 mm³', '12.3 mm³', '–')
    """
    return "–" if value is None else f"{value:.0f} mm³" if value >= 100 else f"{value:.3g} mm³"


def place(slice_index: int, slices: int) -> str:
    """Name a slice as viewers do, counted from 1.

    Examples
    --------
    >>> place(7, 40), place(0, 1)
    ('Slice 8 of 40', 'The image')
    """
    return f"Slice {slice_numbers([slice_index])} of {slices}" if slices > 1 else "The image"


def summary(suggestion: Suggestion) -> list[str]:
    """Say what was found, in a few plain sentences."""
    name = f"“{suggestion.classifier.target_name}”"
    findings = suggestion.findings
    if not findings:
        return [_nothing(suggestion, name)]
    slices, looked = suggestion.scan.shape[0], len(suggestion.slice_scores)
    called = len({part.slice for part in suggestion.slices if part.evidence})
    called_as = f"{'is' if called == 1 else 'are'} called {name}"
    if suggestion.of_volume:
        sentences = [f"The stack as a whole is called {name}."]
    elif slices == 1:
        sentences = [f"The image is called {name}."]
    elif looked == slices:
        sentences = [f"{called} of {slices} slices {called_as}."]
    else:
        sentences = [
            f"{called} of the {looked} slices that were looked at {called_as}; "
            f"the scan has {slices}."
        ]
    sentences.append(_suggested(suggestion))
    kept = sum(finding.status == "suggested, deletion keeps the class" for finding in findings)
    if kept:
        sentences.append(_UNNECESSARY[0] if kept == 1 else _UNNECESSARY[1].format(kept))
    for status, (one, several) in _LEFT_OUT.items():
        number = sum(finding.status == status for finding in findings)
        if number:
            sentences.append(one if number == 1 else several.format(number))
    drawn = sum(finding.status == "drawn by a reader" for finding in findings)
    if drawn:
        sentences.append(f"{drawn} {'was' if drawn == 1 else 'were'} drawn by a reader.")
    if suggestion.edited:
        sentences.append("A person has edited these contours.")
    return sentences


def _suggested(suggestion: Suggestion) -> str:
    kept = [finding for finding in suggestion.findings if finding.suggested]
    if not kept:
        return "No finding is suggested."
    sentence = "1 finding is suggested" if len(kept) == 1 else f"{len(kept)} findings are suggested"
    if suggestion.editable == "evidence":
        return f"{sentence}."
    outlined = sum(bool(finding.outlines) for finding in kept)
    if outlined == len(kept):
        return f"{sentence}, {'' if outlined == 1 else 'each '}with an outline to edit."
    return f"{sentence}, {outlined or 'none'} of them with an outline to edit."


def _nothing(suggestion: Suggestion, name: str) -> str:
    scores = suggestion.slice_scores
    if not scores:
        return "Nothing was found: no slice was looked at."
    best = max(scores, key=lambda k: scores[k])
    score = probability(scores[best])
    slices = suggestion.scan.shape[0]
    if slices == 1 or suggestion.of_volume:
        what = "stack" if suggestion.of_volume else "image"
        return f"Nothing was found: the score of the {what} for {name} is {score}."
    looked = f" ({len(scores)} slices were looked at)" if len(scores) < slices else ""
    return (
        f"Nothing was found: the highest score for {name} is {score}, "
        f"on slice {slice_numbers([best])} of {slices}{looked}."
    )


def continued(part: FindingSlice) -> bool:
    """Whether nothing was looked for here, because an outline goes on from the next slice."""
    return part.evidence is None and part.status not in ("drawn by a reader", "collapsed")


def lacks_outline(part: FindingSlice, suggestion: Suggestion) -> bool:
    """Whether an outline was looked for, and none is there."""
    return suggestion.editable == "outline" and not part.outlines


def warnings(part: FindingSlice, suggestion: Suggestion) -> list[str]:
    """Everything that a reader of one slice of a finding must not miss, wherever it is shown.

    What the status means, a missing outline, the slice's own note, and a classifier that calls
    every slice positive. The page has the other notes of the scan: they are of other slices too,
    of files, or say once more what the slices' own notes say.
    """
    missing = ["No outline."] if lacks_outline(part, suggestion) else []
    note = [part.note] if part.note else []
    target = suggestion.classifier
    threshold = float(suggestion.settings.get("positive_above", 0.5))
    scores = {} if suggestion.of_volume else suggestion.slice_scores
    odd = all_positive(scores, threshold, target.name, target.target_name)
    return [verdict(part), *missing, *note, *([odd] if odd else [])]


def verdict(part: FindingSlice) -> str:
    """Say what the status means for this slice of a finding."""
    if part.status == "drawn by a reader":
        return "A reader drew it; nothing was looked for here, so there is no evidence."
    if part.status == "collapsed":
        return (
            "The contour collapsed: it does not hold what the classifier goes by. "
            "The finding is left out of the exports unless they include weak findings."
        )
    evidence = part.evidence
    if evidence is None:
        return (
            "Nothing was looked for on this slice: it is as sure as the neighbouring slices that "
            "its outline goes on from."
        )
    judged = f"{held(evidence)}p = {p_value(evidence.p_value)}"
    if not part.suggested:
        return (
            f"Random places do as well too often ({judged}): the finding is left out of the "
            "exports unless they include weak findings."
        )
    sentence = f"Random places do not do as well ({judged})."
    if part.status == "suggested":
        return sentence
    return f"{sentence} With it removed the image is still called “{part.label}”."


def held(evidence: Evidence) -> str:
    """In how many altered views a contour holds, to go on from; empty where it is not known."""
    if evidence.views_held is None:
        return ""
    return f"it holds in {evidence.views_held} of {evidence.views_tested} altered views, "


def quality(contour: PlacedContour) -> str:
    """What the maker of a contour says of it, on one line; empty where it says nothing."""
    return ", ".join(
        f"{name.replace('_', ' ')} {value:.2f}" if isinstance(value, float) else f"{name} {value}"
        for name, value in contour.quality.items()
    )


def entries(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and values of a record, as text to list.

    Examples
    --------
    >>> entries({"preset": "fast", "target_area": None, "slices": [0, 40]})
    [('preset', 'fast'), ('target area', 'not set'), ('slices', '[0, 40]')]
    """
    return [(name.replace("_", " "), _entry(value)) for name, value in values.items()]


def _entry(value: Any) -> str:
    if value is None:
        return "not set"
    return value if isinstance(value, str) else json.dumps(value)
