"""The same client for asyncio."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import httpx
import numpy as np
import numpy.typing as npt

from medcontour_client import calls
from medcontour_client.calls import AnyStudy, Axis, Call, Given
from medcontour_client.errors import ServerError
from medcontour_client.parts import Info, Job, Listed, Outline, Step, Study

__all__ = ["AsyncClient"]

Progress = Callable[[Step], None]


class AsyncClient:
    """A medcontour server, from Python, for asyncio: the same verbs as `Client`.

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
    >>> async with AsyncClient("http://127.0.0.1:8765") as client:  # doctest: +SKIP
    ...     study = await client.open("ct_study")
    ...     suggestion = await client.suggest(study)
    ...     await client.export(study, "rtstruct", to="rtstruct.dcm")
    """

    def __init__(self, url: str, key: str | None = None, timeout: float = 120.0) -> None:
        self._http = httpx.AsyncClient(**calls.common(url, key, timeout))
        self._leases: dict[str, str] = {}

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        await self._http.aclose()

    async def info(self) -> Info:
        """Say what the server is: to see whether address, key and version fit."""
        return await self._do(calls.info())

    async def studies(self) -> list[Listed]:
        """List the studies that can be opened."""
        return await self._do(calls.studies())

    async def open(self, path: str | None = None, *, address: str | None = None) -> Study:
        """Open a scan by its path below the server's folder, or its address in an archive."""
        return await self._do(calls.open_study(path, address))

    async def upload(self, scan: str | os.PathLike[str]) -> Study:
        """Upload a file, or the folder of a DICOM series."""
        with calls.one_file(scan) as file, file.open("rb") as content:
            return await self._do(calls.upload(), _pieces(content))

    async def study(self, study: AnyStudy) -> Study:
        """Give a study as it is now."""
        return await self._do(calls.study(study))

    async def remove(self, study: AnyStudy) -> None:
        """Remove an uploaded scan, or forget one in an archive, with all that was made of it."""
        await self._do(calls.remove(study, self._lease(study)))

    async def voxels(self, study: AnyStudy) -> npt.NDArray[np.float32]:
        """(slices, rows, columns) of the scan, and a last axis of 3 where it has colours."""
        return await self._do(calls.voxels(study))

    async def plane(self, study: AnyStudy, axis: Axis, index: int) -> npt.NDArray[np.float32]:
        """One plane across an axis of the scan."""
        return await self._do(calls.plane(study, axis, index))

    async def suggest(self, study: AnyStudy, progress: Progress | None = None) -> dict[str, Any]:
        """Look for findings, and give suggestion.json; what was found before is taken up."""
        await self.result(await self._do(calls.begin(study, "suggest")), progress)
        return await self.suggestion(study)

    async def snap(
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
        begun = await self._do(calls.begin(study, "snap", **{k: v for k, v in given.items() if v}))
        result = await self.result(begun, progress)
        made: dict[str, Any] = result["suggestion"]
        return made

    async def contour_map(
        self, study: AnyStudy, slice: int, progress: Progress | None = None
    ) -> dict[str, Any]:
        """Find a slice's best contour of each area; ``levels``, the smallest first."""
        begun = await self._do(calls.begin(study, "map", slice=int(slice)))
        result = await self.result(begun, progress)
        made: dict[str, Any] = result["map"]
        return made

    async def suggestion(self, study: AnyStudy, *, edited: bool = False) -> dict[str, Any]:
        """Give suggestion.json, or what the reader left of it."""
        return await self._do(calls.suggestion(study, edited))

    async def evidence(self, study: AnyStudy, slice: int, corners: npt.ArrayLike) -> dict[str, Any]:
        """Judge a curve as it is, (n, 3) LPS mm: a finding with evidence, status and trust."""
        return await self._do(calls.evidence(study, slice, corners))

    @asynccontextmanager
    async def lease(self, study: AnyStudy) -> AsyncIterator[str]:
        """Have a study to oneself, to change it; `edit`, `edit_file` and `refine` take one each."""
        lease = await self._do(calls.take_lease(study))
        self._leases[calls.as_study(study)] = lease
        try:
            yield lease
        finally:
            self._leases.pop(calls.as_study(study), None)
            try:
                await self._do(calls.give_back_lease(lease))
            except ServerError as error:
                if error.status != 404:  # it ended by itself
                    raise

    async def renew(self, study: AnyStudy) -> None:
        """Keep the lease of a study while its reader looks at it."""
        await self._do(calls.renew_lease(self._leases[calls.as_study(study)]))

    async def edit(self, study: AnyStudy, outlines: Sequence[Outline]) -> dict[str, Any]:
        """Take over all outlines that stay, and give the edit report."""
        async with self._leased(study) as lease:
            return await self._do(calls.edit(study, outlines, lease))

    async def edit_file(
        self, study: AnyStudy, file: str | os.PathLike[str], names: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Take over an edited file of any format, and give the edit report."""
        async with self._leased(study) as lease:
            content = await asyncio.to_thread(Path(file).read_bytes)
            return await self._do(calls.edit_file(study, names, lease), content)

    async def edit_report(self, study: AnyStudy) -> dict[str, Any]:
        """Give the report of the latest edit."""
        return await self._do(calls.edit_report(study))

    async def refine(self, study: AnyStudy, progress: Progress | None = None) -> dict[str, Any]:
        """Search on from the latest edit, and give the new suggestion."""
        async with self._leased(study) as lease:
            await self.result(await self._do(calls.begin(study, "refine", lease)), progress)
        return await self.suggestion(study)

    async def export(
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
        content = await self._do(calls.export(study, format, edited, include_weak, merge_findings))
        if to is not None:
            await asyncio.to_thread(Path(to).write_bytes, content)
        return content

    async def learn(self, progress: Progress | None = None) -> dict[str, Any]:
        """Learn outlines from the server's scans and the edits of them; what the file says."""
        return await self.result(await self._do(calls.learn()), progress)

    async def learned(self) -> bytes:
        """Give the latest learned outlines, for ``--outline learned:FILE``."""
        return await self._do(calls.learned())

    async def begin(self, study: AnyStudy) -> Job:
        """Begin to look for findings, and do not wait."""
        return await self._do(calls.begin(study, "suggest"))

    async def job(self, job: Job | str) -> Job:
        """Give a job as it is now."""
        return await self._do(calls.job(job.id if isinstance(job, Job) else job))

    async def cancel(self, job: Job | str) -> Job:
        """Cancel a job."""
        return await self._do(calls.cancel(job.id if isinstance(job, Job) else job))

    async def follow(self, job: Job | str) -> AsyncIterator[Job]:
        """Give a job each time it has come further, until it has ended."""
        id = job.id if isinstance(job, Job) else job
        while True:
            try:
                async with self._http.stream("GET", f"/api/jobs/{id}/events") as reply:
                    if not reply.is_success:
                        await reply.aread()
                    calls.check(reply)
                    async for line in reply.aiter_lines():
                        if line.startswith("data: "):
                            yield Job.read(json.loads(line[6:]))
            except httpx.TransportError:
                pass
            job = await self._still(id)
            if job.ended:
                return

    async def result(self, job: Job, progress: Progress | None = None) -> dict[str, Any]:
        """Wait for a job, and give its result; it is cancelled where waiting is ended."""
        try:
            async for now in self.follow(job):
                if progress is not None and now.step is not None:
                    progress(now.step)
        except BaseException:
            with suppress(ServerError):
                await self.cancel(job)
            raise
        return calls.outcome(await self.job(job))

    async def _still(self, id: str) -> Job:
        """Give a job, also where its server starts again meanwhile: it takes its jobs up."""
        until = time.monotonic() + calls.PATIENCE_SECONDS
        while True:
            try:
                return await self.job(id)
            except ServerError as error:
                if error.status is not None or time.monotonic() > until:
                    raise
                await asyncio.sleep(calls.RETRY_SECONDS)

    def _lease(self, study: AnyStudy) -> str | None:
        return self._leases.get(calls.as_study(study))

    @asynccontextmanager
    async def _leased(self, study: AnyStudy) -> AsyncIterator[str]:
        """Give the lease that is held already, or one for this change."""
        held = self._lease(study)
        if held is not None:
            yield held
            return
        async with self.lease(study) as lease:
            yield lease

    async def _do(self, call: Call[Given], content: Any = None) -> Given:
        try:
            reply = await self._http.request(**call.sent, content=content)
        except httpx.TransportError as error:
            raise calls.unreachable(error) from error
        return call.read(calls.check(reply))


async def _pieces(content: BinaryIO) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(content.read, 2**20):
        yield piece
