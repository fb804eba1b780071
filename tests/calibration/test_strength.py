"""The one number that findings are compared by."""

from __future__ import annotations

import math

import pytest

from medcontour.calibration import strength
from medcontour.results import Evidence, Finding, FindingSlice
from medcontour.results.status import Status


def part(k: int, score: float, preserved: float, status: Status = "suggested") -> FindingSlice:
    evidence = Evidence(preserved, 0.1, 0.1, 0.1, 0.1, 0.05, 19, 45.0, 40.0, 0.2)
    return FindingSlice(k, None, "lesion", score, status, evidence, (), ())


def of(*parts: FindingSlice) -> float:
    return strength(Finding("x", 1, "lesion", parts))


@pytest.mark.parametrize(("score", "preserved"), [(0.9, 0.6), (0.6, 0.9)])
def test_it_is_no_stronger_than_the_weaker_of_score_and_evidence(
    score: float, preserved: float
) -> None:
    assert of(part(0, score, preserved)) == pytest.approx(math.log(0.6 / 0.4))


def test_the_best_slice_counts_and_what_is_not_suggested_does_not() -> None:
    best, weak = part(0, 0.8, 0.7), part(1, 0.6, 0.55)
    outdone = part(2, 0.99, 0.99, "no better than random places")
    assert of(best, weak, outdone) == of(best) > of(weak)
    assert of(outdone) == -math.inf


def test_certainty_is_a_finite_number() -> None:
    assert math.isfinite(of(part(0, 1.0, 1.0)))
