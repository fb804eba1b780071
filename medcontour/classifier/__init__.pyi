from .load import load_classifier
from .network import NetworkClassifier
from .photo_input import PhotoInput
from .picture_transform import PictureTransform
from .protocol import Classifier, Gives, Prepared, VolumeClassifier, takes_volumes
from .target import target_index
from .volume_network import SliceNetwork, VolumeNetwork

__all__ = [
    "Classifier",
    "Gives",
    "NetworkClassifier",
    "PhotoInput",
    "PictureTransform",
    "Prepared",
    "SliceNetwork",
    "VolumeClassifier",
    "VolumeNetwork",
    "load_classifier",
    "takes_volumes",
    "target_index",
]
