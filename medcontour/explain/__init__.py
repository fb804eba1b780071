"""Explain a classifier's answer: backgrounds, objectives, starts, the optimiser, evidence."""

from medcontour.explain.attribution import ExtremalContours
from medcontour.explain.background import BACKGROUNDS, Background
from medcontour.explain.chance import ChanceTest, chance_test
from medcontour.explain.objective import EmbeddingObjective, Objective, TargetObjective
from medcontour.explain.optimise import PRESETS, Fit, Preset, optimise
from medcontour.explain.perturbation import SHARP, Perturbation

__all__ = [
    "BACKGROUNDS",
    "PRESETS",
    "SHARP",
    "Background",
    "ChanceTest",
    "EmbeddingObjective",
    "ExtremalContours",
    "Fit",
    "Objective",
    "Perturbation",
    "Preset",
    "TargetObjective",
    "chance_test",
    "optimise",
]
