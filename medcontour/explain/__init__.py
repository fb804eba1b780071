"""Explain a classifier's answer: backgrounds, objectives, starts, the optimiser, evidence."""

from medcontour.explain.attribution import ExtremalContours, ExtremalFit
from medcontour.explain.background import (
    AUTOMATIC,
    BACKGROUNDS,
    Background,
    GaussianBackground,
    InpaintBackground,
    TexturedBackground,
)
from medcontour.explain.chance import ChanceTest, chance_test
from medcontour.explain.dense import BoxObjective, RegionObjective
from medcontour.explain.objective import (
    CallableObjective,
    EmbeddingObjective,
    Objective,
    ScoreObjective,
    TargetObjective,
)
from medcontour.explain.optimise import Fit, optimise
from medcontour.explain.perturbation import SHARP, Perturbation
from medcontour.explain.polarity import POLARITY_EVALUATIONS, evidence_polarity
from medcontour.explain.preset import PRESETS, Preset
from medcontour.explain.quantus import quantus_explain

__all__ = [
    "AUTOMATIC",
    "BACKGROUNDS",
    "POLARITY_EVALUATIONS",
    "PRESETS",
    "SHARP",
    "Background",
    "BoxObjective",
    "CallableObjective",
    "ChanceTest",
    "EmbeddingObjective",
    "ExtremalContours",
    "ExtremalFit",
    "Fit",
    "GaussianBackground",
    "InpaintBackground",
    "Objective",
    "Perturbation",
    "Preset",
    "RegionObjective",
    "ScoreObjective",
    "TargetObjective",
    "TexturedBackground",
    "chance_test",
    "evidence_polarity",
    "optimise",
    "quantus_explain",
]
