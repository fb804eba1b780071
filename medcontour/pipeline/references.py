"""What a result says of the scan, the classifier and the run."""

from __future__ import annotations

import datetime
import time
from importlib.metadata import version
from typing import Any

import torch

from medcontour.classifier import Classifier
from medcontour.explain import PLACEMENT
from medcontour.pipeline.found import POSITIVE
from medcontour.pipeline.settings import Settings
from medcontour.results import ClassifierReference, ScanReference
from medcontour.scan import Scan

__all__ = [
    "classifier_reference",
    "run_record",
    "scan_reference",
    "settings_record",
]


def scan_reference(scan: Scan) -> ScanReference:
    """Say which scan, without patient data."""
    return ScanReference(
        modality=scan.modality,
        shape=(scan.slices, scan.rows, scan.columns),
        affine_lps=scan.affine_lps.tolist(),
        units=scan.units,
        study_instance_uid=scan.study_instance_uid,
        series_instance_uid=scan.series_instance_uid,
        frame_of_reference_uid=scan.frame_of_reference_uid,
    )


def classifier_reference(classifier: Classifier, target: int) -> ClassifierReference:
    """Say which classifier, and which class."""
    return ClassifierReference(
        name=classifier.name,
        sha256=classifier.weights_sha256,
        target=target,
        target_name=classifier.labels[target],
        labels=classifier.labels,
    )


def settings_record(settings: Settings, classifier: Classifier, target: int) -> dict[str, object]:
    """Give what ``suggestion.json`` holds of the settings: all that is needed to run it again."""
    return {
        **settings.to_dict(),
        "target": classifier.labels[target],
        "scan": None,  # written by `Suggestion.write_json`, as far as it names nobody
        "positive_above": POSITIVE,
        "p_value_level": PLACEMENT.level,
    }


def run_record(begun: float) -> dict[str, Any]:
    """Say by what the work was done, when, and in how many seconds since `time.perf_counter`."""
    return {
        "medcontour": version("medcontour"),
        "torch": torch.__version__,
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - begun, 1),
    }
