"""One scan at a server: suggested, edited as segments or curves, measured, undone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from medcontour_client import Client, Job, JobFailed, Outline, Study, outlines_of

from MedcontourLib.curves import Curve, curves_of

__all__ = ["Desk"]


class Desk:
    """What the module does with a server, without a scene.

    No verb but `open` and `suggestion_of` takes long: `begin` and `look` are called by a timer.

    Parameters
    ----------
    address, key
        Of the server; the key where it demands one.

    Raises
    ------
    medcontour_client.ServerError
        Of every verb: one plain sentence.

    Examples
    --------
    >>> desk = Desk("http://127.0.0.1:8765")  # doctest: +SKIP
    >>> desk.open("volume.nrrd")  # doctest: +SKIP
    >>> desk.finish(desk.begin())  # doctest: +SKIP
    >>> desk.curves()[0].name  # doctest: +SKIP
    'nodule 1, slice 14'
    """

    def __init__(self, address: str, key: str | None = None) -> None:
        self._client = Client(address, key or None)
        self._study: Study | None = None
        self._document: dict[str, Any] | None = None
        self._known: set[str] = set()
        self._saved: list[list[Outline]] = []

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def test(self) -> str:
        """Say what the server is: address, key and versions fit where nothing is raised."""
        info = self._client.info()
        return f"medcontour {info.medcontour} (interface {info.api}) looks for {info.target}."

    @property
    def target(self) -> str:
        """The class that is looked for."""
        return self._client.info().target

    @property
    def study(self) -> Study:
        """The scan that is open."""
        if self._study is None:
            raise ValueError("No scan is open yet; suggest for one first.")
        return self._study

    @property
    def can_undo(self) -> bool:
        """Whether an edit was saved that can be taken back."""
        return len(self._saved) > 1

    def open(self, file: str | os.PathLike[str]) -> Study:
        """Upload a volume: a NRRD or NIfTI file, or the folder of a DICOM series."""
        self._study = self._client.upload(file)
        self._document, self._saved = None, []
        return self._study

    def begin(self) -> Job:
        """Begin to look for findings, and do not wait."""
        return self._client.begin(self.study)

    def look(self, job: Job) -> Job:
        """Say how far a job is."""
        return self._client.job(job)

    def cancel(self, job: Job) -> None:
        """Let a job go."""
        self._client.cancel(job)

    def finish(self, job: Job) -> dict[str, Any]:
        """Give suggestion.json of a job once it is done; it waits where it is not.

        Raises
        ------
        JobFailed, JobCancelled
            Where there is none.
        """
        self._client.result(job)
        return self._take(self._client.suggestion(self.study))

    def curves(self) -> list[Curve]:
        """The outlines as they were saved last, and the evidence, as closed curves."""
        if self._document is None:
            raise JobFailed("Nothing was suggested for this scan yet; suggest first.")
        return curves_of(self._document)

    def segmentation(self, to: str | os.PathLike[str]) -> None:
        """Write all findings as segments, ``.seg.nrrd``, for the Segment Editor."""
        self._client.export(self.study, "nrrd", to=to, edited=self.can_undo)

    def save_curves(self, outlines: Sequence[Outline]) -> dict[str, Any]:
        """Take all outlines over that are to stay, and give the edit report."""
        report = self._send(outlines)
        self._after_edit()
        return report

    def save_segmentation(self, file: str | os.PathLike[str]) -> dict[str, Any]:
        """Take edited segments over, ``.seg.nrrd``, and give the edit report."""
        report = self._client.edit_file(self.study, file)
        self._after_edit()
        return report

    def undo(self) -> list[Curve]:
        """Take the last edit that was saved back, and give the curves as they were before."""
        if not self.can_undo:
            raise ValueError("There is no saved edit to take back.")
        self._send(self._saved[-2])
        del self._saved[-1]
        self._document = self._client.suggestion(self.study, edited=True)
        return self.curves()

    def export(self, format: str, to: str | os.PathLike[str]) -> None:
        """Write a file of a format, as the reader left it where an edit was saved."""
        self._client.export(self.study, format, to=to, edited=self.can_undo)

    def _take(self, document: dict[str, Any]) -> dict[str, Any]:
        self._document = document
        self._known = {finding["id"] for finding in document["findings"]}
        self._saved = [outlines_of(document)]
        return document

    def _send(self, outlines: Sequence[Outline]) -> dict[str, Any]:
        """Findings that an earlier edit made are new ones to the server each time."""
        assert self._document is not None
        labels = {finding["id"]: finding["label"] for finding in self._document["findings"]}
        sent = [
            one
            if one.finding is None or one.finding in self._known
            else replace(one, finding=None, label=labels.get(one.finding, one.label))
            for one in outlines
        ]
        return self._client.edit(self.study, sent)

    def _after_edit(self) -> None:
        self._document = self._client.suggestion(self.study, edited=True)
        self._saved.append(outlines_of(self._document))
