"""How good trust is: whether it says what is right, and how often it is right when it says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from medcontour.calibration.fit import reliability
from medcontour.calibration.trust import ReliabilityBin

__all__ = [
    "Interval",
    "Reliability",
    "area_under_curve",
    "area_under_risk",
    "calibration_error",
    "measured",
    "risk_coverage",
]

FloatArray = npt.NDArray[np.float64]

RESAMPLES = 2000
INSIDE = (2.5, 97.5)


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % percentile bootstrap interval, groups drawn as wholes."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Reliability:
    """How well trust ranks, and how well calibrated it is, on scans that it was not fitted on.

    Attributes
    ----------
    findings, kept, groups
        How many suggested findings, how many of them are right, of how many groups.
    auc
        Probability that a finding that is right has more trust than one that is not; None where
        all are right, or none is.
    calibration_error
        Mean over five parts, from the least to the most trusted, of how far trust lies from the
        share that is right. Few findings make it large by themselves.
    aurc
        Area under the risk-coverage curve: the mean, over how many of the most trusted findings are
        accepted unseen, of the share of them that is wrong.
    aurc_unordered, aurc_best
        The same without any order, and with all that is right before all that is wrong.
    bins
        The five parts.
    risk
        (findings,) share that is wrong among the 1, 2, ... most trusted.
    """

    findings: int
    kept: int
    groups: int
    auc: Interval | None
    calibration_error: Interval
    aurc: Interval
    aurc_unordered: float
    aurc_best: float
    bins: tuple[ReliabilityBin, ...]
    risk: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain values."""
        return asdict(self)


def measured(trust: Sequence[float], kept: Sequence[bool], groups: Sequence[int]) -> Reliability:
    """Measure trust against what turned out to be right.

    Parameters
    ----------
    trust, kept, groups
        Of each suggested finding: its trust, whether it is right, and the number of its group.
    """
    told, right = np.asarray(trust, dtype=float), np.asarray(kept, dtype=bool)
    of = np.asarray(groups)
    auc, error, aurc = (
        _interval(figure, told, right, of)
        for figure in (area_under_curve, calibration_error, area_under_risk)
    )
    return Reliability(
        findings=len(told),
        kept=int(right.sum()),
        groups=len(np.unique(of)),
        auc=None if np.isnan(auc.value) else auc,
        calibration_error=error,
        aurc=aurc,
        aurc_unordered=float(1 - right.mean()),
        aurc_best=area_under_risk(right.astype(float), right),
        bins=reliability(told, right.astype(float)),
        risk=tuple(risk_coverage(told, right).tolist()),
    )


def area_under_curve(trust: FloatArray, kept: npt.NDArray[np.bool_]) -> float:
    """AUC; a tie counts half, and nan where all are right or all are wrong.

    Examples
    --------
    >>> import numpy as np
    >>> area_under_curve(np.array([0.2, 0.4, 0.4]), np.array([False, False, True]))
    0.75
    """
    right = int(kept.sum())
    wrong = len(kept) - right
    if not right or not wrong:
        return float("nan")
    ranks = rankdata(trust)[kept].sum()
    return float((ranks - right * (right + 1) / 2) / (right * wrong))


def calibration_error(trust: FloatArray, kept: npt.NDArray[np.bool_]) -> float:
    """Expected calibration error over five parts with as many findings each.

    Examples
    --------
    >>> import numpy as np
    >>> round(calibration_error(np.array([0.1, 0.9]), np.array([False, True])), 3)
    0.1
    """
    bins = reliability(trust, kept.astype(float))
    return sum(part.count * abs(part.predicted - part.kept) for part in bins) / len(trust)


def risk_coverage(trust: FloatArray, kept: npt.NDArray[np.bool_]) -> FloatArray:
    """(findings,) share that is wrong among the k most trusted, k from 1; ties in any order.

    Examples
    --------
    >>> import numpy as np
    >>> risk_coverage(np.array([0.9, 0.5, 0.5]), np.array([True, True, False])).tolist()
    [0.0, 0.25, 0.3333333333333333]
    """
    levels, which = np.unique(-trust, return_inverse=True)
    wrong = np.bincount(which, weights=~kept, minlength=len(levels)) / np.bincount(which)
    expected = wrong[np.sort(which)]
    return np.asarray(np.cumsum(expected) / np.arange(1, len(trust) + 1))


def area_under_risk(trust: FloatArray, kept: npt.NDArray[np.bool_]) -> float:
    """Mean of `risk_coverage`."""
    return float(risk_coverage(trust, kept).mean())


def _interval(
    figure: Callable[[FloatArray, npt.NDArray[np.bool_]], float],
    trust: FloatArray,
    kept: npt.NDArray[np.bool_],
    groups: npt.NDArray[Any],
) -> Interval:
    rng = np.random.default_rng(0)
    members = [np.flatnonzero(groups == name) for name in np.unique(groups)]
    drawn = []
    for _ in range(RESAMPLES):
        chosen = np.concatenate([members[n] for n in rng.integers(len(members), size=len(members))])
        drawn.append(figure(trust[chosen], kept[chosen]))
    some = [value for value in drawn if not np.isnan(value)]
    low, high = np.percentile(some, INSIDE) if some else (np.nan, np.nan)
    return Interval(figure(trust, kept), float(low), float(high))
