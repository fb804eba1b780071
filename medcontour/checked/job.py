"""From checked scans to a calibration: the main job on each, and what it says of findings."""

from __future__ import annotations

import json
import math
import os
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from medcontour.calibration import Calibration, least_p_value, strength
from medcontour.calibration.figures import figures
from medcontour.calibration.fit import Judged, fit_trust, too_few
from medcontour.checked.records import Records, Seen, SeenFinding
from medcontour.checked.scans import CheckedScan, checked_scans
from medcontour.checked.truth import kept, truth_of
from medcontour.classifier import Classifier, target_index
from medcontour.errors import MedcontourError
from medcontour.limits import read_text
from medcontour.pipeline.calibrating import calibration_key
from medcontour.pipeline.inputs import AnyClassifier, given_classifier
from medcontour.pipeline.job import uncalibrated
from medcontour.pipeline.settings import Settings
from medcontour.privacy import discreet, keep_private
from medcontour.progress import Progress
from medcontour.results.masks import Mask
from medcontour.scan import Scan, read_scan

__all__ = ["calibrate", "calibrate_with"]

LEVEL = 0.05
"""A note says where no p value can be as small."""


def calibrate(
    scans: str | os.PathLike[str],
    classifier: AnyClassifier,
    *,
    out: str | os.PathLike[str] | None = None,
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
    return calibrate_with(scans, loaded, Settings(**settings), out, progress)


def calibrate_with(
    scans: str | os.PathLike[str],
    classifier: Classifier,
    settings: Settings,
    out: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Calibration:
    """As `calibrate`, with all that can be chosen as one `Settings`."""
    target = target_index(classifier, settings.target)
    listed, notes = checked_scans(scans)
    file = None if out is None else _free(Path(out))
    usable = [scan for scan in listed if scan.finding is not True or scan.mask is not None]
    if not usable:
        raise MedcontourError(
            f"All {len(listed)} scans have a finding and none has a mask: nothing can be learned "
            "from them; add scans without a finding, or masks."
        )
    run = f"{classifier.weights_sha256} {target} {calibration_key(settings)}"
    where = None if file is None else file.with_name(f"{file.name}.records.jsonl")
    records = Records(where, run)
    work = _Work(classifier, settings, records, notes=list(notes))
    if len(usable) < len(listed):
        work.notes.append(
            f"{len(listed) - len(usable)} scans with a finding have no mask: they were not used."
        )
    for number, scan in enumerate(usable, start=1):
        work.look_at(number, scan)
        if progress is not None:
            progress("calibrate", number, len(usable))
    made = work.calibration(target)
    if file is not None:
        made.write(file)
    records.remove()
    return made


def _free(out: Path) -> Path:
    """The file to write; refused before the work where it is something else already."""
    keep_private(out)
    if out.is_dir() or not out.parent.is_dir():
        raise MedcontourError(
            f"{out} cannot be written: give the name of a file in a folder that is there, such as "
            "calibration.json in the classifier's."
        )
    if out.exists():
        try:
            document = json.loads(read_text(out))
            ours = str(document["schema"]).startswith("medcontour/calibration/")
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            ours = False
        if not ours:
            raise MedcontourError(
                f"{out} is there already and is no calibration; choose another name, or remove it."
            )
    return out


@dataclass
class _Work:
    """What was seen so far."""

    classifier: Classifier
    settings: Settings
    records: Records
    notes: list[str]
    unit: Literal["image", "scan"] | None = None
    without: dict[Hashable, list[float]] = field(default_factory=lambda: defaultdict(list))
    judged: list[tuple[Hashable, SeenFinding]] = field(default_factory=list)
    keys: dict[str, int] = field(default_factory=dict)

    def look_at(self, number: int, checked: CheckedScan) -> None:
        """Look at one scan; one that cannot be used is named in a note."""
        try:
            self._take(number, checked)
        except MedcontourError as error:
            name = discreet(checked.path.name)
            self.notes.append(f"Scan {number} ({name}) was left out: {error}")

    def _take(self, number: int, checked: CheckedScan) -> None:
        scan = read_scan(checked.path, series=checked.series)
        truth = None if checked.mask is None else truth_of(checked.mask, scan)
        finding = bool(truth.any()) if truth is not None else checked.finding is True
        if checked.finding is not None and finding != checked.finding:
            raise MedcontourError(
                f"its mask is {'not ' if finding else ''}empty and the list says that "
                f"{'no' if finding else 'a'} finding is there; mend the one or the other."
            )
        unit: Literal["image", "scan"] = "image" if scan.slices == 1 else "scan"
        if self.unit is not None and unit != self.unit:
            raise MedcontourError(
                "it has several slices and those before were single images, or the other way "
                "round; calibrate them apart."
            )
        key = self.records.key(scan, truth)
        if (same := self.keys.setdefault(key, number)) != number:
            raise MedcontourError(f"it is the same as scan {same}; each counts once.")
        seen = self.records.known.get(key)
        if seen is None:
            seen = self._seen(scan, truth, finding)
            self.records.add(key, seen)
        self.unit = unit
        group = _group(checked, scan, number)
        if not finding:
            self.without[group].append(max((f.strength for f in seen.findings), default=-math.inf))
        self.judged += [(group, each) for each in seen.findings if each.kept is not None]

    def _seen(self, scan: Scan, truth: Mask | None, finding: bool) -> Seen:
        suggestion = uncalibrated(scan, self.classifier, self.settings)
        return Seen(
            tuple(
                SeenFinding(
                    strength(found),
                    figures(found),
                    truth is not None and kept(found, suggestion, scan, truth)
                    if truth is not None or not finding
                    else None,
                )
                for found in suggestion.findings
                if found.suggested
            )
        )

    def calibration(self, target: int) -> Calibration:
        """What all of them say."""
        if self.unit is None:
            raise MedcontourError(" ".join(["No scan could be used.", *self.notes[:3]]))
        places = {group: n for n, group in enumerate(dict.fromkeys(g for g, _ in self.judged))}
        judged = [Judged(each.figures, bool(each.kept), places[g]) for g, each in self.judged]
        few = too_few(judged)
        if few:
            self.notes.append(few)
        least = least_p_value(len(self.without))
        if least > LEVEL:
            self.notes.append(
                f"There are {len(self.without)} scans or groups without a finding: no conformal p "
                f"value can be below {least:.2g}; {round(1 / LEVEL) - 1} or more allow {LEVEL:g}."
            )
        return Calibration(
            sha256=self.classifier.weights_sha256,
            target=target,
            target_name=self.classifier.labels[target],
            settings_key=calibration_key(self.settings),
            unit=self.unit,
            without_finding=tuple(sorted(tuple(sorted(own)) for own in self.without.values())),
            trust=None if few else fit_trust(judged),
            notes=tuple(self.notes),
        )


def _group(checked: CheckedScan, scan: Scan, number: int) -> Hashable:
    """What a scan hangs together with: what the list says, else its patient, else nothing.

    The patient's identifier is held while the work goes on and written nowhere.
    """
    if checked.group is not None:
        return "list", checked.group
    patient = str(scan.datasets[0].get("PatientID") or "") if scan.datasets else ""
    return ("patient", patient) if patient else ("scan", number)
