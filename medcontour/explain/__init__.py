"""Explain a classifier's answer: backgrounds, objectives, starts, the optimiser, evidence."""

from medcontour.explain.area import LARGEST_AREA, LEAST_AREA, check_area
from medcontour.explain.area_map import AreaMap, area_map, check_areas
from medcontour.explain.attribution import ExtremalContours
from medcontour.explain.background import BACKGROUNDS, Background, GaussianBackground
from medcontour.explain.chance import ChanceTest, chance_test
from medcontour.explain.objective import EmbeddingObjective, Objective, TargetObjective
from medcontour.explain.optimise import PRESETS, Fit, Preset, optimise
from medcontour.explain.perturbation import SHARP, Perturbation
from medcontour.explain.polarity import POLARITY_EVALUATIONS, evidence_polarity
from medcontour.explain.robustness import (
    MOST_HARMONICS,
    Agreement,
    agreement,
    from_nine_starts,
    spectral_sweep,
)
from medcontour.explain.several import MOST, SeveralFit, judge_together, optimise_several
from medcontour.explain.several import STEPS as SEVERAL_STEPS

__all__ = [
    "BACKGROUNDS",
    "LARGEST_AREA",
    "LEAST_AREA",
    "MOST",
    "MOST_HARMONICS",
    "POLARITY_EVALUATIONS",
    "PRESETS",
    "SEVERAL_STEPS",
    "SHARP",
    "Agreement",
    "AreaMap",
    "Background",
    "ChanceTest",
    "EmbeddingObjective",
    "ExtremalContours",
    "Fit",
    "GaussianBackground",
    "Objective",
    "Perturbation",
    "Preset",
    "SeveralFit",
    "TargetObjective",
    "agreement",
    "area_map",
    "chance_test",
    "check_area",
    "check_areas",
    "evidence_polarity",
    "from_nine_starts",
    "judge_together",
    "optimise",
    "optimise_several",
    "spectral_sweep",
]
