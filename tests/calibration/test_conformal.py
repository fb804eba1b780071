"""Conformal p values: exact, whatever the strengths and however the groups are made."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcontour.calibration import conformal_p_value, least_p_value

# Few values, so that ties are common; nothing suggested is one of them.
STRENGTHS = st.sampled_from([-float("inf"), -1.0, 0.0, 0.5, 2.0])
GROUPS = st.lists(st.lists(STRENGTHS, min_size=1, max_size=4), min_size=1, max_size=6)


@given(st.lists(STRENGTHS, min_size=1, max_size=9))
def test_a_new_image_is_as_likely_in_any_place_of_the_order(strengths: list[float]) -> None:
    """Each of n + 1 images could have been the new one: all of these are tried, none is drawn."""
    own = [
        conformal_p_value(new, [[other] for other in strengths[:k] + strengths[k + 1 :]])
        for k, new in enumerate(strengths)
    ]
    for level in own:
        assert sum(p <= level for p in own) <= level * len(own) + 1e-9


@given(GROUPS)
def test_a_new_group_gives_small_values_no_more_often_than_they_say(
    groups: list[list[float]],
) -> None:
    """Each group could have been the new one, and each of its images the one looked at."""
    chances = [
        (conformal_p_value(new, groups[:k] + groups[k + 1 :]), Fraction(1, len(groups) * len(own)))
        for k, own in enumerate(groups)
        for new in own
    ]
    for level, _ in chances:
        as_small = sum(chance for p, chance in chances if p <= level + 1e-12)
        assert float(as_small) <= level + 1e-9


@given(STRENGTHS, st.lists(STRENGTHS, max_size=8))
def test_with_one_image_a_group_it_is_the_usual_formula(own: float, others: list[float]) -> None:
    found = conformal_p_value(own, [[other] for other in others])
    assert found == pytest.approx((1 + sum(o >= own for o in others)) / (len(others) + 1))


@given(STRENGTHS, GROUPS, st.integers(0, 5), st.integers(2, 5))
def test_a_group_that_was_looked_at_more_often_counts_no_more(
    own: float, groups: list[list[float]], which: int, times: int
) -> None:
    repeated = list(groups)
    repeated[which % len(groups)] = groups[which % len(groups)] * times
    assert conformal_p_value(own, repeated) == pytest.approx(conformal_p_value(own, groups))


@given(GROUPS)
def test_what_beats_all_has_the_least_there_is(groups: list[list[float]]) -> None:
    assert conformal_p_value(3.0, groups) == pytest.approx(least_p_value(len(groups)))
    assert conformal_p_value(-float("inf"), groups) == pytest.approx(1.0)
