"""What is suggested for each study, what readers made of it, and where both are kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import medcontour as mc
from lib.names import beside_names, folder_of
from lib.options import Options
from medcontour.classifier import target_index
from medcontour.edits import Refined, resume, write_report
from medcontour.pipeline import suggest_with
from medcontour.pipeline.job import settings_record
from medcontour.pipeline.references import classifier_reference, scan_reference

__all__ = ["Studies"]

READERS = "final"
"""The tag that MONAI Label gives to labels that a reader saved (its `DefaultLabelTag.FINAL`)."""


class Studies:
    """The suggestions for a store's studies.

    They are kept in a folder ``medcontour/DIGEST`` of the store: ``suggestion.json``, and in
    ``edited`` the latest edit with its report. An image's own name may be a patient's, and stands
    nowhere in them.
    """

    def __init__(self, store: Any, options: Options) -> None:
        self.store = store
        self.options = options

    def suggestion(self, study: str) -> mc.Suggestion:
        """Give the suggestion for a study of the store, or for an uploaded file; it has its scan.

        What was suggested before is taken up where classifier, cost and scan are the same.
        """
        scan = self.scan(study)
        if not self._known(study):
            return self._suggest(scan)
        kept = self.kept(study)
        if kept is not None and self._same(kept, scan) and self._is_newer(study):
            return replace(kept, source=scan)
        return self._keep(study, self._suggest(scan))

    def scan(self, study: str) -> mc.Scan:
        """Read a study of the store, or an uploaded file."""
        return mc.read_scan(self.store.series(study) if self._known(study) else study)

    def after_edit(self, study: str) -> mc.Suggestion:
        """Search on from what the reader saved: it is the start, and the next suggestion.

        Raises
        ------
        MedcontourError
            When no label of a reader's is there, or it changed nothing.
        """
        if not self._known(study) or READERS not in self._labels(study):
            raise mc.MedcontourError(
                "No label of a reader's is saved for this image, so there is nothing to start from."
            )
        scan = self.scan(study)
        edited = mc.Suggestion.read_json(self.folder(study) / "edited")
        before = self.kept(study) or self._nothing(scan)
        refined = Refined(replace(edited, source=scan), None, before)
        fresh = resume(refined, self.options.classifier).findings
        searched = {(f.slice, f.label) for f in fresh}
        kept = [f for f in edited.findings if (f.slice, f.label) not in searched]
        findings = tuple(sorted([*kept, *fresh], key=lambda f: f.slice))
        return self._keep(study, replace(edited, findings=findings, edited=False, source=scan))

    def take_over(self, study: str, label: Path, info: dict[str, Any]) -> None:
        """Compare what a reader is about to save with what was suggested; keep edit and report.

        An archive is given the edit as a DICOM SEG that refers to the series.

        Raises
        ------
        MedcontourError
            When the label cannot be read, or does not lie on the study's grid.
        """
        scan = self.scan(study)
        kept = self.kept(study)
        before = self._nothing(scan) if kept is None else replace(kept, source=scan)
        with beside_names(label, info) as named:
            refined = mc.refine(before, named, scan, include_other=True)
        folder = self.folder(study) / "edited"
        saved = refined.suggestion.save(folder, ["seg"] if self.store.archive else [])
        write_report(refined, folder)
        if "seg.dcm" in saved.files:
            mc.push(folder, self.store.archive, ["seg"])

    def last_report(self, study: str) -> dict[str, Any] | None:
        """Give the report of the latest edit, as JSON."""
        path = self.folder(study) / "edited" / "edit_report.json"
        return json.loads(path.read_text()) if path.is_file() else None

    def kept(self, study: str) -> mc.Suggestion | None:
        """Give what was suggested for a study before, without its scan."""
        path = self.folder(study) / "suggestion.json"
        return mc.Suggestion.read_json(path) if path.is_file() else None

    def folder(self, study: str) -> Path:
        """Where a study's suggestion is kept."""
        return folder_of(study, Path(self.store.root) / "medcontour")

    def _known(self, study: str) -> bool:
        return study in self.store.list_images()

    def _labels(self, study: str) -> dict[str, str]:
        return self.store.get_labels_by_image_id(study)

    def _suggest(self, scan: mc.Scan) -> mc.Suggestion:
        return suggest_with(scan, self.options.classifier, self.options.settings)

    def _keep(self, study: str, suggestion: mc.Suggestion) -> mc.Suggestion:
        suggestion.save(self.folder(study), [])
        return suggestion

    def _same(self, kept: mc.Suggestion, scan: mc.Scan) -> bool:
        options = self.options
        return (
            kept.scan == scan_reference(scan)
            and kept.classifier == classifier_reference(options.classifier, self._target)
            and kept.settings | {"scan": None} == self._record(scan)
            and kept.run.get("medcontour") == mc.__version__
        )

    def _is_newer(self, study: str) -> bool:
        """Whether what is kept was written after the image: one of that name may be another."""
        image = self.store.series(study).stat()
        kept = (self.folder(study) / "suggestion.json").stat()
        return bool(kept.st_mtime_ns > max(image.st_mtime_ns, image.st_ctime_ns))

    @property
    def _target(self) -> int:
        return target_index(self.options.classifier, self.options.target)

    def _record(self, scan: mc.Scan) -> dict[str, Any]:
        options = self.options
        record = settings_record(options.settings, scan, options.classifier, self._target)
        return json.loads(json.dumps(record))  # as it is read back

    def _nothing(self, scan: mc.Scan) -> mc.Suggestion:
        """What a label is compared with where nothing was suggested: all of it is new."""
        return mc.Suggestion(
            scan=scan_reference(scan),
            classifier=classifier_reference(self.options.classifier, self._target),
            settings=self._record(scan),
            findings=(),
            slice_scores={},
            run={},
            source=scan,
        )
