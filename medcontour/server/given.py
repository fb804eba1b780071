"""What every route is given: the service, and who holds a lease."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Header, Request

from medcontour.scan import Scan
from medcontour.server.documents import Error, StudyId
from medcontour.server.service import Service

__all__ = ["ERRORS", "GivenLease", "GivenScan", "GivenService", "LeaseHeader"]

ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": Error, "description": "Cannot be understood, or of another version."},
    401: {"model": Error, "description": "The key is missing or wrong."},
    403: {"model": Error, "description": "Not allowed."},
    404: {"model": Error, "description": "Not there."},
    408: {"model": Error, "description": "The body came too slowly."},
    409: {"model": Error, "description": "Not now: what has to be there first, is not."},
    413: {"model": Error, "description": "Too large."},
    421: {"model": Error, "description": "Sent to another name."},
    422: {"model": Error, "description": "Not what it should be; the sentence says what."},
    500: {"model": Error, "description": "The server failed."},
    503: {"model": Error, "description": "Too much at once."},
    507: {"model": Error, "description": "No room."},
}
"""What any route can reply, for the OpenAPI document."""


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


GivenService = Annotated[Service, Depends(_service)]


def _scan(study: StudyId, service: GivenService) -> Scan:
    return service.workspace.scan(study)


GivenScan = Annotated[Scan, Depends(_scan)]


LeaseHeader = Annotated[
    str | None,
    Header(alias="Medcontour-Lease", description="A lease of the study.", max_length=64),
]


def _lease(study: StudyId, service: GivenService, lease: LeaseHeader = None) -> None:
    service.leases.check(lease, study)


GivenLease = Depends(_lease)
"""Demands a lease of the study."""
