"""Whether a set's findings are brighter or darker than what surrounds them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Polarity"]


@dataclass(frozen=True)
class Polarity:
    """How many outlines that are right were of something brighter, and how many of darker.

    Examples
    --------
    >>> Polarity(0, 18).expected, Polarity(3, 3).expected, Polarity(0, 0).expected
    (-0.9, 0.0, 0.0)
    """

    brighter: int
    darker: int

    @classmethod
    def of_contrasts(cls, contrasts: Iterable[float | None]) -> Polarity:
        """Count outlines by the sign of their contrast; None has none."""
        known = [contrast for contrast in contrasts if contrast]
        brighter = sum(contrast > 0 for contrast in known)
        return cls(brighter, len(known) - brighter)

    @property
    def expected(self) -> float:
        """From -1 (darker) to 1 (brighter): their difference over their number, and two more.

        Few outlines, and of both kinds, say little (Laplace's rule of succession).
        """
        return (self.brighter - self.darker) / (self.brighter + self.darker + 2)
