"""One small protocol for image classifiers, and what makes one of files and networks."""

from __future__ import annotations

from medcontour.classifier.load import load_classifier
from medcontour.classifier.network import NetworkClassifier
from medcontour.classifier.protocol import Classifier, Prepared
from medcontour.classifier.target import target_index

__all__ = ["Classifier", "NetworkClassifier", "Prepared", "load_classifier", "target_index"]
