"""Findings that deserve a look first are at the top, and keep their numbers."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from report_page import Report

from medcontour.report.order import BY_TRUST, LOOK_FIRST, look_first
from medcontour.results import make_finding

SURE_FIRST = (
    {},
    {"preserved": 0.6},
    {"views_held": 3},
    {"note": "Look at this."},
    {"outlines": ()},
    {"status": "suggested, deletion keeps the class"},
    {"status": "no better than random places"},
    {"status": "collapsed"},
)
"""Each deserves a look before all those above it."""


def part(case: Any, **changes: Any) -> Any:
    sure = case.suggestion.slices[0]
    of_evidence = {k: changes.pop(k) for k in ("preserved", "views_held") if k in changes}
    return replace(sure, evidence=replace(sure.evidence, **of_evidence), **changes)


def drawn(case: Any) -> Any:
    return replace(case.suggestion.slices[0], status="drawn by a reader", evidence=None)


@pytest.mark.parametrize("pair", list(permutations(range(len(SURE_FIRST)), 2)))
def test_the_more_doubtful_is_first(case: Any, pair: tuple[int, int]) -> None:
    """Whichever of the two has the lower number."""
    suggestion = case.with_findings(*(part(case, **SURE_FIRST[n]) for n in pair))
    ordered = [finding.number for finding in look_first(suggestion)]
    assert ordered == ([1, 2] if pair[0] > pair[1] else [2, 1])


def test_level_findings_go_by_number_and_readers_own_come_last(case: Any) -> None:
    suggestion = case.with_findings(drawn(case), part(case), part(case))
    assert [finding.number for finding in look_first(suggestion)] == [2, 3, 1]


def test_slices_that_an_outline_goes_on_to_are_no_doubt(case: Any, contour_of: Any) -> None:
    """They always have a note and never evidence; nothing was judged there."""
    onward = replace(
        part(case, note="The outline goes on."), slice=2, evidence=None, evidence_contours=()
    )
    with_onward = make_finding([part(case), onward], 1, case.scan)
    noted = make_finding([part(case, note="Look at this.")], 2, case.scan)
    suggestion = replace(case.suggestion, findings=(with_onward, noted))
    assert [finding.number for finding in look_first(suggestion)] == [2, 1]


def test_no_outline_is_no_doubt_where_none_was_looked_for(case: Any) -> None:
    parts = [part(case, outlines=(), preserved=p) for p in (0.6, 0.9)]
    suggestion = case.with_findings(*parts, settings={"outline": "none"})
    assert [finding.number for finding in look_first(suggestion)] == [1, 2]


def test_the_page_says_and_follows_the_rule(case: Any, report: Report) -> None:
    """In the table and in the cards alike."""
    page = report(case.with_findings(part(case), part(case, status="collapsed", outlines=())))
    assert LOOK_FIRST in page.words
    table = page.words.split("Volume", 1)[1].split("Hide the curves", 1)[0]
    assert table.index("nodule 2") < table.index("nodule 1")
    assert page.words.index("nodule 2: slice") < page.words.index("nodule 1: slice")
    assert LOOK_FIRST not in report().words  # one finding has no order


def test_with_trust_the_least_trusted_is_first_whatever_its_status(
    case: Any, report: Report
) -> None:
    """What is not suggested has none and comes before; what a reader drew comes last."""
    parts = (part(case), drawn(case), part(case, status="suggested, deletion keeps the class"),
             part(case, note="Look."), part(case, status="collapsed"))  # fmt: skip
    suggestion = case.with_findings(*parts)
    given = zip(suggestion.findings, (0.2, None, 0.9, 0.5, None), strict=True)
    trusted = replace(suggestion, findings=tuple(replace(f, trust=t) for f, t in given))
    assert [finding.number for finding in look_first(trusted)] == [5, 1, 4, 3, 2]
    page = report(trusted)
    assert BY_TRUST in page.words
    for said in ("likely redrawn (0.20)", "doubtful (0.50)", "likely kept (0.90)"):
        assert page.words.count(said) == 3, "in the overview, beside the name, among the figures"
