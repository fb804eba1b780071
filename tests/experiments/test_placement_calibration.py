"""The p value of the placement test: contours of networks that know nothing seldom pass."""

from __future__ import annotations

import placement_calibration as calibration
import pytest
from scipy.stats import binomtest

from medcontour.explain import PLACEMENT


@pytest.mark.slow
def test_of_contours_of_networks_that_know_nothing_at_most_one_in_twenty_passes() -> None:
    rows = list(calibration.null_rows(12))
    assert {row.images for row in rows} == {"CT phantom", "texture"}
    assert len({row.network for row in rows}) == 3
    for kind in calibration.IMAGES:
        some = [row.p_value <= PLACEMENT.level for row in rows if row.images == kind]
        assert len(some) == 36
        more = binomtest(sum(some), len(some), PLACEMENT.level, alternative="greater")
        assert more.pvalue > PLACEMENT.level, (kind, sum(some))
    assert all(row.evaluations <= 40 for row in rows)


@pytest.mark.slow
def test_the_samples_nodules_pass() -> None:
    rows = list(calibration.sample_rows(slice(12, 16)))
    assert len(rows) >= 2
    assert all(row.p_value <= PLACEMENT.level for row in rows)
