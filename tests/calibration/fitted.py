"""Judged findings that are made up, with figures that say something of them."""

from __future__ import annotations

import numpy as np

from medcontour.calibration.figures import FIGURES
from medcontour.calibration.fit import Judged


def judged_findings(count: int = 60, seed: int = 0, groups: int = 20) -> list[Judged]:
    """Kept where `edge` is high and `contrast` low, with noise; some figures are missing."""
    rng = np.random.default_rng(seed)
    found = []
    for n in range(count):
        own = dict(zip(FIGURES, rng.normal(size=len(FIGURES)).tolist(), strict=True))
        odds = 2.5 * own["edge"] - 1.5 * own["contrast"]
        kept = bool(rng.random() < 1 / (1 + np.exp(-odds)))
        figures: dict[str, float | None] = dict(own)
        figures["slices"] = 0.0  # never varies
        figures["agreement"] = None  # never there
        if n % 7 == 0:
            figures["preserved"] = None
        found.append(Judged(figures, kept, n % groups))
    return found
