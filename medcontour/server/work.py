"""What jobs do: suggest, snap, map a slice, search on from an edit, learn from edits."""

from __future__ import annotations

import csv
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from medcontour.learning import learn_with
from medcontour.progress import Progress
from medcontour.results import NothingToWrite, export, refusal
from medcontour.server.problems import Problem
from medcontour.server.records import Job
from medcontour.server.studies import Studies
from medcontour.workspace import Workspace, clicked, summary

__all__ = ["LEARNED", "Worker"]

LEARNED = "learned.safetensors"
"""The file of the latest learned outlines, in the server's folder."""


class Worker:
    """Does jobs by the workspace, one after the other."""

    def __init__(self, workspace: Workspace, studies: Studies, folder: Path) -> None:
        self._workspace, self._studies, self._folder = workspace, studies, folder

    def do(self, job: Job, progress: Progress) -> dict[str, Any]:
        """Do a job, and give its result as plain values.

        Raises
        ------
        MedcontourError or Problem
            For what a client can mend.
        """
        if job.work["kind"] == "learn":
            return self._learn(progress)
        assert job.study is not None
        progress("read", 0, 1)
        if job.work["kind"] == "suggest":
            return summary(self._workspace.suggestion(job.study, progress))
        if job.work["kind"] == "refine":
            return summary(self._workspace.after_edit(job.study, progress))
        if job.work["kind"] == "map":
            scan = self._workspace.scan(job.study)
            mapped = self._workspace.contour_map(scan, job.work["slice"], progress)
            return {"map": json.loads(mapped.to_json())}
        return self._snap(job, job.study, progress)

    def _snap(self, job: Job, study: str, progress: Progress) -> dict[str, Any]:
        """The whole suggestion, which is kept nowhere else."""
        scan = self._workspace.scan(study)
        starts = clicked(job.work["points"], scan) if job.work["points"] else {}
        for polygon in job.work["polygons"]:
            starts[polygon["slice"]] = np.asarray(polygon["corners_lps_mm"], dtype=np.float64)
        suggestion = self._workspace.snap(scan, starts, progress)
        return {"suggestion": json.loads(suggestion.to_json())}

    def _learn(self, progress: Progress) -> dict[str, Any]:
        """Train on all scans of the server, those that were edited as their readers left them."""
        setup = self._workspace.setup
        with tempfile.TemporaryDirectory(dir=self._folder) as temporary:
            checked = self._checked(Path(temporary), progress)
            made = learn_with(
                checked,
                setup.classifier,
                setup.settings,
                self._folder / LEARNED,
                progress=progress,
            )
        return {"card": made.card, "notes": list(made.notes)}

    def _checked(self, folder: Path, progress: Progress) -> Path:
        """Write the list of scans, with a mask of each that was edited."""
        file = folder / "scans.csv"
        listed = self._studies.listed()
        edits = 0
        with file.open("w", encoding="utf-8", newline="") as opened:
            rows = csv.writer(opened)
            rows.writerow(("scan", "mask"))
            for number, entry in enumerate(listed, start=1):
                progress("list", number, len(listed))
                if not self._studies.is_plain(entry.study):
                    continue  # one of several series of a folder, or in an archive
                mask = self._mask(entry.study, folder / f"{number}")
                edits += mask is not None
                rows.writerow((self._studies.locate(entry.study), mask or ""))
        if not edits:
            raise Problem(409, "No study was edited yet, so there is nothing to learn from.")
        return file

    def _mask(self, study: str, stem: Path) -> Path | None:
        edited = self._workspace.edited(study)
        if edited is None:
            return None
        scan = self._workspace.scan(study)
        whole = refusal(scan, "labelmap") is None
        file = stem.with_name(stem.name + (".nii.gz" if whole else ".png"))
        try:
            left = replace(edited, source=scan).for_export()
            export(left, scan, "labelmap" if whole else "png", file)
        except NothingToWrite:
            return None
        return file
