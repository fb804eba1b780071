"""Routes of studies: list, open, upload, look at, remove."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Path, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from medcontour.scan import Scan
from medcontour.server.documents import Listing, OpenAddress, OpenPath, Study, StudyId
from medcontour.server.given import ERRORS, GivenScan, GivenService, LeaseHeader
from medcontour.server.problems import Problem
from medcontour.server.service import Service

__all__ = ["routes"]

routes = APIRouter(prefix="/api", responses=ERRORS, tags=["studies"])

SHAPE_HEADER = "Medcontour-Shape"
BINARY = "application/octet-stream"
_VALUES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "float32 values, little-endian, the last axis fastest.",
        "content": {BINARY: {"schema": {"type": "string", "format": "binary"}}},
        "headers": {
            SHAPE_HEADER: {
                "description": "The axes' lengths, with commas between.",
                "schema": {"type": "string"},
            }
        },
    }
}
_UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {BINARY: {"schema": {"type": "string", "format": "binary"}}},
    }
}


@routes.get("/studies")
def list_studies(service: GivenService) -> list[Listing]:
    """List the scans of the server's folder, and what was uploaded or opened from an archive."""
    return [
        Listing(study=each.study, origin=each.origin, name=each.name)
        for each in service.studies.listed()
    ]


@routes.post("/studies", status_code=201)
def open_study(wanted: OpenPath | OpenAddress, service: GivenService) -> Study:
    """Open a scan by its path below the server's folder, or by its address in an archive."""
    if isinstance(wanted, OpenPath):
        study = service.studies.open_path(wanted.path)
    else:
        study = service.studies.open_address(wanted.address)
    return _document(study, service.workspace.scan(study), service)


@routes.post("/uploads", status_code=201, openapi_extra=_UPLOAD)
async def upload(request: Request, service: GivenService) -> Study:
    """Upload a NIfTI, NRRD, MetaImage or DICOM file, a picture, or a ZIP archive of a series."""
    with tempfile.TemporaryDirectory(dir=service.options.folder) as folder:
        file = FilePath(folder) / "upload"
        with file.open("wb") as opened:
            async for piece in request.stream():
                await run_in_threadpool(opened.write, piece)
        study = await run_in_threadpool(service.studies.take_upload, file)
    scan = await run_in_threadpool(service.workspace.scan, study)
    return _document(study, scan, service)


@routes.get("/studies/{study}")
def show_study(study: StudyId, scan: GivenScan, service: GivenService) -> Study:
    """Say what a scan is, and what there is of it."""
    return _document(study, scan, service)


@routes.delete("/studies/{study}", status_code=204)
def remove_study(study: StudyId, service: GivenService, lease: LeaseHeader = None) -> None:
    """Remove an uploaded scan, or forget one in an archive, with all that was made of it.

    While a client has a lease of it, nobody else can.
    """
    if service.leases.is_held(study):
        service.leases.check(lease, study)
    service.remove(study)


@routes.get("/studies/{study}/voxels", response_class=Response, responses=_VALUES)
def voxels(scan: GivenScan) -> StreamingResponse:
    """Give the scan's values: slices, rows, columns, and colours where it has them."""

    def slices() -> Iterator[bytes]:
        for k in range(scan.slices):
            yield np.ascontiguousarray(scan.voxels[k], dtype="<f4").tobytes()

    return StreamingResponse(slices(), media_type=BINARY, headers=_shape(scan.voxels.shape))


@routes.get("/studies/{study}/planes/{axis}/{index}", response_class=Response, responses=_VALUES)
def plane(
    scan: GivenScan,
    axis: Literal["slice", "row", "column"],
    index: Annotated[int, Path(ge=0, le=1_000_000)],
) -> Response:
    """Give one plane across an axis of the scan: a slice, or a cut along the rows or columns."""
    across = ("slice", "row", "column").index(axis)
    if index >= scan.voxels.shape[across]:
        raise Problem(
            404, f"The scan has {scan.voxels.shape[across]} planes across this axis, from index 0."
        )
    values = np.ascontiguousarray(np.take(scan.voxels, index, axis=across), dtype="<f4")
    return Response(values.tobytes(), media_type=BINARY, headers=_shape(values.shape))


def _shape(shape: tuple[int, ...]) -> dict[str, str]:
    return {SHAPE_HEADER: ",".join(map(str, shape))}


def _document(study: str, scan: Scan, service: Service) -> Study:
    folder = service.workspace.folder(study)
    return Study(
        study=study,
        modality=scan.modality,
        units=scan.units,
        shape=[scan.slices, scan.rows, scan.columns],
        colour=scan.voxels.ndim == 4,
        pixel_spacing=list(scan.pixel_spacing),
        slice_spacing=scan.slice_spacing,
        slice_affines_lps=[scan.slice_affine_lps(k).tolist() for k in range(scan.slices)],
        window=list(scan.window),
        notes=[service.plain(note) for note in scan.notes],
        suggested=(folder / "suggestion.json").is_file(),
        edited=(folder / "edited" / "suggestion.json").is_file(),
    )
