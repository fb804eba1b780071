"""Routes of what was found: suggestions, curves that are judged, edits, files of every format."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from medcontour.results import NothingToWrite, Suggestion, export, format_names
from medcontour.results.document import finding_to_dict
from medcontour.results.exporter import find_exporter
from medcontour.server.documents import Edit, Look, StudyId
from medcontour.server.given import ERRORS, GivenLease, GivenScan, GivenService
from medcontour.server.problems import Problem
from medcontour.server.service import Service
from medcontour.server.study_routes import BINARY
from medcontour.server.work import LEARNED
from medcontour.workspace import Curve, take_over_curves

__all__ = ["routes"]

routes = APIRouter(prefix="/api", responses=ERRORS, tags=["results"])

Edited = Annotated[bool, Query(description="As the reader left it, not as it was suggested.")]
_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file; a format of several files comes as a ZIP archive.",
        "content": {BINARY: {"schema": {"type": "string", "format": "binary"}}},
    }
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {BINARY: {"schema": {"type": "string", "format": "binary"}}},
    }
}


@routes.get("/studies/{study}/suggestion")
def suggestion(study: StudyId, service: GivenService, edited: Edited = False) -> dict[str, Any]:
    """Give suggestion.json, which has a published schema."""
    document: dict[str, Any] = json.loads(_kept(service, study, edited).to_json())
    return document


@routes.post("/studies/{study}/evidence")
def evidence(study: StudyId, look: Look, service: GivenService, scan: GivenScan) -> dict[str, Any]:
    """Judge a curve as it is: a finding of its slice alone, with evidence, status and trust."""
    corners = np.asarray(look.corners_lps_mm, dtype=np.float64)
    with service.turn():
        return finding_to_dict(service.workspace.judge(scan, look.slice, corners))


@routes.put("/studies/{study}/edit", dependencies=[GivenLease])
def edit(study: StudyId, left: Edit, service: GivenService) -> dict[str, Any]:
    """Take over a reader's outlines, and give the edit report."""
    curves = [
        Curve(
            finding=each.finding,
            label=each.label or service.workspace.setup.target,
            slice=each.slice,
            corners_lps_mm=np.asarray(each.corners_lps_mm, dtype=np.float64),
        )
        for each in left.outlines
    ]
    return _report(take_over_curves(service.workspace, study, curves).report.to_json())


@routes.put("/studies/{study}/edit/file", dependencies=[GivenLease], openapi_extra=_BODY)
async def edit_file(
    study: StudyId,
    request: Request,
    service: GivenService,
    names: Annotated[
        str,
        Query(max_length=2000, description="Of the values of a NIfTI label map, with commas."),
    ] = "",
) -> dict[str, Any]:
    """Take over an edited file of any format that is read back, and give the edit report."""
    with tempfile.TemporaryDirectory(dir=service.options.folder) as folder:
        file = FilePath(folder) / "edited"
        with file.open("wb") as opened:
            async for piece in request.stream():
                await run_in_threadpool(opened.write, piece)
        return await run_in_threadpool(_take_over, service, study, file, names)


@routes.get("/studies/{study}/edit")
def edit_report(study: StudyId, service: GivenService) -> dict[str, Any]:
    """Give the report of the latest edit."""
    service.studies.locate(study)
    report = service.workspace.edit_report(study)
    if report is None:
        raise Problem(404, "Nobody has edited this study yet.")
    return report


@routes.get("/studies/{study}/export/{format}", response_class=FileResponse, responses=_FILE)
def export_file(
    study: StudyId,
    format: Annotated[str, Path(pattern=r"^[a-z][a-z-]{0,40}$")],
    service: GivenService,
    scan: GivenScan,
    edited: Edited = False,
    include_weak: Annotated[
        bool, Query(description="Contours no better than random places as well.")
    ] = False,
    merge_findings: Annotated[bool, Query(description="One structure a class.")] = False,
) -> FileResponse:
    """Give the findings as a file of any format that the scan can be written in."""
    if format not in format_names():
        raise Problem(404, f"There is no such format; there are {', '.join(format_names())}.")
    exporter = find_exporter(format)
    whole = replace(_kept(service, study, edited), source=scan)
    if not exporter.for_people:
        whole = whole.for_export(include_weak=include_weak, merge_findings=merge_findings)
    folder = FilePath(tempfile.mkdtemp(dir=service.options.folder))
    try:
        file = folder / exporter.filename
        export(whole, scan, format, file)
        if file.is_dir():
            shutil.make_archive(str(file), "zip", file)
            file = file.with_name(f"{file.name}.zip")
    except NothingToWrite as reason:
        shutil.rmtree(folder)
        raise Problem(409, service.plain(str(reason))) from reason
    except BaseException:
        shutil.rmtree(folder)
        raise
    done = BackgroundTask(shutil.rmtree, folder, ignore_errors=True)
    return FileResponse(file, media_type=BINARY, filename=file.name, background=done)


@routes.get("/learned", response_class=FileResponse, responses=_FILE)
def learned(service: GivenService) -> Response:
    """Give the latest learned outlines, for ``--outline learned:FILE``."""
    file = service.options.folder / LEARNED
    if not file.is_file():
        raise Problem(404, "Nothing was learned yet; begin with POST /api/learn.")
    return FileResponse(file, media_type=BINARY, filename=LEARNED)


def _kept(service: Service, study: str, edited: bool) -> Suggestion:
    service.studies.locate(study)
    found = service.workspace.edited(study) if edited else service.workspace.kept(study)
    if found is None:
        raise Problem(
            404,
            "Nobody has edited this study yet."
            if edited
            else "Nothing was suggested for this study yet; suggest first.",
        )
    return found


def _take_over(service: Service, study: str, file: FilePath, names: str) -> dict[str, Any]:
    """Give the file the ending that its content says: some readers go by it."""
    with file.open("rb") as opened:
        start = opened.read(4)
    ending = {b"\x1f\x8b": ".nii.gz", b"NR": ".seg.nrrd", b"\x89P": ".png"}.get(start[:2], "")
    if start.lstrip()[:1] == b"{":
        ending = ".json"
    named = file.rename(file.with_name(f"edited{ending}"))
    given = [name.strip() for name in names.split(",")] if names else []
    return _report(service.workspace.take_over(study, named, names=given).report.to_json())


def _report(text: str) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(text)
    return report
