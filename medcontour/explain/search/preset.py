"""Presets: how contours are searched, and at what cost."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from medcontour.contour import Parametrisation
from medcontour.explain.choices import AREA_WEIGHT

__all__ = ["PRESETS", "JointSearch", "Polish", "Preset"]


@dataclass(frozen=True)
class JointSearch:
    """How several contours of an image are searched together (Eq. 11).

    Attributes
    ----------
    steps
        Gradient steps, one evaluation each however many contours there are.
    rates
        Learning rates of center, size, harmonics and frame.
    one_cycle
        Raise the rates and let them fall again; otherwise they are constant.
    soft_maximum
        Whether the mask on the way is the logistic function of the log-sum-exp of the contours'
        logits, which leaves fewer of them without a gradient than Eq. 11's maximum.
    sharpness
        tau at the first step, annealed to 100.
    spectral_weight
        lambda_r of Eq. 5, for each contour.
    """

    steps: int
    rates: dict[str, float]
    one_cycle: bool
    soft_maximum: bool
    sharpness: float
    spectral_weight: float


@dataclass(frozen=True)
class Polish:
    """A soft search from what was found, at small rates and with the whole price of area.

    Attributes
    ----------
    steps
        One evaluation each.
    rates
        Learning rates of center, size, harmonics and frame, raised and let fall again.
    sharpness
        tau at the first step, annealed to 100.
    above
        The loss above which there is something left to win: contours below are left as they are.
    """

    steps: int
    rates: dict[str, float]
    sharpness: float
    above: float = -math.inf


@dataclass(frozen=True)
class Preset:
    """How contours are searched.

    Attributes
    ----------
    name
        ``"paper"``, ``"fast"`` or ``"thorough"``.
    steps
        Steps of the soft search (`soft_search`), one evaluation each.
    model_steps
        Steps of the search by a linear model (`model_search`), where the most promising disc says
        that the evidence is compact; 0 leaves it and the evidence map out.
    parametrisation, harmonics, frame
        The curve: how the radius is parametrised, K, and whether the anisotropic frame is free.
        The model search wants ``log``.
    rates
        Learning rates of center, size, harmonics and frame in the soft search.
    one_cycle
        Raise the rate over the first third of the steps, then let it fall to nearly zero;
        otherwise it is constant.
    betas, weight_decay
        AdamW's. The decay pulls the center to the middle: the paper's default, zero in ours.
    sharpness
        tau at the first step, annealed to 100 by Eq. 14's cosine (in its logarithm for
        `one_cycle`, so that the soft phase is not skipped when steps are few).
    area_weight
        lambda_a of Eq. 5; None is Eq. 8's ``min(5, 1 / (1 - similarity))``.
    first_area_share
        The share of `area_weight` that the soft search begins with: what keeps the score first,
        then small.
    spectral_weight
        lambda_r of Eq. 5.
    normalise
        Whether an embedding objective is to be measured from the background.
    anew_above
        Loss above which a contour that was given to start from led to nothing, so that the search
        begins anew.
    several
        The search for several contours at once (Eq. 11).
    model_polish
        What follows the linear model; None: nothing.
    polish
        What follows either search; None: nothing.
    """

    name: str
    steps: int
    model_steps: int
    parametrisation: Parametrisation
    harmonics: int
    frame: bool
    rates: dict[str, float]
    one_cycle: bool
    betas: tuple[float, float]
    weight_decay: float
    sharpness: float
    area_weight: float | None
    first_area_share: float
    spectral_weight: float
    normalise: bool
    anew_above: float
    several: JointSearch
    model_polish: Polish | None = None
    polish: Polish | None = None

    @property
    def most_steps(self) -> int:
        """Steps that an image takes at most: it goes one way or the other, and is then polished."""
        after_model, after = (
            0 if polish is None else polish.steps for polish in (self.model_polish, self.polish)
        )
        return max(self.steps, self.model_steps + after_model) + after


_SMALL_RATES = {"center": 0.03, "size": 0.06, "harmonics": 0.05, "frame": 0.05}

PRESETS: dict[str, Preset] = {
    # r0 goes through a sigmoid (slope 0.225 in the middle): its rate is 0.003 / 0.225.
    "paper": Preset(
        name="paper",
        steps=1000,
        model_steps=0,
        parametrisation="bounded",
        harmonics=5,
        frame=False,
        rates={"center": 0.003, "size": 0.003 / 0.225, "harmonics": 0.003},
        one_cycle=False,
        betas=(0.9, 0.999),
        weight_decay=0.01,
        sharpness=1.0,
        area_weight=None,
        first_area_share=1.0,
        spectral_weight=0.01,
        normalise=False,
        anew_above=-0.3,
        several=JointSearch(
            steps=1000,
            rates={"center": 0.003, "size": 0.003 / 0.225, "harmonics": 0.003},
            one_cycle=False,
            soft_maximum=False,
            sharpness=1.0,
            spectral_weight=0.01,
        ),
    ),
    "fast": Preset(
        name="fast",
        steps=40,
        model_steps=18,
        parametrisation="log",
        harmonics=5,
        frame=True,
        rates={"center": 0.05, "size": 0.1, "harmonics": 0.08, "frame": 0.08},
        one_cycle=True,
        betas=(0.8, 0.99),
        weight_decay=0.0,
        sharpness=8.0,
        area_weight=AREA_WEIGHT,
        first_area_share=0.3,
        spectral_weight=0.005,
        normalise=True,
        anew_above=0.3,
        several=JointSearch(
            steps=36,
            rates={"center": 0.03, "size": 0.1, "harmonics": 0.05, "frame": 0.05},
            one_cycle=True,
            soft_maximum=True,
            sharpness=40.0,
            spectral_weight=0.03,
        ),
        model_polish=Polish(steps=22, rates=_SMALL_RATES, sharpness=20.0, above=-0.7),
    ),
}
PRESETS["thorough"] = replace(
    PRESETS["fast"],
    name="thorough",
    polish=Polish(steps=60, rates=_SMALL_RATES, sharpness=20.0),
)
