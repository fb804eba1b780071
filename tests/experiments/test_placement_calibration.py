"""The p value of the placement test: contours of networks that know nothing seldom pass."""

from __future__ import annotations

from pathlib import Path

import placement_calibration as calibration
import pytest
from scipy.stats import binomtest

from medcontour.explain import PLACEMENT


@pytest.mark.slow
def test_of_contours_of_networks_that_know_nothing_at_most_one_in_twenty_passes() -> None:
    rows = list(calibration.null_rows(12))
    assert {row.images for row in rows} == {"CT phantom", "texture"}
    assert len({row.network for row in rows}) == 3
    for kind in (*calibration.IMAGES, *dict.fromkeys(row.network for row in rows)):
        some = [row.p_value <= PLACEMENT.level for row in rows if kind in (row.images, row.network)]
        assert len(some) >= 24
        more = binomtest(sum(some), len(some), PLACEMENT.level, alternative="greater")
        assert more.pvalue > PLACEMENT.level, (kind, sum(some))
    assert all(row.evaluations <= 40 for row in rows)


@pytest.mark.slow
def test_the_samples_nodules_pass() -> None:
    rows = list(calibration.sample_rows(slice(12, 16)))
    assert len(rows) >= 2
    assert all(row.p_value <= PLACEMENT.level for row in rows)


@pytest.mark.slow
@pytest.mark.shared_data
def test_real_lesions_pass(shared_data: Path) -> None:
    rows = list(calibration.lesion_rows(shared_data, 6))
    assert {row.images for row in rows} == {"breast lesions", "brain tumours"}
    held = [row.p_value <= PLACEMENT.level for row in rows]
    assert len(held) >= 12
    told = binomtest(sum(held), len(held), PLACEMENT.level, alternative="greater")
    assert told.pvalue < 1e-6, sum(held)
