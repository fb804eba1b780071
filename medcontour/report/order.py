"""Which findings deserve a look first."""

from __future__ import annotations

from medcontour.report import words
from medcontour.results.finding import Finding
from medcontour.results.model import Suggestion
from medcontour.results.parts import FindingSlice
from medcontour.results.status import STATUSES

__all__ = ["BY_TRUST", "LOOK_FIRST", "look_first", "rule"]

LOOK_FIRST = (
    "Those that deserve a look first are at the top: the weakest status first, then those with "
    "outlines left out, then those with warnings on more of their slices, then those whose "
    "evidence holds in fewer altered views or by itself keeps a lower score."
)

BY_TRUST = (
    "Those that deserve a look first are at the top: what is not suggested, then what is, "
    "the least trusted first."
)


def rule(suggestion: Suggestion) -> str:
    """Say by which rule `look_first` orders the findings, in a sentence for the page."""
    return LOOK_FIRST if not _calibrated(suggestion) else BY_TRUST


def _calibrated(suggestion: Suggestion) -> bool:
    return any(finding.trust is not None for finding in suggestion.findings)


def look_first(suggestion: Suggestion) -> list[Finding]:
    """Give the findings, those in most doubt first; each keeps its number.

    Where findings have trust, those without it (not suggested) come first, then the least trusted;
    what a reader drew is last. Where they have none, or are level, one rule after the other:

    1. the weakest status (`STATUSES` backwards); what a reader drew has been looked at: last,
    2. the largest share of its slices without an outline, where outlines were looked for,
    3. the largest share of its slices with a note,
    4. the smallest share of altered views in which the evidence holds,
    5. the lowest probability with the inside of the evidence alone (preserved),
    6. the number.

    Evidence (4, 5) counts on the slice that is worst off among those with the finding's own
    status. Slices that an outline goes on to count nowhere: they were not judged.
    """
    return sorted(suggestion.findings, key=lambda finding: _sureness(finding, suggestion))


def _sureness(finding: Finding, suggestion: Suggestion) -> tuple[float, ...]:
    """What findings are ordered by, the least sure first."""
    drawn = finding.status == "drawn by a reader"
    judged = [part for part in finding.slices if not words.continued(part)]
    bare = sum(words.lacks_outline(part, suggestion) for part in judged)
    noted = sum(bool(part.note) for part in judged)
    basis = [part for part in judged if part.status == finding.status and part.evidence]
    return (
        drawn,
        -1.0 if finding.trust is None or drawn else finding.trust,
        -STATUSES.index(finding.status),
        -bare / max(len(judged), 1),
        -noted / max(len(judged), 1),
        min((_views_held(part) for part in basis), default=1.0),
        min((part.evidence.preserved for part in basis if part.evidence), default=1.0),
        finding.number or 0,
    )


def _views_held(part: FindingSlice) -> float:
    """The share of altered views in which the evidence holds; 1 where that is not known."""
    evidence = part.evidence
    if evidence is None or evidence.views_held is None or not evidence.views_tested:
        return 1.0
    return evidence.views_held / evidence.views_tested
