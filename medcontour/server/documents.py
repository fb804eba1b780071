"""What clients send and are sent, as JSON."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from medcontour.server.records import State

__all__ = [
    "Classifier",
    "Edit",
    "Error",
    "Info",
    "JobDocument",
    "JobId",
    "Lease",
    "LeaseId",
    "LeaseOf",
    "Listing",
    "Look",
    "Map",
    "OpenAddress",
    "OpenPath",
    "Outline",
    "PolygonOf",
    "Refine",
    "Snap",
    "StepDocument",
    "Study",
    "StudyId",
    "Suggest",
    "Work",
]

MOST_CORNERS = 5000
MOST_CURVES = 5000
FAR = 1e6
"""Millimetres from the origin that nothing is beyond."""

_ID = r"^[0-9a-f]{24}$"
_LEASE = r"^[0-9a-f]{32}$"

StudyId = Annotated[str, Path(pattern=_ID, description="A study's id.")]
JobId = Annotated[str, Path(pattern=_ID, description="A job's id.")]
LeaseId = Annotated[str, Path(pattern=_LEASE, description="A lease.")]

Number = Annotated[float, Field(ge=-FAR, le=FAR)]
Point = Annotated[list[Number], Field(min_length=3, max_length=3)]
Corners = Annotated[list[Point], Field(min_length=3, max_length=MOST_CORNERS)]
Index = Annotated[int, Field(ge=0, le=1_000_000)]


class _Sent(BaseModel):
    """Of a client: nothing is guessed, and nothing is passed over."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Error(BaseModel):
    """What is wrong, and what helps, in one sentence."""

    error: str


class Classifier(BaseModel):
    """The classifier that the server was started with."""

    name: str
    sha256: str
    labels: list[str]


class Info(BaseModel):
    """What the server is."""

    medcontour: str
    api: str
    target: str
    classifier: Classifier
    formats: list[str]
    studies: bool = Field(description="Whether scans may be opened by their path.")
    archives: list[str] = Field(description="Archives that may be read from.")
    idle_seconds: float = Field(description="After which a lease ends that nobody uses.")
    upload_bytes: int = Field(description="Of an uploaded scan, at most.")


class Listing(BaseModel):
    """A study that may be opened; parts of its path that could name a patient are hidden."""

    study: str
    origin: str
    name: str


class OpenPath(_Sent):
    """A scan below the server's folder."""

    path: str = Field(min_length=1, max_length=1000, description="Relative to the folder.")


class OpenAddress(_Sent):
    """A series in an archive."""

    address: str = Field(
        min_length=1, max_length=1000, description="dicomweb+https://HOST/ROOT#SERIES_UID."
    )


class Study(BaseModel):
    """A scan's geometry, as `medcontour.Scan` has it, and what there is of it."""

    study: str
    modality: str
    units: Literal["mm", "pixel"]
    shape: list[int] = Field(description="Slices, rows, columns.")
    colour: bool
    pixel_spacing: list[float] = Field(description="Between rows, then between columns.")
    slice_spacing: float
    slice_affines_lps: list[list[list[float]]] = Field(
        description="4 x 4 for each slice: index (column, row, 0) to LPS mm."
    )
    window: list[float] = Field(description="Values shown black and white.")
    notes: list[str]
    suggested: bool
    edited: bool


class Suggest(_Sent):
    """Look for findings on every slice; what was found before is taken up."""

    kind: Literal["suggest"]


class PolygonOf(_Sent):
    """A rough closed contour on a slice, LPS mm."""

    slice: Index
    corners_lps_mm: Corners


class Snap(_Sent):
    """Search on from clicks or drawings; the result is kept nowhere but in the job."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": ["points"]}, {"required": ["polygons"]}]}
    )

    kind: Literal["snap"]
    points: list[Point] = Field(
        [],
        min_length=1,
        max_length=1000,
        description="Voxels [i, j, k] of the image's file, from 0.",
    )
    polygons: list[PolygonOf] = Field([], min_length=1, max_length=1000)


class Refine(_Sent):
    """Search on from the latest edit; the result is the study's suggestion from now on."""

    kind: Literal["refine"]


class Map(_Sent):
    """Find a slice's best contour of each area; the result is kept nowhere but in the job."""

    kind: Literal["map"]
    slice: Index


Work = Annotated[Suggest | Snap | Refine | Map, Field(discriminator="kind")]


class StepDocument(BaseModel):
    """How far a running job is."""

    what: str
    done: int
    most: int


class JobDocument(BaseModel):
    """A job."""

    job: str
    study: str | None
    kind: str
    state: State
    step: StepDocument | None = None
    error: str | None = None
    result: dict[str, Any] | None = None


class LeaseOf(_Sent):
    """The study that a client wants to change."""

    study: Annotated[str, Field(pattern=_ID)]


class Lease(BaseModel):
    """Sent as Medcontour-Lease with what changes the study."""

    lease: str
    study: str
    idle_seconds: float


class Look(_Sent):
    """A curve to judge as it is."""

    slice: Index
    corners_lps_mm: Corners


class Outline(_Sent):
    """One outline as the reader leaves it."""

    finding: Annotated[str, Field(max_length=100)] | None = Field(
        None, description="The finding's id; null for a new one."
    )
    label: str | None = Field(
        None, min_length=1, max_length=64, description="Of a new one; by default the target."
    )
    slice: Index
    corners_lps_mm: Corners


class Edit(_Sent):
    """All outlines that stay: one that was suggested and is not among them was removed."""

    outlines: list[Outline] = Field(max_length=MOST_CURVES)
