"""Which calibration a run goes by: the one given, or the one in the classifier's folder."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from medcontour.calibration import FILE_NAME, Calibration
from medcontour.classifier import Classifier
from medcontour.errors import MedcontourError
from medcontour.pipeline.references import classifier_reference
from medcontour.pipeline.settings import Settings

__all__ = ["AnyCalibration", "calibration_for", "calibration_key", "run_key"]

AnyCalibration = Calibration | str | os.PathLike[str]
"""A `Calibration`, or the path of the file that one was written to."""


def calibration_for(
    given: AnyCalibration | None, classifier: Classifier, target: int
) -> tuple[Calibration | None, tuple[str, ...]]:
    """Give the calibration to go by, None where there is none, and notes on it.

    Parameters
    ----------
    given
        What the user gives; None looks for ``calibration.json`` in the classifier's folder, where
        the classifier is a bundle. One that is found and does not fit is left out with a note.
    classifier, target
        What it has to be of.

    Raises
    ------
    MedcontourError
        For one that is given and cannot be read, or is of another classifier or class.
    """
    if given is not None:
        calibration = given if isinstance(given, Calibration) else Calibration.read(given)
        calibration.check(classifier_reference(classifier, target))
        return calibration, ()
    folder: Path | None = getattr(classifier, "folder", None)  # other kinds of classifier have none
    if folder is None or not (folder / FILE_NAME).is_file():
        return None, ()
    try:
        calibration = Calibration.read(folder / FILE_NAME)
        calibration.check(classifier_reference(classifier, target))
    except MedcontourError as error:
        return None, (f"The {FILE_NAME} in the classifier's folder is not used: {error}",)
    return calibration, (f"Figures are calibrated by the {FILE_NAME} in the classifier's folder.",)


def calibration_key(settings: Settings) -> str:
    """Name the settings that calibration depends on: all but the seed, and how the class is named.

    Examples
    --------
    >>> calibration_key(Settings(seed=3, target="lesion")) == calibration_key(Settings())
    True
    >>> calibration_key(Settings(preset="paper")) == calibration_key(Settings())
    False
    """
    return replace(settings, seed=0, target=None).key()


def run_key(classifier: Classifier, target: int, settings: Settings) -> str:
    """Name what is found on a scan but the scan itself: records of another run are not taken up."""
    return f"{classifier.weights_sha256} {target} {calibration_key(settings)}"
