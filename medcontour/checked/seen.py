"""What was suggested on one checked scan, as its record holds it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Seen", "SeenFinding"]


@dataclass(frozen=True)
class SeenFinding:
    """A suggested finding: its strength, its figures, and whether it is right, where known."""

    strength: float
    figures: dict[str, float | None]
    kept: bool | None


@dataclass(frozen=True)
class Seen:
    """What was suggested on one scan: nothing that says which scan it was."""

    findings: tuple[SeenFinding, ...]

    @property
    def strength(self) -> float:
        """Of the strongest suggestion; ``-inf`` where there is none."""
        return max((finding.strength for finding in self.findings), default=-math.inf)

    def to_dict(self) -> dict[str, Any]:
        """Give plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Seen:
        """Take what `to_dict` gave."""
        return cls(tuple(SeenFinding(**finding) for finding in record["findings"]))
