"""What is compared on the tuning part, and what was chosen there."""

from __future__ import annotations

from dataclasses import dataclass

LABELS = ("no lesion", "lesion")
SPLITS = {"train": 0.60, "tune": 0.15, "validation": 0.25}
SEED = 2020
SIZE = 160
"""Side of the square that the network sees, in pixels."""
BATCH = 16
"""Training images a step, half of them with a lesion."""
SAME_PATIENT = 0.6
"""High-pass thumbnail correlation from which two images count as near duplicates."""


@dataclass(frozen=True)
class Recipe:
    """What differs between the training runs that are compared on the tuning part.

    Attributes
    ----------
    marks : share of images that get drawn calipers and text.
    border_mix : share of images whose surroundings are taken from another image of either class.
    local : weight of the loss on the strongest place of the class map beside the mean over it.
        Places in images without a lesion must then all say "no lesion".
    steps : optimiser steps of ``BATCH`` images.
    rate : highest learning rate of the one-cycle schedule.
    after : name of the recipe whose weights it starts from; random weights without.
    """

    marks: float = 0.5
    border_mix: float = 0.0
    local: float = 0.0
    steps: int = 900
    rate: float = 3e-3
    after: str = ""


RECIPES = {
    "marks": Recipe(),
    "marks, borders, local at once": Recipe(border_mix=0.5, local=0.5),
    "marks, then borders and local": Recipe(
        border_mix=0.4, local=0.5, steps=600, rate=1.5e-3, after="marks"
    ),
    "marks, then borders and local for longer": Recipe(
        border_mix=0.5, local=0.5, steps=1500, rate=2e-3, after="marks"
    ),
}
CHOSEN = "marks, then borders and local"
