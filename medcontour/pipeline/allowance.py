"""What a scan may cost at most, and which slices are looked at for it: the surest first."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from medcontour.errors import MedcontourError
from medcontour.explain import PRESETS
from medcontour.pipeline.settings import Settings
from medcontour.results import slice_numbers

__all__ = ["Allowance", "most_a_slice"]

AROUND_THE_SEARCH = 15
"""What one slice costs beside the search: background, evidence map, discs, outlines."""

SEVERAL = 10
"""What each of several contours costs beside the search's steps."""

PLACEMENTS = 40
"""What the placement test costs at most: in 4 views 20 pairs each, run forward only."""

TOGETHER = 5
"""What choosing the outlines of a stack together costs: boundaries from two neighbours."""


def most_a_slice(settings: Settings) -> int:
    """Evaluations that one slice costs at most, its placement test among them.

    Examples
    --------
    >>> most_a_slice(Settings())
    100
    """
    preset = PRESETS[settings.preset]
    steps = preset.most_steps
    if settings.most_contours > 1:
        steps = preset.several.steps + SEVERAL * settings.most_contours
    return steps + AROUND_THE_SEARCH + PLACEMENTS + TOGETHER


@dataclass
class Allowance:
    """What is left for a scan.

    Attributes
    ----------
    left
        Evaluations; None where there is no limit.
    until
        `time.perf_counter` when the work is to be done; None where there is no limit.
    a_slice
        Evaluations that a slice costs at most.
    """

    left: float | None
    until: float | None
    a_slice: int
    looked_at: int = field(default=0, init=False)
    since: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        if self.left is not None and self.left < self.a_slice:
            raise MedcontourError(
                f"{self.left:g} evaluations are too few: one slice may cost {self.a_slice}; allow "
                "that many or more."
            )

    def next(
        self, waiting: Sequence[int], scores: Mapping[int, float], size: int
    ) -> tuple[int, ...]:
        """Give the slices to look at now, in order; none when not even one can be paid for.

        All of them where all can be paid for; else at most `size` of those with the highest
        scores, and then ask again: most slices cost less than they may. Where time is short, one
        slice shows first how long they take.
        """
        count = len(waiting)
        if self.left is not None:
            count = min(count, int(self.left // self.a_slice))
        if self.until is not None:
            count = min(count, size, self._in_time())
        if count < len(waiting):
            count = min(count, size)
        return tuple(sorted(sorted(waiting, key=lambda k: -scores[k])[:count]))

    def pay(self, evaluations: Sequence[float]) -> None:
        """Take off what the slices of one batch cost, each."""
        self.looked_at += len(evaluations)
        if self.left is not None:
            self.left -= sum(evaluations)

    def left_out(self, waiting: Sequence[int], label: str) -> list[str]:
        """Say which slices could not be paid for, as a note; none when all were."""
        if not waiting:
            return []
        return [
            f"{len(waiting)} slices called {label} were not looked at, since the evaluations or "
            f"the time allowed were spent on the surest: {slice_numbers(waiting)}."
        ]

    def _in_time(self) -> int:
        """How many slices there is time for, at the pace so far."""
        assert self.until is not None
        now = time.perf_counter()
        if not self.looked_at:
            self.since = now
            return int(now < self.until)
        return max(0, int((self.until - now) * self.looked_at / (now - self.since)))
