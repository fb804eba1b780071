"""By what the presets' contours are held level, and what counts as failed."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SPEED", "SpeedProtocol"]


@dataclass(frozen=True)
class SpeedProtocol:
    """The constants of the speed comparison.

    Attributes
    ----------
    batch
        Images searched together. Fixed: the rounding of a batch moves single contours.
    level
        What the objective (`Workload`) may differ by and still be level: a hundredth of what the
        class's score falls from the image to its background.
    least_effect, least_pixels, largest_fraction
        A contour has failed whose preserved and deleted similarity differ by less, or that covers
        fewer pixels or a larger share of the image: what `suggest` calls collapsed.
    shares
        Of a preset's most evaluations: where the contour on the way is judged as well, closer
        together at the start, where most is gained.
    budgets
        Evaluations after which the fast preset is held against the paper's as well.
    fast_evaluations
        The most that the fast preset spends on an image: the discs, a search, and its polish.
    step_pairs, steps
        Timings of a step against the bare pass whose median is given, and steps in each: short
        enough that the machine's load is the same within a pair.
    """

    batch: int = 4
    level: float = 0.01
    least_effect: float = 0.1
    least_pixels: int = 4
    largest_fraction: float = 0.7
    shares: tuple[float, ...] = (
        0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0,
    )  # fmt: skip
    budgets: tuple[float, ...] = (25.0, 50.0)
    fast_evaluations: float = 50.0
    step_pairs: int = 9
    steps: int = 4


SPEED = SpeedProtocol()
