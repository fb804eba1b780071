"""A suggestion with the figures that a calibration gives its findings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from medcontour.calibration.conformal import least_p_value
from medcontour.calibration.figures import figures
from medcontour.calibration.model import Calibration
from medcontour.calibration.trust import Trust
from medcontour.results.model import Suggestion

__all__ = ["calibrated"]


def calibrated(suggestion: Suggestion, calibration: Calibration, settings_key: str) -> Suggestion:
    """Give a suggestion whose findings have conformal p values and trust, and notes that say so.

    Parameters
    ----------
    suggestion
        What was found.
    calibration
        Of the same classifier and class (`Calibration.check`).
    settings_key
        Of the suggestion's settings, as `Calibration.settings_key`.
    """
    settings = suggestion.settings | {"calibration": calibration.key()}
    scan_is_image = suggestion.scan.shape[0] == 1
    if scan_is_image != (calibration.unit == "image"):
        looked, here = "single images", f"a scan of {suggestion.scan.shape[0]} slices"
        if scan_is_image:
            looked, here = "scans of several slices", "a single image"
        note = f"Not calibrated: the calibration is of {looked} and this is {here}."
        return replace(suggestion, settings=settings, notes=(*suggestion.notes, note))
    notes = list(suggestion.notes)
    if calibration.without_finding:
        notes.append(_of_conformal(calibration))
    if (trust := calibration.trust) is not None:
        notes.append(
            f"Trust is fitted on {trust.findings} suggested findings of {trust.groups} groups, of "
            f"which {trust.kept} were right."
        )
        notes += _unlike(suggestion, trust)
    if settings_key != calibration.settings_key:
        notes.append(
            "The calibration was made with other settings than these: its figures may be off."
        )
    return replace(
        suggestion,
        findings=tuple(calibration.of_finding(finding) for finding in suggestion.findings),
        settings=settings,
        notes=tuple(notes),
    )


def _unlike(suggestion: Suggestion, trust: Trust) -> Iterator[str]:
    """Say which findings are unlike those that trust was fitted on, and by what."""
    for finding in suggestion.findings:
        if finding.suggested and (beyond := trust.beyond(figures(finding))):
            named = ", ".join(name.replace("_", " ") for name in beyond)
            yield (
                f"{finding.label} {finding.number} is unlike the findings that trust was fitted on "
                f"({named}): its trust says less."
            )


def _of_conformal(calibration: Calibration) -> str:
    groups = len(calibration.without_finding)
    what = "images" if calibration.unit == "image" else "scans"
    of = f" of {groups} patients or groups" if groups < calibration.images else ""
    return (
        f"Calibrated on {calibration.images} {what} without a finding{of}: the smallest conformal "
        f"p value there can be is {least_p_value(groups):.2g}."
    )
