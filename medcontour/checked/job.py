"""From checked scans to a calibration: the main job on each, and what it says of findings."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

from medcontour.calibration import Calibration, least_p_value
from medcontour.calibration.fit import Judged, fit_trust, too_few
from medcontour.calibration.polarity import Polarity
from medcontour.checked.edited import edits_of
from medcontour.checked.look import Looking, judged_findings, looking
from medcontour.checked.scans import checked_scans
from medcontour.classifier import Classifier, target_index
from medcontour.errors import MedcontourError
from medcontour.files import check_output
from medcontour.limits import read_text
from medcontour.pipeline.calibrating import calibration_key
from medcontour.pipeline.inputs import AnyClassifier, given_classifier
from medcontour.pipeline.settings import Settings
from medcontour.progress import Progress

__all__ = ["calibrate", "calibrate_with"]

LEVEL = 0.05
"""A note says where no p value can be as small."""


def calibrate(
    scans: str | os.PathLike[str],
    classifier: AnyClassifier,
    *,
    out: str | os.PathLike[str] | None = None,
    edits: str | os.PathLike[str] | None = None,
    labels: Sequence[str] | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> Calibration:
    """Look at scans that were checked, and keep what suggestions mean on them.

    Scans without a finding give each later finding a conformal p value: how often one of them
    gives a suggestion at least as strong. Scans with masks, where there are enough, give it trust:
    the probability that a reader keeps it. The scans must not have been shown to the classifier
    while it was trained, and should be like those that it will be used on.

    Parameters
    ----------
    scans
        A folder of scans without a finding, or a checked list (CSV): see
        `medcontour.checked.checked_scans`.
    classifier
        As `suggest` takes it.
    out
        The file to write. What was seen on each scan is kept beside it until it is whole, so that
        a run that was stopped goes on. None writes nothing.
    edits
        A folder with what readers made of suggestions, in any format that `refine` reads, each
        file named as its scan is (or in a folder named so); DICOM objects are matched by their
        study. Each is its scan's mask. Of a folder of scans only those count then.
    labels
        Names of the classes, for a network that comes without.
    progress
        Called as the work goes on.
    **settings
        As `Settings` says, for example ``target="lesion"``: those that findings will be suggested
        with.

    Returns
    -------
    Calibration
        Its notes name the scans that were left out.

    Raises
    ------
    MedcontourError
        Where no scan can be learned from, and as `suggest`.

    Examples
    --------
    >>> import medcontour as mc
    >>> mc.calibrate("normals/", "bundle/", out="bundle/calibration.json")  # doctest: +SKIP
    """
    loaded = given_classifier(classifier, labels)
    return calibrate_with(scans, loaded, Settings(**settings), out, edits, progress)


def calibrate_with(
    scans: str | os.PathLike[str],
    classifier: Classifier,
    settings: Settings,
    out: str | os.PathLike[str] | None = None,
    edits: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Calibration:
    """As `calibrate`, with all that can be chosen as one `Settings`."""
    target = target_index(classifier, settings.target)
    listed, said = checked_scans(scans)
    notes = list(said)
    if edits is not None:
        listed = edits_of(listed, edits, notes)
        if Path(scans).is_dir():  # of the others nobody said that nothing is there
            listed = [scan for scan in listed if scan.mask is not None]
    file = None if out is None else Path(out)
    if file is not None:
        check_output(file, "calibration.json in the classifier's", "calibration", _is_calibration)
    usable = [scan for scan in listed if scan.judges]
    if not usable:
        raise MedcontourError(
            f"All {len(listed)} scans have a finding and none has a mask: nothing can be learned "
            "from them; add scans without a finding, or masks."
        )
    where = None if file is None else file.with_name(f"{file.name}.records.jsonl")
    work = looking(classifier, target, settings, where)
    work.look_at(usable, progress)
    notes += work.notes
    if len(usable) < len(listed):
        notes.append(
            f"{len(listed) - len(usable)} scans with a finding have no mask: they were not used."
        )
    made = _calibration(work, target, notes)
    if file is not None:
        made.write(file)
    work.records.remove()
    return made


def _calibration(work: Looking, target: int, notes: list[str]) -> Calibration:
    """What all scans say."""
    without: dict[Hashable, list[float]] = defaultdict(list)
    for each in work.scans:
        if not each.finding:
            without[each.group].append(each.seen.strength)
    judged = judged_findings(work.scans)
    few = too_few(judged)
    least = least_p_value(len(without))
    if few:
        notes.append(few)
    if least > LEVEL:
        notes.append(
            f"There are {len(without)} scans or groups without a finding: no conformal p value can "
            f"be below {least:.2g}; {round(1 / LEVEL) - 1} or more allow {LEVEL:g}."
        )
    assert work.unit is not None  # some scan was seen
    return Calibration(
        sha256=work.classifier.weights_sha256,
        target=target,
        target_name=work.classifier.labels[target],
        settings_key=calibration_key(work.settings),
        unit=work.unit,
        without_finding=tuple(sorted(tuple(sorted(own)) for own in without.values())),
        trust=None if few else fit_trust(judged),
        polarity=_polarity(judged),
        notes=tuple(notes),
    )


def _polarity(judged: Sequence[Judged]) -> Polarity | None:
    """What the outlines that were right are; None where none was."""
    right = Polarity.of_contrasts(each.figures["contrast"] for each in judged if each.kept)
    return right if right.brighter or right.darker else None


def _is_calibration(file: Path) -> bool:
    try:
        document = json.loads(read_text(file))
        return str(document["schema"]).startswith("medcontour/calibration/")
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return False
