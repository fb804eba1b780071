"""Figures of trust against slow and plain ways to count them."""

from __future__ import annotations

import math
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcontour.checked.reliability import (
    area_under_curve,
    area_under_risk,
    calibration_error,
    measured,
    risk_coverage,
)

# Ties are common.
FINDINGS = st.lists(
    st.tuples(st.sampled_from([0.1, 0.3, 0.3, 0.7, 0.9]), st.booleans()), min_size=2, max_size=12
)


def arrays(findings: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([t for t, _ in findings]), np.array([k for _, k in findings])


@given(FINDINGS)
def test_auc_is_the_share_of_pairs_in_the_right_order(findings: list[tuple[float, bool]]) -> None:
    right = [t for t, kept in findings if kept]
    wrong = [t for t, kept in findings if not kept]
    found = area_under_curve(*arrays(findings))
    if not right or not wrong:
        assert math.isnan(found)
        return
    pairs = [(a > b) + (a == b) / 2 for a, b in product(right, wrong)]
    assert found == pytest.approx(sum(pairs) / len(pairs))


@given(FINDINGS, st.randoms(use_true_random=False))
def test_risk_is_the_mean_over_all_orders_of_ties(findings: list[tuple[float, bool]], rnd) -> None:
    """Accepting all of them leaves the share that is wrong, in whatever order they are given."""
    risk = risk_coverage(*arrays(findings))
    shuffled = list(findings)
    rnd.shuffle(shuffled)
    assert risk_coverage(*arrays(shuffled)) == pytest.approx(risk)
    wrong = np.mean([not kept for _, kept in findings])
    assert risk[-1] == pytest.approx(wrong)
    best = max(t for t, _ in findings)
    assert risk[0] == pytest.approx(np.mean([not kept for t, kept in findings if t == best]))
    level = np.full(len(findings), 0.5)
    assert area_under_risk(level, arrays(findings)[1]) == pytest.approx(wrong)


@given(FINDINGS)
def test_no_order_is_better_than_right_before_wrong(findings: list[tuple[float, bool]]) -> None:
    trust, kept = arrays(findings)
    best = area_under_risk(kept.astype(float), kept)
    assert best <= area_under_risk(trust, kept) + 1e-9
    assert area_under_risk(trust, kept) <= area_under_risk(1.0 - kept, kept) + 1e-9


def test_trust_that_says_how_often_it_is_right_has_no_calibration_error() -> None:
    trust = np.repeat([0.0, 0.25, 0.5, 0.75, 1.0], 4)
    kept = np.concatenate([np.arange(4) < 4 * t for t in (0.0, 0.25, 0.5, 0.75, 1.0)])
    assert calibration_error(trust, kept) == pytest.approx(0)
    assert calibration_error(np.full(20, 0.5), np.ones(20, bool)) == pytest.approx(0.5)


def test_intervals_are_of_groups_and_not_of_findings() -> None:
    """Findings that are copies of each other within groups say no more than one each."""
    rng = np.random.default_rng(0)
    trust = rng.random(40)
    kept = rng.random(40) < trust
    groups = np.arange(40)
    one = measured(trust, kept, groups)
    many = measured(*(np.repeat(values, 5) for values in (trust, kept, groups)))
    assert (one.groups, many.groups) == (40, 40)
    assert one.auc is not None
    assert many.auc is not None
    assert many.auc.value == pytest.approx(one.auc.value)
    assert many.auc.high - many.auc.low == pytest.approx(one.auc.high - one.auc.low, rel=0.1)
    assert one.auc.low < one.auc.value < one.auc.high
    assert all(a.predicted <= b.predicted for a, b in pairwise(one.bins))


def test_without_anything_wrong_there_is_no_auc() -> None:
    known = measured([0.2, 0.9], [True, True], [0, 1])
    assert known.auc is None
    assert known.aurc.value == known.aurc_unordered == 0
