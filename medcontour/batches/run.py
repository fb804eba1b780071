"""What every series of a batch is looked at with, and the name of it: one folder of results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from medcontour.batches.source import lettered
from medcontour.calibration import Calibration
from medcontour.classifier import Classifier, target_index
from medcontour.errors import MedcontourError
from medcontour.files import make_folder, replacing
from medcontour.formats.dicom.written import dicom_formats
from medcontour.pipeline.calibrating import calibration_for
from medcontour.pipeline.outliners import given_outliner
from medcontour.pipeline.settings import Settings
from medcontour.results.exporter import find_exporter

__all__ = ["Run", "run_of"]

DIGITS = 12
RUN_NAME = "run.json"


@dataclass(frozen=True)
class Run:
    """A classifier, settings, and what is written: results of equal ones share a folder.

    Attributes
    ----------
    classifier
        Loaded.
    settings
        With the target by its index.
    formats
        Names of export formats; None for all that a scan allows.
    include_weak, merge_findings
        As of `medcontour.Suggestion.save`.
    calibration
        The one that was given; None for the one in the classifier's folder, if there is one.
    push_to
        The archive that DICOM objects are stored in; None stores none.
    pseudonym_key
        What patients' pseudonyms in DICOM objects are made with; None leaves the patients there.
    """

    classifier: Classifier
    settings: Settings
    formats: tuple[str, ...] | None = None
    include_weak: bool = False
    merge_findings: bool = False
    calibration: Calibration | None = None
    push_to: str | None = None
    pseudonym_key: bytes | None = None

    @cached_property
    def record(self) -> dict[str, Any]:
        """What the run is, as plain values."""
        target = target_index(self.classifier, self.settings.target)
        key = self.pseudonym_key
        known, _ = calibration_for(self.calibration, self.classifier, target)
        return {
            "settings": self.settings.to_dict(),
            "settings_key": self.settings.key(),
            "classifier": {
                "name": self.classifier.name,
                "sha256": self.classifier.weights_sha256,
                "outputs": self.classifier.outputs,
                "target_name": self.classifier.labels[target],
            },
            "calibration": None if known is None else known.key(),
            "formats": None if self.formats is None else sorted(self.formats),
            "include_weak": self.include_weak,
            "merge_findings": self.merge_findings,
            "push_to": self.push_to,
            "pseudonyms": None if key is None else hashlib.sha256(key).hexdigest()[:DIGITS],
        }

    @property
    def key(self) -> str:
        """A name that equal runs have, and no others."""
        text = json.dumps(self.record, sort_keys=True)
        return lettered(hashlib.sha256(text.encode()).hexdigest()[:DIGITS])

    def folder(self, out: Path) -> Path:
        """Make the folder of the run's results in `out`, with what it is in ``run.json``."""
        folder = make_folder(out / f"run-{self.key}")
        if not (folder / RUN_NAME).is_file():
            with replacing(folder / RUN_NAME) as temporary:
                temporary.write_text(json.dumps(self.record, indent=1) + "\n", encoding="utf-8")
        return folder


def run_of(
    load: Callable[[], Classifier],
    settings: Settings,
    formats: Sequence[str] | None = None,
    include_weak: bool = False,
    merge_findings: bool = False,
    calibration: Calibration | None = None,
    push_to: str | None = None,
    pseudonym_key: bytes | None = None,
) -> Run:
    """Load the classifier and give the run, with what holds for all series checked before them.

    Parameters
    ----------
    load
        Gives the classifier, here or in another process.
    settings, formats, include_weak, merge_findings, calibration, push_to, pseudonym_key
        As of `Run`.

    Raises
    ------
    MedcontourError
        For a class, format, outliner or calibration that is not there or does not fit.
    """
    for name in formats or ():
        find_exporter(name)
    if push_to is not None and pseudonym_key is not None:
        raise MedcontourError(
            "An archive that knows the patient is given no pseudonym of it; leave the pseudonyms "
            "out, or store nothing."
        )
    if push_to is not None and formats is not None and not set(formats) & set(dicom_formats()):
        raise MedcontourError(
            f"Only DICOM objects are stored in an archive; add one of {', '.join(dicom_formats())} "
            "to the formats."
        )
    classifier = load()
    target = target_index(classifier, settings.target)
    calibration_for(calibration, classifier, target)
    if settings.outline != "none":
        given_outliner(settings.outline, classifier, target)
    return Run(
        classifier,
        replace(settings, target=target),
        None if formats is None else tuple(formats),
        include_weak,
        merge_findings,
        calibration,
        push_to,
        pseudonym_key,
    )
