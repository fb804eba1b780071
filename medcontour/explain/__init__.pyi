from .analysis.area_map import AreaMap, area_map, check_areas
from .analysis.placement import PLACEMENT, PlacementTest, placement_test
from .analysis.polarity import POLARITY_EVALUATIONS, evidence_polarity
from .analysis.stability import (
    Agreement,
    agreement,
    from_nine_starts,
    spectral_sweep,
)
from .analysis.views import AlteredViews, views_of_class
from .attribution import ExtremalContours, ExtremalFit
from .background import (
    AUTOMATIC,
    BACKGROUNDS,
    Background,
    GaussianBackground,
    InpaintBackground,
    TexturedBackground,
    mildest,
)
from .choices import LARGEST_AREA, LEAST_AREA, MOST_HARMONICS, Precision, check_area
from .objectives.dense import BoxObjective, RegionObjective
from .objectives.objective import (
    CallableObjective,
    EmbeddingObjective,
    Objective,
    ScoreObjective,
    TargetObjective,
)
from .perturbation import SHARP, Perturbation
from .quantus import quantus_explain
from .search.model_search import model_search
from .search.optimise import Fit, optimise
from .search.precision import InBFloat16
from .search.preset import PRESETS, Preset
from .search.several import SeveralFit, judge_together, optimise_several
from .search.soft_search import soft_search

__all__ = [
    "AUTOMATIC",
    "BACKGROUNDS",
    "LARGEST_AREA",
    "LEAST_AREA",
    "MOST_HARMONICS",
    "PLACEMENT",
    "POLARITY_EVALUATIONS",
    "PRESETS",
    "SHARP",
    "Agreement",
    "AlteredViews",
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
    "views_of_class",
]
