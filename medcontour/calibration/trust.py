"""Trust: the probability that a reader keeps a suggestion, from figures that it has already."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medcontour.calibration.figures import FIGURES, figures
from medcontour.results.finding import Finding

__all__ = ["FARTHEST", "ReliabilityBin", "Trust"]

FARTHEST = 3.0
"""Spreads from the mean beyond which a figure counts for no more: no single one decides."""


@dataclass(frozen=True)
class ReliabilityBin:
    """Findings of similar trust, each predicted by a fit that had not seen its group.

    Attributes
    ----------
    count
        How many.
    predicted
        Their mean trust.
    kept
        The share of them that was kept.
    """

    count: int
    predicted: float
    kept: float


@dataclass(frozen=True)
class Trust:
    """A regularised logistic regression of "kept" on `FIGURES`.

    Attributes
    ----------
    means, spreads
        Of each figure on the checked findings; one that is missing counts as the mean, one far
        from it as `FARTHEST`, one that never varies has a spread of 0 and no weight.
    weights
        Of the standardised figures.
    intercept
        Log-odds where all figures are at their means.
    penalty
        Of the squared weights, chosen by cross-validation.
    findings, kept, groups
        On how many findings of how many groups it was fitted, and how many of them were kept.
    reliability
        Predicted against kept, out of fold.
    """

    means: Mapping[str, float]
    spreads: Mapping[str, float]
    weights: Mapping[str, float]
    intercept: float
    penalty: float
    findings: int
    kept: int
    groups: int
    reliability: tuple[ReliabilityBin, ...]

    def of_finding(self, finding: Finding) -> float:
        """Probability that a reader keeps the finding's outline."""
        return self.of_figures(figures(finding))

    def of_figures(self, values: Mapping[str, float | None]) -> float:
        """The same of its figures."""
        total = self.intercept
        for name in FIGURES:
            value, spread = values[name], self.spreads[name]
            if value is not None and spread > 0:
                far = (value - self.means[name]) / spread
                total += self.weights[name] * max(-FARTHEST, min(FARTHEST, far))
        return 1 / (1 + math.exp(-max(-700.0, min(700.0, total))))

    def beyond(self, values: Mapping[str, float | None]) -> tuple[str, ...]:
        """Name the figures of a finding that lie more than `FARTHEST` spreads from their means.

        Nothing like it was among the findings that trust was fitted on: it says less there.
        """
        return tuple(
            name
            for name in FIGURES
            if (value := values[name]) is not None
            and abs(value - self.means[name]) > FARTHEST * self.spreads[name] > 0
        )

    def to_dict(self) -> dict[str, Any]:
        """Give it as the calibration file holds it."""
        return {
            "figures": [
                {
                    "name": name,
                    "mean": self.means[name],
                    "spread": self.spreads[name],
                    "weight": self.weights[name],
                }
                for name in FIGURES
            ],
            "intercept": self.intercept,
            "penalty": self.penalty,
            "findings": self.findings,
            "kept": self.kept,
            "groups": self.groups,
            "reliability": [
                {"count": each.count, "predicted": each.predicted, "kept": each.kept}
                for each in self.reliability
            ],
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Trust:
        """Read what `to_dict` gave.

        Raises
        ------
        ValueError
            Where its figures are not those of this version.
        """
        by_name = {each["name"]: each for each in document["figures"]}
        if set(by_name) != set(FIGURES) or len(document["figures"]) != len(FIGURES):
            raise ValueError("its trust goes by other figures than this version's")
        return cls(
            means={name: float(by_name[name]["mean"]) for name in FIGURES},
            spreads={name: float(by_name[name]["spread"]) for name in FIGURES},
            weights={name: float(by_name[name]["weight"]) for name in FIGURES},
            intercept=float(document["intercept"]),
            penalty=float(document["penalty"]),
            findings=int(document["findings"]),
            kept=int(document["kept"]),
            groups=int(document["groups"]),
            reliability=tuple(
                ReliabilityBin(int(b["count"]), float(b["predicted"]), float(b["kept"]))
                for b in document["reliability"]
            ),
        )
