"""The client that waits for the server: written from ``asynchronous.py``."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt

from medcontour_client import calls
from medcontour_client.calls import AnyStudy, Axis, Call, Given
from medcontour_client.errors import ServerError
from medcontour_client.parts import Info, Job, Listed, Outline, Step, Study

__all__ = ["Client"]

Progress = Callable[[Step], None]


class Client:
    """A medcontour server, from Python.

    Parameters
    ----------
    url
        Its address, such as ``http://127.0.0.1:8765``. With a key it has to be https, or this
        machine's own.
    key
        What the server demands, where it does.
    timeout
        Seconds to wait for a reply; jobs may take as long as they take.

    Raises
    ------
    ServerError
        Of every verb: what the server refused, in a sentence, or that it cannot be reached.
        `WrongVersion` where client and server do not go together, `JobFailed` and `JobCancelled`
        of the verbs that are jobs.

    Examples
    --------
    >>> with Client("http://127.0.0.1:8765") as client:  # doctest: +SKIP
    ...     study = client.open("ct_study")
    ...     suggestion = client.suggest(study)
    ...     client.export(study, "rtstruct", to="rtstruct.dcm")
    """

    def __init__(self, url: str, key: str | None = None, timeout: float = 120.0) -> None:
        self._http = httpx.Client(**calls.common(url, key, timeout))
        self._leases: dict[str, str] = {}

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def info(self) -> Info:
        """Say what the server is: to see whether address, key and version fit."""
        return self._do(calls.info())

    def studies(self) -> list[Listed]:
        """List the studies that can be opened."""
        return self._do(calls.studies())

    def open(self, path: str | None = None, *, address: str | None = None) -> Study:
        """Open a scan by its path below the server's folder, or its address in an archive."""
        return self._do(calls.open_study(path, address))

    def upload(self, scan: str | os.PathLike[str]) -> Study:
        """Upload a file, or the folder of a DICOM series."""
        with calls.one_file(scan) as file, file.open("rb") as content:
            return self._do(calls.upload(), content)

    def study(self, study: AnyStudy) -> Study:
        """Give a study as it is now."""
        return self._do(calls.study(study))

    def remove(self, study: AnyStudy) -> None:
        """Remove an uploaded scan, or forget one in an archive, with all that was made of it."""
        self._do(calls.remove(study, self._lease(study)))

    def voxels(self, study: AnyStudy) -> npt.NDArray[np.float32]:
        """(slices, rows, columns) of the scan, and a last axis of 3 where it has colours."""
        return self._do(calls.voxels(study))

    def plane(self, study: AnyStudy, axis: Axis, index: int) -> npt.NDArray[np.float32]:
        """One plane across an axis of the scan."""
        return self._do(calls.plane(study, axis, index))

    def suggest(self, study: AnyStudy, progress: Progress | None = None) -> dict[str, Any]:
        """Look for findings, and give suggestion.json; what was found before is taken up."""
        self.result(self._do(calls.begin(study, "suggest")), progress)
        return self.suggestion(study)

    def snap(
        self,
        study: AnyStudy,
        *,
        points: npt.ArrayLike = (),
        polygons: Sequence[Outline] = (),
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Search on from clicks (voxels [i, j, k] of the image's file) or drawings.

        Returns
        -------
        A suggestion of its own, which the server does not keep.
        """
        drawn = [
            {key: each.to_json()[key] for key in ("slice", "corners_lps_mm")} for each in polygons
        ]
        clicks = np.asarray(points, dtype=np.float64).reshape(-1, 3).tolist()
        given: dict[str, Any] = {"points": clicks, "polygons": drawn}
        begun = self._do(calls.begin(study, "snap", **{k: v for k, v in given.items() if v}))
        result = self.result(begun, progress)
        made: dict[str, Any] = result["suggestion"]
        return made

    def contour_map(
        self, study: AnyStudy, slice: int, progress: Progress | None = None
    ) -> dict[str, Any]:
        """Find a slice's best contour of each area; ``levels``, the smallest first."""
        begun = self._do(calls.begin(study, "map", slice=int(slice)))
        result = self.result(begun, progress)
        made: dict[str, Any] = result["map"]
        return made

    def suggestion(self, study: AnyStudy, *, edited: bool = False) -> dict[str, Any]:
        """Give suggestion.json, or what the reader left of it."""
        return self._do(calls.suggestion(study, edited))

    def evidence(self, study: AnyStudy, slice: int, corners: npt.ArrayLike) -> dict[str, Any]:
        """Judge a curve as it is, (n, 3) LPS mm: a finding with evidence, status and trust."""
        return self._do(calls.evidence(study, slice, corners))

    @contextmanager
    def lease(self, study: AnyStudy) -> Iterator[str]:
        """Have a study to oneself, to change it; `edit`, `edit_file` and `refine` take one each."""
        lease = self._do(calls.take_lease(study))
        self._leases[calls.as_study(study)] = lease
        try:
            yield lease
        finally:
            self._leases.pop(calls.as_study(study), None)
            try:
                self._do(calls.give_back_lease(lease))
            except ServerError as error:
                if error.status != 404:  # it ended by itself
                    raise

    def renew(self, study: AnyStudy) -> None:
        """Keep the lease of a study while its reader looks at it."""
        self._do(calls.renew_lease(self._leases[calls.as_study(study)]))

    def edit(self, study: AnyStudy, outlines: Sequence[Outline]) -> dict[str, Any]:
        """Take over all outlines that stay, and give the edit report."""
        with self._leased(study) as lease:
            return self._do(calls.edit(study, outlines, lease))

    def edit_file(
        self, study: AnyStudy, file: str | os.PathLike[str], names: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Take over an edited file of any format, and give the edit report."""
        with self._leased(study) as lease:
            content = Path(file).read_bytes()
            return self._do(calls.edit_file(study, names, lease), content)

    def edit_report(self, study: AnyStudy) -> dict[str, Any]:
        """Give the report of the latest edit."""
        return self._do(calls.edit_report(study))

    def refine(self, study: AnyStudy, progress: Progress | None = None) -> dict[str, Any]:
        """Search on from the latest edit, and give the new suggestion."""
        with self._leased(study) as lease:
            self.result(self._do(calls.begin(study, "refine", lease)), progress)
        return self.suggestion(study)

    def export(
        self,
        study: AnyStudy,
        format: str,
        *,
        to: str | os.PathLike[str] | None = None,
        edited: bool = False,
        include_weak: bool = False,
        merge_findings: bool = False,
    ) -> bytes:
        """Give a file of a format, and write it where `to` says; several come as a ZIP archive."""
        content = self._do(calls.export(study, format, edited, include_weak, merge_findings))
        if to is not None:
            Path(to).write_bytes(content)
        return content

    def learn(self, progress: Progress | None = None) -> dict[str, Any]:
        """Learn outlines from the server's scans and the edits of them; what the file says."""
        return self.result(self._do(calls.learn()), progress)

    def learned(self) -> bytes:
        """Give the latest learned outlines, for ``--outline learned:FILE``."""
        return self._do(calls.learned())

    def begin(self, study: AnyStudy) -> Job:
        """Begin to look for findings, and do not wait."""
        return self._do(calls.begin(study, "suggest"))

    def job(self, job: Job | str) -> Job:
        """Give a job as it is now."""
        return self._do(calls.job(job.id if isinstance(job, Job) else job))

    def cancel(self, job: Job | str) -> Job:
        """Cancel a job."""
        return self._do(calls.cancel(job.id if isinstance(job, Job) else job))

    def follow(self, job: Job | str) -> Iterator[Job]:
        """Give a job each time it has come further, until it has ended."""
        id = job.id if isinstance(job, Job) else job
        while True:
            try:
                with self._http.stream("GET", f"/api/jobs/{id}/events") as reply:
                    if not reply.is_success:
                        reply.read()
                    calls.check(reply)
                    for line in reply.iter_lines():
                        if line.startswith("data: "):
                            yield Job.read(json.loads(line[6:]))
            except httpx.TransportError:
                pass
            job = self._still(id)
            if job.ended:
                return

    def result(self, job: Job, progress: Progress | None = None) -> dict[str, Any]:
        """Wait for a job, and give its result; it is cancelled where waiting is ended."""
        try:
            for now in self.follow(job):
                if progress is not None and now.step is not None:
                    progress(now.step)
        except BaseException:
            with suppress(ServerError):
                self.cancel(job)
            raise
        return calls.outcome(self.job(job))

    def _still(self, id: str) -> Job:
        """Give a job, also where its server starts again meanwhile: it takes its jobs up."""
        until = time.monotonic() + calls.PATIENCE_SECONDS
        while True:
            try:
                return self.job(id)
            except ServerError as error:
                if error.status is not None or time.monotonic() > until:
                    raise
                time.sleep(calls.RETRY_SECONDS)

    def _lease(self, study: AnyStudy) -> str | None:
        return self._leases.get(calls.as_study(study))

    @contextmanager
    def _leased(self, study: AnyStudy) -> Iterator[str]:
        """Give the lease that is held already, or one for this change."""
        held = self._lease(study)
        if held is not None:
            yield held
            return
        with self.lease(study) as lease:
            yield lease

    def _do(self, call: Call[Given], content: Any = None) -> Given:
        try:
            reply = self._http.request(**call.sent, content=content)
        except httpx.TransportError as error:
            raise calls.unreachable(error) from error
        return call.read(calls.check(reply))
