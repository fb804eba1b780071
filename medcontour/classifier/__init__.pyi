from .load import load_classifier
from .network import NetworkClassifier
from .protocol import Classifier, Prepared
from .target import target_index

__all__ = [
    "Classifier",
    "NetworkClassifier",
    "Prepared",
    "load_classifier",
    "target_index",
]
