"""Means with bootstrap intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

__all__ = ["mean_interval"]

RESAMPLES = 2000
PART = 200
"""Resamples drawn at once, so that many images need little memory."""


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean and 95 % percentile bootstrap interval of what is not NaN.

    Parameters
    ----------
    values
        One an image. For a paired difference, give the differences.

    Returns
    -------
    tuple of float
        Mean, lower and upper end; the same for the same values. All NaN where there are none; of
        a single value the ends are the value.

    Examples
    --------
    >>> mean_interval([2.0, 2.0, float("nan")])
    (2.0, 2.0, 2.0)
    """
    sample = np.asarray(values, dtype=float)
    sample = sample[~np.isnan(sample)]
    if not len(sample):
        return math.nan, math.nan, math.nan
    chance = np.random.default_rng(0)
    means = [
        sample[chance.integers(len(sample), size=(PART, len(sample)))].mean(1)
        for _ in range(RESAMPLES // PART)
    ]
    low, high = np.percentile(np.concatenate(means), (2.5, 97.5))
    return float(sample.mean()), float(low), float(high)
