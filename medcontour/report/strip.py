"""The strip of score against slice, as numbers to draw."""

from __future__ import annotations

from dataclasses import dataclass

from medcontour.report import words
from medcontour.results.model import Suggestion
from medcontour.results.numbering import slice_numbers
from medcontour.results.status import STATUSES, Status

__all__ = ["Bar", "Strip", "make_strip"]


@dataclass(frozen=True)
class Bar:
    """One slice: its score as a bar, and its strongest finding's status, empty for none."""

    x: float
    y: float
    width: float
    height: float
    status: str
    title: str

    @property
    def middle(self) -> float:
        """Where its marker stands."""
        return self.x + self.width / 2


@dataclass(frozen=True)
class Strip:
    """A bar chart in SVG's coordinates; (left, top) to (right, base) holds the bars."""

    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, int], ...]
    statuses: tuple[Status, ...]
    threshold: float | None
    alt: str
    left: float = 36.0
    right: float = 552.0
    top: float = 22.0
    base: float = 142.0


def make_strip(suggestion: Suggestion) -> Strip | None:
    """Lay out the bars; None where no more than one slice, or the stack as a whole, was scored."""
    scores = suggestion.slice_scores
    if len(scores) < 2 or suggestion.of_volume:
        return None
    slices = suggestion.scan.shape[0]
    step = (Strip.right - Strip.left) / slices
    height = Strip.base - Strip.top
    found: dict[int, Status] = {}
    for part in suggestion.slices:
        rival = found.get(part.slice, part.status)
        found[part.slice] = min(part.status, rival, key=STATUSES.index)
    bars = tuple(
        Bar(
            x=Strip.left + step * (k + 0.1),
            y=Strip.base - height * score,
            width=0.8 * step,
            height=height * score,
            status=found.get(k, ""),
            title=f"Slice {slice_numbers([k])}: {words.probability(score)}"
            + (f", {found[k]}" if k in found else ""),
        )
        for k, score in sorted(scores.items())
    )
    threshold = suggestion.settings.get("positive_above")
    best = max(scores, key=lambda k: scores[k])
    return Strip(
        bars=bars,
        ticks=tuple((Strip.left + step * (n - 0.5), n) for n in _ticks(slices)),
        statuses=tuple(status for status in STATUSES if status in found.values()),
        threshold=Strip.base - height * threshold if isinstance(threshold, float) else None,
        alt=f"Score of each of {len(scores)} slices; the highest is "
        f"{words.probability(scores[best])} on slice {slice_numbers([best])}. "
        f"{len(found)} slices have findings.",
    )


def _ticks(slices: int) -> list[int]:
    """Slice numbers to write, from 1: at most eleven."""
    step = next(
        step for power in range(9) for step in (10**power, 2 * 10**power, 5 * 10**power)
        if slices / step <= 10
    )  # fmt: skip
    return sorted({1, *range(step, slices + 1, step)})
