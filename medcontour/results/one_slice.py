"""Results on one slice: the importance contour map, and the robustness of its contour."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from medcontour.files import replacing
from medcontour.results.document import contour_to_dict
from medcontour.results.parts import ClassifierReference, PlacedContour, ScanReference

__all__ = ["ContourMap", "MapLevel", "Robustness", "RobustnessRun", "SliceResult"]


@dataclass(frozen=True)
class SliceResult:
    """What every result on one slice says of itself.

    Attributes
    ----------
    scan, classifier
        What was read, and the class that was looked for; no patient data.
    settings
        Everything needed to run it again.
    slice, sop_instance_uid
        Which slice, counted from 0.
    score, background_score
        Probability of the target class on the slice, and on its background alone.
    notes
        Plain sentences that a reader should know.
    """

    scan: ScanReference
    classifier: ClassifierReference
    settings: dict[str, Any]
    slice: int
    sop_instance_uid: str | None
    score: float
    background_score: float
    notes: tuple[str, ...]

    def to_json(self) -> str:
        """Serialise; the same content gives the same text."""
        return json.dumps(_plain(self), indent=1, allow_nan=False) + "\n"

    def write_json(self, path: str | Path) -> None:
        """Write `to_json` to a file, whole or not at all."""
        with replacing(path) as temporary:
            temporary.write_text(self.to_json(), encoding="utf-8")


@dataclass(frozen=True)
class MapLevel:
    """One contour of a map, and the random circles that cover as much.

    Attributes
    ----------
    area_asked, area_fraction
        Share of the slice asked for, and reached.
    contour
        The curve, placed in patient space.
    preserved, deleted
        Probability of the target with only its inside kept, and with it taken away.
    random_preserved, random_deleted
        Means of the same over the random circles.
    random_preserved_sd, random_deleted_sd
        Their standard deviations.
    circles
        How many circles.
    evaluations
        Preserve + delete pairs that found it.
    """

    area_asked: float
    area_fraction: float
    contour: PlacedContour
    preserved: float
    deleted: float
    random_preserved: float
    random_preserved_sd: float
    random_deleted: float
    random_deleted_sd: float
    circles: int
    evaluations: float


@dataclass(frozen=True)
class ContourMap(SliceResult):
    """Nested contours at fixed areas on one slice (Fig. 4), the smallest first."""

    levels: tuple[MapLevel, ...]


@dataclass(frozen=True)
class RobustnessRun:
    """One run: its start, its setting and what it found.

    Attributes
    ----------
    spectral_weight
        lambda_r.
    start
        The circle it started from; None where that is the evidence's own.
    contour
        What it found.
    preserved, deleted
        Probabilities of the target.
    evaluations
        Preserve + delete pairs.
    """

    spectral_weight: float
    start: PlacedContour | None
    contour: PlacedContour
    preserved: float
    deleted: float
    evaluations: float


@dataclass(frozen=True)
class Robustness(SliceResult):
    """Contours of one slice from nine starts, and under several spectral weights (Fig. 3).

    Attributes
    ----------
    starts, spectrum
        The runs.
    starts_agreement, spectrum_agreement
        ``iou`` (mean over pairs), ``distance_mm`` (of centers, mean over pairs; pixels where
        there are no millimetres), ``objective_mean`` and ``objective_spread``.
    """

    starts: tuple[RobustnessRun, ...]
    spectrum: tuple[RobustnessRun, ...]
    starts_agreement: dict[str, float]
    spectrum_agreement: dict[str, float]


def _plain(value: Any) -> Any:
    if isinstance(value, PlacedContour):
        return contour_to_dict(value)
    if isinstance(value, ScanReference | ClassifierReference):
        return asdict(value)
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
