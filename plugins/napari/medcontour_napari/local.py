"""The verbs of `medcontour_client.Client` in this process, by medcontour itself."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from medcontour_client import Outline, Step, Study

from medcontour_napari.geometry import study_of

if TYPE_CHECKING:
    import medcontour as mc

__all__ = ["Local"]

Progress = Callable[[Step], None]
AnyStudy = Study | str


class Local:
    """Looks at scans in this process.

    What is suggested is kept in a temporary folder until `close`.

    Parameters
    ----------
    classifier
        Whatever `medcontour.load_classifier` takes.
    settings
        Of `medcontour.Settings`, as text: ``{"target": "nodule", "slices": "10:20"}``.

    Raises
    ------
    MedcontourError
        Of every verb, as of medcontour's own functions: one plain sentence.

    Examples
    --------
    >>> local = Local("bundle/", {"slices": "13"})  # doctest: +SKIP
    >>> study = local.open("ct_study")  # doctest: +SKIP
    >>> local.suggest(study)["findings"]  # doctest: +SKIP
    """

    def __init__(self, classifier: str, settings: dict[str, str]) -> None:
        _leave_triton_out()
        import medcontour as mc
        from medcontour.workspace import Setup, Workspace

        setup = Setup(mc.load_classifier(classifier), mc.Settings.from_text(settings))
        self._folder = Path(tempfile.mkdtemp(prefix="medcontour-"))
        self._places: dict[str, str] = {}
        self._scans: dict[str, mc.Scan] = {}
        self._workspace = Workspace(
            self._folder, setup, self._places.__getitem__, self._scans.__getitem__
        )

    def close(self) -> None:
        """Remove what was kept."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def open(self, path: str) -> Study:
        """Open a scan by its path, or its address in an archive."""
        import medcontour as mc
        from medcontour.workspace import digest

        study = digest(path, self._folder)
        self._scans[study], self._places[study] = mc.read_scan(path), path
        return study_of(self._scans[study], study)

    def voxels(self, study: AnyStudy) -> npt.NDArray[np.float32]:
        """(slices, rows, columns) of the scan, and a last axis of 3 where it has colours."""
        return self._scan(study).voxels

    def suggest(self, study: AnyStudy, progress: Progress | None = None) -> dict[str, Any]:
        """Look for findings, and give suggestion.json; what was found before is taken up."""
        return _document(self._workspace.suggestion(_id(study), _told(progress)))

    def snap(
        self,
        study: AnyStudy,
        *,
        polygons: Sequence[Outline] = (),
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Search on from drawings; the suggestion is kept nowhere."""
        starts = {each.slice: each.corners_lps_mm for each in polygons}
        return _document(self._workspace.snap(self._scan(study), starts, _told(progress)))

    def contour_map(
        self, study: AnyStudy, slice: int, progress: Progress | None = None
    ) -> dict[str, Any]:
        """Find a slice's best contour of each area."""
        mapped = self._workspace.contour_map(self._scan(study), slice, _told(progress))
        found: dict[str, Any] = json.loads(mapped.to_json())
        return found

    def evidence(self, study: AnyStudy, slice: int, corners: npt.ArrayLike) -> dict[str, Any]:
        """Judge a curve as it is, (n, 3) LPS mm: a finding with evidence, status and trust."""
        from medcontour.workspace import nothing_suggested

        scan = self._scan(study)
        judged = self._workspace.judge(scan, slice, corners)
        [found] = _document(replace(nothing_suggested(scan), findings=(judged,)))["findings"]
        return dict(found)

    def edit(self, study: AnyStudy, outlines: Sequence[Outline]) -> dict[str, Any]:
        """Take over all outlines that stay, and give the edit report."""
        from medcontour.workspace import Curve, take_over_curves

        target = self._workspace.setup.target
        curves = [
            Curve(one.finding, one.label or target, one.slice, one.corners_lps_mm)
            for one in outlines
        ]
        refined = take_over_curves(self._workspace, _id(study), curves)
        report: dict[str, Any] = json.loads(refined.report.to_json())
        return report

    def export(
        self, study: AnyStudy, format: str, *, to: str | os.PathLike[str], edited: bool = False
    ) -> None:
        """Write a file of a format, as suggested or as the reader left it."""
        import medcontour as mc

        kept = self._workspace.edited if edited else self._workspace.kept
        found = kept(_id(study))
        if found is None:
            raise mc.MedcontourError(
                "There is nothing to write yet; suggest, or save an edit first."
            )
        scan = self._scan(study)
        mc.export(replace(found, source=scan).for_export(), scan, format, Path(to))

    def _scan(self, study: AnyStudy) -> mc.Scan:
        return self._scans[_id(study)]


def _leave_triton_out() -> None:
    """Keep PyTorch from loading Triton beside a viewer; nothing here is compiled by it.

    Mesa's drivers of OpenGL and Triton bring an LLVM each: with the first loaded, as it is once a
    viewer is open, the second ends the process with a segmentation fault.
    """
    if "triton" not in sys.modules:
        sys.modules["triton"] = None  # type: ignore[assignment]


def _id(study: AnyStudy) -> str:
    return study.id if isinstance(study, Study) else study


def _document(suggestion: mc.Suggestion) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(suggestion.to_json())
    return document


def _told(progress: Progress | None) -> Callable[[str, int, int], None] | None:
    if progress is None:
        return None
    return lambda what, done, most: progress(Step(what, done, most))
