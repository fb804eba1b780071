"""Trust and conformal p values on checked scans that the calibration has not seen."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from medcontour.calibration import Calibration
from medcontour.checked.look import judged_findings, looking
from medcontour.checked.reliability import Reliability, measured
from medcontour.checked.scans import checked_scans
from medcontour.classifier import Classifier, target_index
from medcontour.errors import MedcontourError
from medcontour.files import make_folder, replacing
from medcontour.pipeline.calibrating import calibration_key
from medcontour.pipeline.references import classifier_reference
from medcontour.pipeline.settings import Settings
from medcontour.progress import Progress

__all__ = ["TrustBenchmark", "benchmark_trust"]

LEVELS = (0.01, 0.05, 0.1, 0.2)


@dataclass(frozen=True)
class TrustBenchmark:
    """How a calibration does on other scans.

    Attributes
    ----------
    reliability
        Of trust; None where the calibration has none, or nothing was suggested.
    without_finding
        How many scans have no finding.
    as_small
        By level: the share of these scans with a conformal p value as small, which should not be
        above the level, random variation apart.
    found
        By level: the share of suggested findings that are right with a p value as small.
    notes
        Scans that were left out.
    """

    reliability: Reliability | None
    without_finding: int
    as_small: dict[str, float | None]
    found: dict[str, float | None]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain values."""
        known = self.reliability
        return {
            "reliability": None if known is None else known.to_dict(),
            "without_finding": self.without_finding,
            "as_small": self.as_small,
            "found": self.found,
            "notes": list(self.notes),
        }


def benchmark_trust(
    scans: str | os.PathLike[str],
    classifier: Classifier,
    calibration: Calibration,
    settings: Settings,
    out: Path,
    progress: Progress | None = None,
) -> TrustBenchmark:
    """Look at checked scans, hold the calibration against them; write trust.json and trust.png.

    Parameters
    ----------
    scans
        A checked list, of scans that the calibration was not made from.
    classifier, calibration, settings
        What is tried.
    out
        The folder for the figures; a run that was stopped goes on there.
    progress
        Called as the work goes on.

    Raises
    ------
    MedcontourError
        Where calibration and classifier are not of each other, or no scan can be used.
    """
    target = target_index(classifier, settings.target)
    calibration.check(classifier_reference(classifier, target))
    listed, notes = checked_scans(scans)
    usable = [scan for scan in listed if scan.judges]
    if not usable:
        raise MedcontourError(
            f"All {len(listed)} scans have a finding and none has a mask: nothing can be judged."
        )
    work = looking(classifier, target, settings, make_folder(out) / "records.jsonl")
    work.look_at(usable, progress)
    if work.unit != calibration.unit:
        raise MedcontourError(
            f"The calibration is of one {calibration.unit} at a time and the list is of one "
            f"{work.unit} at a time; give a list of its own kind."
        )
    if calibration_key(settings) != calibration.settings_key:
        work.notes.append("The calibration was made with other settings than these.")
    judged = judged_findings(work.scans)
    known = None
    if judged and calibration.trust is not None:
        trust = [calibration.trust.of_figures(each.figures) for each in judged]
        known = measured(trust, [e.kept for e in judged], [e.group for e in judged])
    empty = [scan.seen.strength for scan in work.scans if not scan.finding]
    right = [f.strength for scan in work.scans for f in scan.seen.findings if f.kept]
    found = TrustBenchmark(
        reliability=known,
        without_finding=len(empty),
        as_small=_shares(calibration, empty),
        found=_shares(calibration, right),
        notes=(*notes, *work.notes),
    )
    with replacing(out / "trust.json") as file:
        file.write_text(json.dumps(found.to_dict(), indent=1) + "\n", encoding="utf-8")
    if known is not None:
        with replacing(out / "trust.png") as file:
            figure = _drawn(known)
            FigureCanvasAgg(figure)
            figure.savefig(file, format="png", dpi=150)
    work.records.remove()
    return found


def _shares(calibration: Calibration, strengths: list[float]) -> dict[str, float | None]:
    values = [calibration.conformal_p_value(one) for one in strengths]
    known = [value for value in values if value is not None]
    return {
        f"{level:g}": sum(value <= level for value in known) / len(known) if known else None
        for level in LEVELS
    }


def _drawn(known: Reliability) -> Figure:
    """Reliability diagram and risk-coverage curve."""
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot([0, 1], [0, 1], color="#999999", linestyle=":")
    predicted = [part.predicted for part in known.bins]
    left.plot(predicted, [part.kept for part in known.bins], "o-", color="#1f5fa8")
    for part in known.bins:
        place = (part.predicted, part.kept)
        left.annotate(str(part.count), place, (4, -12), textcoords="offset points", fontsize=8)
    error = known.calibration_error
    left.set(xlim=(0, 1), ylim=(0, 1), xlabel="trust", ylabel="share that is right", aspect="equal")
    left.set_title(
        f"Reliability, {known.findings} findings: calibration error {error.value:.2f} "
        f"({error.low:.2f} to {error.high:.2f})",
        fontsize=9,
    )
    coverage = [(n + 1) / known.findings for n in range(known.findings)]
    right.plot(coverage, known.risk, color="#1f5fa8", label="most trusted first")
    right.axhline(known.aurc_unordered, color="#999999", linestyle=":", label="in any order")
    right.set(xlim=(0, 1), ylim=(0, 1), xlabel="share accepted unseen", ylabel="share wrong in it")
    right.set_title(
        f"Risk and coverage: AURC {known.aurc.value:.2f} "
        f"({known.aurc.low:.2f} to {known.aurc.high:.2f})",
        fontsize=9,
    )
    right.legend(frameon=False, fontsize=8)
    return figure
