"""Explanation methods to compare, each one callable, and the randomisation check."""

from medcontour.benchmark.methods.base import (
    BACKWARD,
    FORWARD,
    Attribution,
    Explainer,
    Method,
    attribution,
    held,
)
from medcontour.benchmark.methods.contours import ExtremalContour, RandomContour
from medcontour.benchmark.methods.covering import Occlusion, Rise
from medcontour.benchmark.methods.feature_layer import FeatureLayer, feature_layer
from medcontour.benchmark.methods.grad_cam import GradCamPlusPlus
from medcontour.benchmark.methods.gradients import GradientShap, IntegratedGradients
from medcontour.benchmark.methods.randomised import (
    LayerSimilarity,
    likeness,
    randomised,
    similarity_under_randomisation,
)
from medcontour.benchmark.methods.registry import METHODS, method_named
from medcontour.benchmark.methods.smooth_mask import SmoothMask

__all__ = [
    "BACKWARD",
    "FORWARD",
    "METHODS",
    "Attribution",
    "Explainer",
    "ExtremalContour",
    "FeatureLayer",
    "GradCamPlusPlus",
    "GradientShap",
    "IntegratedGradients",
    "LayerSimilarity",
    "Method",
    "Occlusion",
    "RandomContour",
    "Rise",
    "SmoothMask",
    "attribution",
    "feature_layer",
    "held",
    "likeness",
    "method_named",
    "randomised",
    "similarity_under_randomisation",
]
