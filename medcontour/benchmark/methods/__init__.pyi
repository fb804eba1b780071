from .activation import LayerCam, ScoreCam
from .amortised import AmortisedContour
from .attention import AttentionRollout
from .base import BACKWARD, FORWARD, Attribution, Explainer, Method, attribution, held
from .contours import ExtremalContour, RandomContour
from .covering import Occlusion, Rise
from .extremal import ExtremalPerturbations
from .feature_layer import FeatureLayer, feature_layer
from .grad_cam import GradCamPlusPlus
from .gradients import GradientShap, IntegratedGradients
from .iba import FeatureStatistics, Iba, feature_statistics
from .implicit import ImplicitMask
from .meaningful import MeaningfulPerturbations
from .names import DEFAULT_METHODS, METHODS
from .neural import NeuralMask
from .randomised import LayerSimilarity, likeness, randomised, similarity_under_randomisation
from .registry import method_named
from .relax import Relax
from .smooth_mask import SmoothMask
from .training_images import TrainingImages

__all__ = [
    "BACKWARD",
    "DEFAULT_METHODS",
    "FORWARD",
    "METHODS",
    "AmortisedContour",
    "AttentionRollout",
    "Attribution",
    "Explainer",
    "ExtremalContour",
    "ExtremalPerturbations",
    "FeatureLayer",
    "FeatureStatistics",
    "GradCamPlusPlus",
    "GradientShap",
    "Iba",
    "ImplicitMask",
    "IntegratedGradients",
    "LayerCam",
    "LayerSimilarity",
    "MeaningfulPerturbations",
    "Method",
    "NeuralMask",
    "Occlusion",
    "RandomContour",
    "Relax",
    "Rise",
    "ScoreCam",
    "SmoothMask",
    "TrainingImages",
    "attribution",
    "feature_layer",
    "feature_statistics",
    "held",
    "likeness",
    "method_named",
    "randomised",
    "similarity_under_randomisation",
]
