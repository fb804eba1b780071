"""What the server gives, as objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

__all__ = ["Info", "Job", "Listed", "Outline", "Step", "Study", "outlines_of"]

FloatArray = npt.NDArray[np.float64]
State = Literal["waiting", "running", "done", "failed", "cancelled"]
ENDED = ("done", "failed", "cancelled")


@dataclass(frozen=True)
class Info:
    """What the server is.

    Attributes
    ----------
    medcontour, api
        Its version, and that of its interface.
    target
        The class that is looked for.
    labels
        The classifier's classes.
    formats
        What `export` can write.
    studies
        Whether scans can be opened by their path.
    archives
        Archives that scans can be opened from.
    idle_seconds
        After which a lease ends that nobody uses.
    upload_bytes
        Of an uploaded scan, at most.
    """

    medcontour: str
    api: str
    target: str
    labels: tuple[str, ...]
    formats: tuple[str, ...]
    studies: bool
    archives: tuple[str, ...]
    idle_seconds: float
    upload_bytes: int

    @classmethod
    def read(cls, given: dict[str, Any]) -> Info:
        """Read the server's JSON."""
        return cls(
            medcontour=given["medcontour"],
            api=given["api"],
            target=given["target"],
            labels=tuple(given["classifier"]["labels"]),
            formats=tuple(given["formats"]),
            studies=given["studies"],
            archives=tuple(given["archives"]),
            idle_seconds=given["idle_seconds"],
            upload_bytes=given["upload_bytes"],
        )


@dataclass(frozen=True)
class Listed:
    """A study that can be opened; its name names nobody."""

    id: str
    origin: str
    name: str


@dataclass(frozen=True, eq=False)
class Study:
    """A scan's geometry, and what there is of it.

    Attributes
    ----------
    id
        Its name on the server.
    modality, units
        As DICOM has it; mm, or pixel for an image without physical size.
    shape
        Slices, rows, columns.
    colour
        Whether voxels have three values.
    pixel_spacing, slice_spacing
        Between rows and between columns; between slices.
    affines_lps
        (slices, 4, 4): index (column, row, 0) of each slice to LPS mm.
    window
        Values shown black and white.
    notes
        What a reader should know of the scan.
    suggested, edited
        Whether the server has a suggestion, and a reader's edit.
    """

    id: str
    modality: str
    units: str
    shape: tuple[int, int, int]
    colour: bool
    pixel_spacing: tuple[float, float]
    slice_spacing: float
    affines_lps: FloatArray = field(repr=False)
    window: tuple[float, float] = field(repr=False)
    notes: tuple[str, ...]
    suggested: bool
    edited: bool

    @classmethod
    def read(cls, given: dict[str, Any]) -> Study:
        """Read the server's JSON."""
        slices, rows, columns = given["shape"]
        row, column = given["pixel_spacing"]
        low, high = given["window"]
        return cls(
            id=given["study"],
            modality=given["modality"],
            units=given["units"],
            shape=(slices, rows, columns),
            colour=given["colour"],
            pixel_spacing=(row, column),
            slice_spacing=given["slice_spacing"],
            affines_lps=np.asarray(given["slice_affines_lps"], dtype=np.float64),
            window=(low, high),
            notes=tuple(given["notes"]),
            suggested=given["suggested"],
            edited=given["edited"],
        )

    def to_lps(self, points: npt.ArrayLike, k: int) -> FloatArray:
        """Index points (n, 2) as (column, row) of slice `k` to (n, 3) LPS mm."""
        index = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        affine = self.affines_lps[k]
        return np.asarray(index @ affine[:3, :2].T + affine[:3, 3])

    def to_index(self, points_lps: npt.ArrayLike, k: int) -> FloatArray:
        """LPS mm (n, 3) in the plane of slice `k` to index points (n, 2) as (column, row)."""
        affine = self.affines_lps[k]
        offsets = np.asarray(points_lps, dtype=np.float64).reshape(-1, 3) - affine[:3, 3]
        solution, *_ = np.linalg.lstsq(affine[:3, :2], offsets.T, rcond=None)
        return np.asarray(solution.T)


@dataclass(frozen=True)
class Step:
    """How far a running job is: what is done now, how much of it, and how much there is."""

    what: str
    done: int
    most: int


@dataclass(frozen=True)
class Job:
    """A job on the server."""

    id: str
    study: str | None
    kind: str
    state: State
    step: Step | None = None
    error: str | None = None
    result: dict[str, Any] | None = field(default=None, repr=False)

    @classmethod
    def read(cls, given: dict[str, Any]) -> Job:
        """Read the server's JSON."""
        step = given.get("step")
        return cls(
            id=given["job"],
            study=given["study"],
            kind=given["kind"],
            state=given["state"],
            step=None if step is None else Step(step["what"], step["done"], step["most"]),
            error=given.get("error"),
            result=given.get("result"),
        )

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.state in ENDED


@dataclass(frozen=True, eq=False)
class Outline:
    """One outline as a reader leaves it.

    Attributes
    ----------
    slice
        Index of the slice.
    corners_lps_mm
        (n, 3) in the slice's plane, the first not repeated.
    finding
        The finding's id; None for a new one.
    label
        Of a new one; by default the target.
    """

    slice: int
    corners_lps_mm: npt.NDArray[np.float64] = field(repr=False)
    finding: str | None = None
    label: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Give it as the server takes it."""
        return {
            "slice": int(self.slice),
            "corners_lps_mm": np.asarray(self.corners_lps_mm, dtype=np.float64).tolist(),
            "finding": self.finding,
            "label": self.label,
        }


def outlines_of(suggestion: dict[str, Any]) -> list[Outline]:
    """All outlines of a suggestion: the edit that changes nothing."""
    return [
        Outline(part["slice"], np.asarray(each["polygon_lps_mm"], np.float64), finding["id"])
        for finding in suggestion["findings"]
        for part in finding["slices"]
        for each in part["outlines"]
    ]
