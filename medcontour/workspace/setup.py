"""What a service is set up with: one classifier, and the settings of every study."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from medcontour.classifier import Classifier, target_index
from medcontour.errors import MedcontourError
from medcontour.pipeline.allowance import most_a_slice
from medcontour.pipeline.calibrating import calibration_for
from medcontour.pipeline.inputs import AnyClassifier, given_classifier
from medcontour.pipeline.references import classifier_reference, settings_record
from medcontour.pipeline.settings import Settings
from medcontour.results import ClassifierReference
from medcontour.scan import Scan

__all__ = ["Setup"]


@dataclass(frozen=True)
class Setup:
    """A classifier, and the settings that every study is looked at with.

    Attributes
    ----------
    classifier
        Whatever `load_classifier` takes; it is held loaded.
    settings
        The settings; `Settings.target` becomes the name of the class.

    Raises
    ------
    MedcontourError
        For a classifier that cannot be loaded, a class that it does not have, and limits within
        which not one slice could be looked at.

    Examples
    --------
    >>> Setup("bundle/", Settings(most_seconds=45)).target  # doctest: +SKIP
    'nodule'
    """

    classifier: AnyClassifier
    settings: Settings

    def __post_init__(self) -> None:
        settings = self.settings
        _check_limit("most_seconds", settings.most_seconds, 1, "the least")
        least = most_a_slice(settings)
        _check_limit("most_evaluations", settings.most_evaluations, least, "one slice's cost")
        classifier = given_classifier(self.classifier)
        target = classifier.labels[target_index(classifier, settings.target)]
        object.__setattr__(self, "classifier", classifier)
        object.__setattr__(self, "settings", replace(settings, target=target))

    @property
    def target(self) -> str:
        """The name of the class that is looked for."""
        return str(self.settings.target)

    @property
    def reference(self) -> ClassifierReference:
        """What a suggestion says of the classifier."""
        classifier: Classifier = self.classifier
        return classifier_reference(classifier, target_index(classifier, self.target))

    def record(self, scan: Scan) -> dict[str, Any]:
        """Give what a suggestion for this scan says of its settings."""
        classifier: Classifier = self.classifier
        target = target_index(classifier, self.target)
        record = settings_record(self.settings, classifier, target)
        calibration, _ = calibration_for(None, classifier, target)
        return record | ({} if calibration is None else {"calibration": calibration.key()})


def _check_limit(name: str, limit: float | None, lowest: int, why: str) -> None:
    if limit is not None and limit < lowest:
        raise MedcontourError(
            f"A study cannot be done in {limit:g} ({name}): give a number from {lowest} ({why}), "
            "or none for no limit."
        )
