"""The boundaries of one object chosen together: exact, and for what they are to do."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import MultiPolygon, Point

from medcontour.outline.stack import (
    CONTINUITY,
    Candidate,
    choose_together,
    disagreement,
)


def disc(x: float, radius: float) -> MultiPolygon:
    return MultiPolygon([Point(x, 0.0).buffer(radius)])


CANDIDATES = st.builds(
    lambda x, radius, energy: Candidate(disc(x, radius), energy),
    st.floats(-20, 20),
    st.floats(2, 40),
    st.floats(-5, 2),
)


def cost(
    candidates: list[list[Candidate]], heights: list[float], chosen: Sequence[int | None]
) -> float:
    """What a choice costs, said in words of the problem alone."""
    pairs = zip(candidates, chosen, strict=True)
    own = [None if k is None else some[k] for some, k in pairs]
    total = sum(CONTINUITY.nothing if one is None else one.energy for one in own)
    for n in range(1, len(own)):
        one, other, apart = own[n - 1], own[n], abs(heights[n] - heights[n - 1])
        if one is None and other is None:
            continue
        if (
            one is None
            or other is None
            or one.region.distance(other.region) > CONTINUITY.reach * apart
        ):
            total += CONTINUITY.parted
        else:
            total += CONTINUITY.weight * disagreement(one.region, other.region, apart)
    return total


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(CANDIDATES, max_size=3), min_size=1, max_size=4),
    st.lists(st.floats(0.5, 10), min_size=4, max_size=4),
)
def test_the_choice_is_the_best_of_all_there_are(
    candidates: list[list[Candidate]], steps: list[float]
) -> None:
    heights = np.cumsum(steps)[: len(candidates)].tolist()
    chosen = choose_together(candidates, heights)
    every = product(*([*range(len(some)), None] for some in candidates))
    least = min(cost(candidates, heights, one) for one in every)
    assert cost(candidates, heights, chosen) == pytest.approx(least)
    turned = choose_together(candidates[::-1], [-h for h in heights[::-1]])
    assert cost(candidates, heights, turned[::-1]) == pytest.approx(least)


def test_a_clearer_boundary_that_ran_out_gives_way_to_the_one_that_goes_on() -> None:
    small, large = Candidate(disc(0, 5), -3.0), Candidate(disc(10, 60), -4.0)
    heights = [0.0, 3.0, 6.0]
    assert choose_together([[small], [large, small], [small]], heights) == [0, 1, 0]
    barely = Candidate(large.region, -3.0)
    assert choose_together([[small], [barely], [small]], heights) == [0, None, 0]


def test_two_objects_on_neighbouring_slices_are_both_kept() -> None:
    here, there = Candidate(disc(0, 5), -3.0), Candidate(disc(40, 5), -3.0)
    assert choose_together([[here], [here], [there], [there]], [0.0, 3.0, 6.0, 9.0]) == [0] * 4


@given(st.floats(-20, 20), st.floats(2, 40), st.floats(0, 10))
def test_disagreement_is_none_for_the_same_place_and_less_for_slices_far_apart(
    x: float, radius: float, apart: float
) -> None:
    one, other = disc(0, 10), disc(x, radius)
    assert disagreement(one, one, apart) == pytest.approx(0)
    assert disagreement(one, other, apart) == pytest.approx(disagreement(other, one, apart))
    assert 0 <= disagreement(one, other, apart + 1) <= disagreement(one, other, apart) <= 1


def test_as_many_heights_as_slices() -> None:
    assert choose_together([], []) == []
    with pytest.raises(ValueError, match="2 slices have 1 heights"):
        choose_together([[], []], [0.0])
