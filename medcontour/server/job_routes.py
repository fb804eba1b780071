"""Routes of jobs and leases: begin, look at, follow, cancel."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from medcontour.server.documents import (
    JobDocument,
    JobId,
    Lease,
    LeaseId,
    LeaseOf,
    Refine,
    Snap,
    StepDocument,
    StudyId,
    Work,
)
from medcontour.server.given import ERRORS, GivenService, LeaseHeader
from medcontour.server.problems import Problem
from medcontour.server.records import ENDED, Job
from medcontour.server.service import Service

__all__ = ["routes"]

routes = APIRouter(prefix="/api", responses=ERRORS, tags=["jobs"])

LOOK_SECONDS = 0.1
SIGN_SECONDS = 10.0
"""After which a line of nothing says that the connection lives."""

EVENTS = "text/event-stream"
_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events named `job`, each a job without its result; the last has ended.",
        "content": {EVENTS: {}},
    }
}


@routes.post("/studies/{study}/jobs", status_code=202)
def begin(
    study: StudyId, work: Work, service: GivenService, lease: LeaseHeader = None
) -> JobDocument:
    """Begin to suggest, to snap to clicks or drawings, to map a slice, or to refine an edit.

    To refine is to search on from the latest edit: it changes the study, and needs a lease of it.
    """
    service.studies.locate(study)
    if isinstance(work, Refine):
        service.leases.check(lease, study)
    if isinstance(work, Snap) and not (work.points or work.polygons):
        raise Problem(422, "Give points or polygons to search on from.")
    return _document(service, service.jobs.add(study, work.model_dump()))


@routes.post("/learn", status_code=202)
def learn(service: GivenService) -> JobDocument:
    """Begin to learn outlines from all scans of the server's folder, and the edits of them."""
    return _document(service, service.jobs.add(None, {"kind": "learn"}))


@routes.get("/jobs/{job}")
def show(job: JobId, service: GivenService) -> JobDocument:
    """Say how far a job is, with its result once it is done."""
    return _document(service, service.jobs.job(job))


@routes.post("/jobs/{job}/cancel")
def cancel(job: JobId, service: GivenService) -> JobDocument:
    """Cancel a job; one that runs lets go at its next step."""
    return _document(service, service.jobs.cancel(job))


@routes.get("/jobs/{job}/events", response_class=StreamingResponse, responses=_EVENTS)
def events(job: JobId, service: GivenService) -> StreamingResponse:
    """Follow a job by server-sent events until it has ended."""
    service.jobs.job(job)
    return StreamingResponse(_follow(job, service), media_type=EVENTS)


@routes.post("/leases", status_code=201)
def take_lease(wanted: LeaseOf, service: GivenService) -> Lease:
    """Take a study to change it: no other client can, until it is given back or idle."""
    service.studies.locate(wanted.study)
    return _lease(service, service.leases.take(wanted.study), wanted.study)


@routes.put("/leases/{lease}")
def renew_lease(lease: LeaseId, service: GivenService) -> Lease:
    """Say that the client is still there."""
    return _lease(service, lease, service.leases.renew(lease))


@routes.delete("/leases/{lease}", status_code=204)
def give_back_lease(lease: LeaseId, service: GivenService) -> None:
    """Give a study back."""
    service.leases.give_back(lease)


async def _follow(id: str, service: Service) -> AsyncIterator[str]:
    told, when = "", time.monotonic()
    while True:
        job = await run_in_threadpool(service.jobs.job, id)
        document = _document(service, job)
        document.result = None
        text = json.dumps(document.model_dump(exclude={"result"}))
        if text != told:
            told, when = text, time.monotonic()
            yield f"event: job\ndata: {text}\n\n"
        elif time.monotonic() - when > SIGN_SECONDS:
            when = time.monotonic()
            yield ": still there\n\n"
        if job.state in ENDED or service.jobs.stopping:
            return
        await asyncio.sleep(LOOK_SECONDS)


def _document(service: Service, job: Job) -> JobDocument:
    step = service.jobs.step(job.id) if job.state == "running" else None
    return JobDocument(
        job=job.id,
        study=job.study,
        kind=job.work["kind"],
        state=job.state,
        step=None if step is None else StepDocument(**asdict(step)),
        error=job.error,
        result=job.result,
    )


def _lease(service: Service, lease: str, study: str) -> Lease:
    return Lease(lease=lease, study=study, idle_seconds=service.options.bounds.idle_seconds)
