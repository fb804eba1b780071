"""Trust that goes by one figure alone."""

from __future__ import annotations

from medcontour.calibration.figures import FIGURES
from medcontour.calibration.trust import ReliabilityBin, Trust


def trust_by(name: str) -> Trust:
    """Log-odds of trust are the figure itself."""
    return Trust(
        means=dict.fromkeys(FIGURES, 0.0),
        spreads=dict.fromkeys(FIGURES, 1.0),
        weights=dict.fromkeys(FIGURES, 0.0) | {name: 1.0},
        intercept=0.0,
        penalty=1.0,
        findings=20,
        kept=10,
        groups=10,
        reliability=(ReliabilityBin(20, 0.5, 0.5),),
    )
