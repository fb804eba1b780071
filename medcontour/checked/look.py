"""Looks at checked scans one after the other: the main job on each, judged by what is known."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from medcontour.calibration import strength
from medcontour.calibration.figures import figures
from medcontour.calibration.fit import Judged
from medcontour.checked.records import ScanRecords
from medcontour.checked.scans import CheckedScan
from medcontour.checked.seen import Seen, SeenFinding
from medcontour.checked.truth import kept, truth_of
from medcontour.classifier import Classifier
from medcontour.errors import MedcontourError
from medcontour.pipeline.calibrating import run_key
from medcontour.pipeline.job import uncalibrated
from medcontour.pipeline.settings import Settings
from medcontour.privacy import discreet
from medcontour.progress import Progress
from medcontour.results.masks import Mask
from medcontour.scan import Scan, read_scan

__all__ = ["LookedAt", "Looking", "judged_findings", "looking"]


@dataclass(frozen=True)
class LookedAt:
    """One scan: whether the finding is there, and what was suggested.

    `group` is what scans hang together by; it is held while the work goes on and written nowhere.
    """

    group: Hashable
    finding: bool
    seen: Seen


def judged_findings(scans: Sequence[LookedAt]) -> list[Judged]:
    """The suggested findings of which it is known whether they are right."""
    places = {group: n for n, group in enumerate(dict.fromkeys(scan.group for scan in scans))}
    return [
        Judged(each.figures, each.kept, places[scan.group])
        for scan in scans
        for each in scan.seen.findings
        if each.kept is not None
    ]


def looking(
    classifier: Classifier, target: int, settings: Settings, records: Path | None
) -> Looking:
    """Begin to look, or go on where `records` says."""
    run = run_key(classifier, target, settings)
    return Looking(classifier, settings, ScanRecords(records, run))


@dataclass
class Looking:
    """What was seen so far.

    Attributes
    ----------
    notes
        The scans that were left out, each with the reason.
    unit
        Single images, or scans of several slices; None before the first.
    """

    classifier: Classifier
    settings: Settings
    records: ScanRecords
    notes: list[str] = field(default_factory=list)
    unit: Literal["image", "scan"] | None = None
    scans: list[LookedAt] = field(default_factory=list)
    _keys: dict[str, int] = field(default_factory=dict)

    def look_at(self, listed: Sequence[CheckedScan], progress: Progress | None) -> None:
        """Look at scans; one that cannot be used is named in a note, and the rest goes on.

        Raises
        ------
        MedcontourError
            Where none can be used.
        """
        for number, checked in enumerate(listed, start=1):
            try:
                self.scans.append(self._seen(number, checked))
            except MedcontourError as error:
                name = discreet(checked.path.name)
                self.notes.append(f"Scan {number} ({name}) was left out: {error}")
            if progress is not None:
                progress("calibrate", number, len(listed))
        if not self.scans:
            raise MedcontourError(" ".join(["No scan could be used.", *self.notes[:3]]))

    def _seen(self, number: int, checked: CheckedScan) -> LookedAt:
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
        if (same := self._keys.setdefault(key, number)) != number:
            raise MedcontourError(f"it is the same as scan {same}; each counts once.")
        if key not in self.records.known:
            self.records.add(key, self._suggested(scan, truth, finding).to_dict())
        self.unit = unit
        seen = Seen.from_dict(self.records.known[key])
        return LookedAt(_group(checked, scan, number), finding, seen)

    def _suggested(self, scan: Scan, truth: Mask | None, finding: bool) -> Seen:
        suggestion = uncalibrated(scan, self.classifier, self.settings)
        own = [found for found in suggestion.findings if found.suggested]
        right: list[bool | None] = [None] * len(own)
        if truth is not None:
            right = [kept(found, suggestion, scan, truth) for found in own]
        elif not finding:
            right = [False] * len(own)
        pairs = zip(own, right, strict=True)
        return Seen(tuple(SeenFinding(strength(f), figures(f), known) for f, known in pairs))


def _group(checked: CheckedScan, scan: Scan, number: int) -> Hashable:
    """What a scan hangs together by: what the list says, else its patient, else nothing."""
    if checked.group is not None:
        return "list", checked.group
    patient = str(scan.datasets[0].get("PatientID") or "") if scan.datasets else ""
    return ("patient", patient) if patient else ("scan", number)
