"""Explain a classifier's answer: backgrounds, objectives, starts, the optimiser, evidence."""

from medcontour.explain.analysis.area_map import AreaMap, area_map, check_areas
from medcontour.explain.analysis.placement import PlacementTest, placement_test
from medcontour.explain.analysis.polarity import POLARITY_EVALUATIONS, evidence_polarity
from medcontour.explain.analysis.stability import (
    MOST_HARMONICS,
    Agreement,
    agreement,
    from_nine_starts,
    spectral_sweep,
)
from medcontour.explain.attribution import ExtremalContours, ExtremalFit
from medcontour.explain.background import (
    AUTOMATIC,
    BACKGROUNDS,
    Background,
    GaussianBackground,
    InpaintBackground,
    TexturedBackground,
    mildest,
)
from medcontour.explain.choices import LARGEST_AREA, LEAST_AREA, Precision, check_area
from medcontour.explain.objectives.dense import BoxObjective, RegionObjective
from medcontour.explain.objectives.objective import (
    CallableObjective,
    EmbeddingObjective,
    Objective,
    ScoreObjective,
    TargetObjective,
)
from medcontour.explain.perturbation import SHARP, Perturbation
from medcontour.explain.quantus import quantus_explain
from medcontour.explain.search.model_search import model_search
from medcontour.explain.search.optimise import Fit, optimise
from medcontour.explain.search.precision import InBFloat16
from medcontour.explain.search.preset import PRESETS, Preset
from medcontour.explain.search.several import SeveralFit, judge_together, optimise_several
from medcontour.explain.search.soft_search import soft_search

__all__ = [
    "AUTOMATIC",
    "BACKGROUNDS",
    "LARGEST_AREA",
    "LEAST_AREA",
    "MOST_HARMONICS",
    "POLARITY_EVALUATIONS",
    "PRESETS",
    "SHARP",
    "Agreement",
    "AreaMap",
    "Background",
    "BoxObjective",
    "CallableObjective",
    "EmbeddingObjective",
    "ExtremalContours",
    "ExtremalFit",
    "Fit",
    "GaussianBackground",
    "InBFloat16",
    "InpaintBackground",
    "Objective",
    "Perturbation",
    "PlacementTest",
    "Precision",
    "Preset",
    "RegionObjective",
    "ScoreObjective",
    "SeveralFit",
    "TargetObjective",
    "TexturedBackground",
    "agreement",
    "area_map",
    "check_area",
    "check_areas",
    "evidence_polarity",
    "from_nine_starts",
    "judge_together",
    "mildest",
    "model_search",
    "optimise",
    "optimise_several",
    "placement_test",
    "quantus_explain",
    "soft_search",
    "spectral_sweep",
]
