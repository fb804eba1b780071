"""Fits trust: logistic regression whose penalty is chosen by cross-validation over groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from medcontour.calibration.figures import FIGURES
from medcontour.calibration.trust import FARTHEST, ReliabilityBin, Trust

__all__ = ["LEAST_OF_EACH", "Judged", "fit_trust", "out_of_fold", "too_few"]

FloatArray = npt.NDArray[np.float64]

PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
FOLDS = 5
BINS = 5
LEAST_OF_EACH = 10
"""Findings that are kept, and that are not, below which nothing is fitted; and as many groups."""


@dataclass(frozen=True)
class Judged:
    """One suggested finding of a checked scan.

    Attributes
    ----------
    figures
        As `medcontour.calibration.figures.figures` gives them.
    kept
        Whether a reader keeps it.
    group
        Findings of one number hang together (a patient's).
    """

    figures: Mapping[str, float | None]
    kept: bool
    group: int


def too_few(judged: Sequence[Judged]) -> str:
    """Say why trust cannot be fitted from these; empty where it can."""
    kept = sum(each.kept for each in judged)
    groups = len({each.group for each in judged})
    if min(kept, len(judged) - kept, groups) >= LEAST_OF_EACH:
        return ""
    return (
        f"No trust is fitted: of {len(judged)} suggested findings whose scans say whether they are "
        f"right, of {groups} groups, {kept} are kept; {LEAST_OF_EACH} kept, {LEAST_OF_EACH} not "
        f"kept and {LEAST_OF_EACH} groups are needed."
    )


def fit_trust(judged: Sequence[Judged]) -> Trust:
    """Fit trust to findings of checked scans (`too_few` says whether there are enough).

    Folds are of whole groups. The penalty is the one with the best log-likelihood on what was left
    out; reliability is of predictions for which penalty and weights were chosen without the group.
    """
    values, kept, groups = _arrays(judged)
    penalty = _penalty(values, kept, groups)
    means, spreads = _scale(values)
    weights, intercept = _fit(_standard(values, means, spreads), kept, penalty)
    predicted = out_of_fold(judged)

    def named(numbers: FloatArray) -> dict[str, float]:
        return dict(zip(FIGURES, numbers.tolist(), strict=True))

    return Trust(
        means=named(means),
        spreads=named(spreads),
        weights=named(weights),
        intercept=intercept,
        penalty=penalty,
        findings=len(judged),
        kept=int(kept.sum()),
        groups=len(np.unique(groups)),
        reliability=reliability(predicted, kept),
    )


def out_of_fold(judged: Sequence[Judged]) -> FloatArray:
    """(findings,) trust of each by a fit that did not see its group, penalty and all."""
    values, kept, groups = _arrays(judged)
    predicted = np.full(len(kept), np.nan)
    for held in _folds(groups):
        rest = ~held
        penalty = _penalty(values[rest], kept[rest], groups[rest])
        predicted[held] = _predict(values[rest], kept[rest], penalty, values[held])
    return predicted


def reliability(predicted: FloatArray, kept: FloatArray) -> tuple[ReliabilityBin, ...]:
    """Bins with as many findings each, by predicted trust.

    Examples
    --------
    >>> import numpy as np
    >>> low, high = reliability(np.array([0.2, 0.8]), np.array([0.0, 1.0]))
    >>> low.count, low.predicted, high.kept
    (1, 0.2, 1.0)
    """
    order = np.argsort(predicted, kind="stable")
    bins = [part for part in np.array_split(order, BINS) if len(part)]
    return tuple(
        ReliabilityBin(len(part), float(predicted[part].mean()), float(kept[part].mean()))
        for part in bins
    )


def _arrays(judged: Sequence[Judged]) -> tuple[FloatArray, FloatArray, npt.NDArray[np.int64]]:
    values = [[each.figures[name] for name in FIGURES] for each in judged]
    return (
        np.array(values, dtype=np.float64),  # None becomes nan
        np.array([each.kept for each in judged], dtype=np.float64),
        np.array([each.group for each in judged], dtype=np.int64),
    )


def _folds(groups: npt.NDArray[np.int64]) -> list[npt.NDArray[np.bool_]]:
    """Masks of whole groups, the same every time; whatever is predicted, no label decides them."""
    names = np.unique(groups)
    dealt = names[np.random.default_rng(0).permutation(len(names))]
    return [np.isin(groups, dealt[fold::FOLDS]) for fold in range(min(FOLDS, len(dealt)))]


def _penalty(values: FloatArray, kept: FloatArray, groups: npt.NDArray[np.int64]) -> float:
    losses = []
    for penalty in PENALTIES:
        loss = 0.0
        for held in _folds(groups):
            trust = _predict(values[~held], kept[~held], penalty, values[held])
            loss -= special.xlogy(kept[held], trust).sum()
            loss -= special.xlog1py(1 - kept[held], -trust).sum()
        losses.append(loss)
    return PENALTIES[int(np.argmin(losses))]


def _predict(
    values: FloatArray, kept: FloatArray, penalty: float, wanted: FloatArray
) -> FloatArray:
    means, spreads = _scale(values)
    weights, intercept = _fit(_standard(values, means, spreads), kept, penalty)
    return np.asarray(special.expit(_standard(wanted, means, spreads) @ weights + intercept))


def _scale(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and spread of each figure where it is there; 0 and 0 where it never is."""
    there = ~np.isnan(values)
    count = np.maximum(there.sum(0), 1)
    means = np.where(there, values, 0.0).sum(0) / count
    spreads = np.sqrt((np.where(there, values - means, 0.0) ** 2).sum(0) / count)
    return means, np.where(spreads > 1e-9, spreads, 0.0)


def _standard(values: FloatArray, means: FloatArray, spreads: FloatArray) -> FloatArray:
    scaled = (values - means) / np.where(spreads > 0, spreads, 1.0)
    inside = np.clip(scaled, -FARTHEST, FARTHEST)
    return np.where(np.isnan(scaled) | (spreads == 0), 0.0, inside)


def _fit(values: FloatArray, kept: FloatArray, penalty: float) -> tuple[FloatArray, float]:
    """Weights and intercept, which alone is not penalised."""
    signs = 2 * kept - 1
    # A tenth of a finding of either kind keeps the intercept finite where all are of one kind.
    prior = 0.1

    def loss(all_weights: FloatArray) -> tuple[float, FloatArray]:
        weights, intercept = all_weights[:-1], all_weights[-1]
        odds = values @ weights + intercept
        total = -special.log_expit(signs * odds).sum() + penalty / 2 * (weights**2).sum()
        total -= prior * (special.log_expit(intercept) + special.log_expit(-intercept))
        of_odds = -signs * special.expit(-signs * odds)
        of_intercept = of_odds.sum() + prior * (2 * special.expit(intercept) - 1)
        return total, np.append(values.T @ of_odds + penalty * weights, of_intercept)

    start = np.zeros(values.shape[1] + 1)
    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B").x
    return found[:-1], float(found[-1])
