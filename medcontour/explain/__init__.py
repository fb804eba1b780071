"""Explain a classifier's answer: backgrounds, objectives, starts, the optimiser, evidence."""

from medcontour.explain.attribution import ExtremalContours
from medcontour.explain.background import BACKGROUNDS, Background, GaussianBackground
from medcontour.explain.chance import ChanceTest, chance_test
from medcontour.explain.objective import EmbeddingObjective, Objective, TargetObjective
from medcontour.explain.optimise import PRESETS, Fit, Preset, optimise
from medcontour.explain.perturbation import SHARP, Perturbation
from medcontour.explain.polarity import POLARITY_EVALUATIONS, evidence_polarity

__all__ = [
    "BACKGROUNDS",
    "POLARITY_EVALUATIONS",
    "PRESETS",
    "SHARP",
    "Background",
    "ChanceTest",
    "EmbeddingObjective",
    "ExtremalContours",
    "Fit",
    "GaussianBackground",
    "Objective",
    "Perturbation",
    "Preset",
    "TargetObjective",
    "chance_test",
    "evidence_polarity",
    "optimise",
]
