from .load import load_classifier
from .network import NetworkClassifier
from .photo_input import PhotoInput
from .picture_transform import PictureTransform
from .protocol import Classifier, Gives, Prepared
from .target import target_index

__all__ = [
    "Classifier",
    "Gives",
    "NetworkClassifier",
    "PhotoInput",
    "PictureTransform",
    "Prepared",
    "load_classifier",
    "target_index",
]
