"""The result of the main job: contours placed in patient space, with their evidence."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from medcontour.errors import MedcontourError, replacing
from medcontour.scan import Scan
from medcontour.suggestion.check import check_document, parse
from medcontour.suggestion.status import Status

if TYPE_CHECKING:
    from medcontour.suggestion.save import Saved

__all__ = [
    "ClassifierReference",
    "Evidence",
    "Finding",
    "ObjectReference",
    "PlacedContour",
    "ScanReference",
    "Suggestion",
    "Views",
]

SCHEMA = "medcontour/suggestion/1"


@dataclass(frozen=True)
class ScanReference:
    """The scan that was read, without patient data.

    `affine_lps` maps index (column, row, slice) to LPS mm; `shape` is (slices, rows, columns);
    `units` is ``"mm"``, or ``"pixel"`` for an image without physical size.
    """

    modality: str
    shape: tuple[int, int, int]
    affine_lps: list[list[float]]
    units: str
    study_instance_uid: str | None = None
    series_instance_uid: str | None = None
    frame_of_reference_uid: str | None = None


@dataclass(frozen=True)
class ClassifierReference:
    """The classifier that was asked, and for which class."""

    name: str
    sha256: str
    target: int
    target_name: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class PlacedContour:
    """One closed curve in patient space.

    Attributes
    ----------
    kind
        ``"evidence"`` (what the classifier's answer rests on) or ``"outline"`` (the boundary in
        the image, which a reader edits). Never mixed up.
    slice
        Index of the slice whose plane holds the curve.
    parameters
        The analytic curve (`FourierContour.to_dict`) in plane coordinates: the longer side of
        the plane spans [-1, 1], x along columns, y along rows.
    polygon_lps_mm
        (n, 3) float64 points on the analytic curve, LPS mm; the first is not repeated.
    area_mm2
        Area inside the image, of the analytic curve.
    quality
        What the maker of the curve says of it, by name (an outline: its contrast and polarity).
    """

    kind: Literal["evidence", "outline"]
    slice: int
    parameters: dict[str, Any]
    polygon_lps_mm: npt.NDArray[np.float64]
    area_mm2: float
    quality: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Evidence:
    """How strong the evidence is, as probabilities of the target class.

    Attributes
    ----------
    preserved, deleted, background
        Probability on the image with only the contour's inside kept, with it removed, and on the
        background alone.
    random_preserved, random_deleted
        Means over the chance curves: the same curve, turned and moved within the body.
    p_value
        Sequential Monte Carlo (Besag and Clifford 1991): how often chance does as well.
    chance_curves
        How many chance curves were judged.
    evaluations
        Preserve + delete pairs, forward and backward, that found the contour; a pair that was
        only run forward counts half.
    chance_evaluations
        The same count for the chance curves.
    background_similarity
        ``c_b``: cosine of the embeddings of background and original. Near 1 the background
        removes nothing and contours collapse.
    shortcut_evaluations
        The same count for the check for shortcuts: a half where the slice has marks to fill in.
    """

    preserved: float
    deleted: float
    background: float
    random_preserved: float
    random_deleted: float
    p_value: float
    chance_curves: int
    evaluations: float
    chance_evaluations: float
    background_similarity: float
    shortcut_evaluations: float = 0.0


@dataclass(frozen=True)
class Finding:
    """What was found on one slice.

    `evidence` is None where a reader drew an outline and nothing was suggested (`status`
    ``"drawn by a reader"``): the classifier was not asked what its answer rests on.
    """

    slice: int
    sop_instance_uid: str | None
    label: str
    score: float
    status: Status
    evidence: Evidence | None
    evidence_contours: tuple[PlacedContour, ...]
    outlines: tuple[PlacedContour, ...]
    note: str = ""

    @property
    def cost(self) -> float:
        """Evaluations that it cost, its test against chance and its check of shortcuts included."""
        if self.evidence is None:
            return 0.0
        own = self.evidence
        return own.evaluations + own.chance_evaluations + own.shortcut_evaluations


@dataclass(frozen=True)
class ObjectReference:
    """A DICOM object that was written from a suggestion."""

    sop_instance_uid: str
    series_instance_uid: str


@dataclass(frozen=True)
class Views:
    """What the classifier was shown for one finding, on the slice's own pixel grid.

    (rows, columns) float32 each, scaled to 0..1 over the original's range as the network takes
    it; NaN where the network does not look (cropped away).
    """

    original: npt.NDArray[np.float32]
    preserved: npt.NDArray[np.float32]
    deleted: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Suggestion:
    """What medcontour suggests for a scan.

    Attributes
    ----------
    scan, classifier
        What was read and asked.
    settings
        Everything needed to run it again.
    findings
        By slice.
    slice_scores
        Probability of the target for each slice looked at, by slice index.
    run
        Version, time stamp, peak memory, evaluations: the only part that differs between two
        runs with one seed.
    edited
        Whether a person changed the contours (exports then say SEMIAUTOMATIC).
    notes
        What the reader of the scan had to say of it.
    predecessors
        By export format: the DICOM object that an edit began from. What is exported refers to it.
    views
        Per finding (by its place in `findings`), for the report; not part of the JSON.
    source
        The scan itself, which exports need; not part of the JSON.
    """

    scan: ScanReference
    classifier: ClassifierReference
    settings: dict[str, Any]
    findings: tuple[Finding, ...]
    slice_scores: dict[int, float]
    run: dict[str, Any]
    edited: bool = False
    notes: tuple[str, ...] = ()
    predecessors: dict[str, ObjectReference] = field(default_factory=dict)
    views: tuple[Views, ...] = field(default=(), repr=False, compare=False)
    source: Scan | None = field(default=None, repr=False, compare=False)

    def for_export(self, *, include_weak: bool = False) -> Suggestion:
        """Leave only the findings that go into label maps, structure sets and curves.

        Findings no better than chance, and collapsed ones, are left out unless `include_weak`.
        """
        if include_weak:
            return self
        kept = tuple(f for f in self.findings if f.status in ("suggested", "drawn by a reader"))
        return replace(self, findings=kept, views=())

    def contours(self, kind: Literal["evidence", "outline"]) -> Iterable[PlacedContour]:
        """All contours of one kind, by slice."""
        for finding in self.findings:
            yield from finding.evidence_contours if kind == "evidence" else finding.outlines

    def save(
        self,
        out: str | Path,
        formats: Sequence[str] | None = None,
        *,
        include_weak: bool = False,
    ) -> Saved:
        """Write ``suggestion.json`` and the formats asked for into a folder.

        Parameters
        ----------
        out
            The folder; made if it is not there.
        formats
            Names from `medcontour.exporters`; by default all that the scan allows, apart from
            those that are only written on request (`Exporter.by_default`).
        include_weak
            Whether contours no better than chance go into the exports as well. The JSON, the
            overlays and the report always show them, marked.

        Returns
        -------
        Saved
            What was written, and what was left out and why.

        Raises
        ------
        MedcontourError
            For an unknown format, one that the scan cannot be written in, or a folder that
            cannot be written.
        """
        from medcontour.suggestion.save import save

        return save(self, out, formats, include_weak)

    @property
    def editable(self) -> Literal["evidence", "outline"]:
        """The kind that label maps and segments carry: outlines, unless none were asked for."""
        return "evidence" if self.settings.get("outline") == "none" else "outline"

    def to_json(self) -> str:
        """Serialise to the contract's JSON; the same content gives the same text."""
        document: dict[str, Any] = {"schema": SCHEMA}
        document["scan"] = asdict(self.scan)
        document["classifier"] = asdict(self.classifier)
        document["settings"] = self.settings
        document["findings"] = [_finding_to_dict(finding) for finding in self.findings]
        document["slice_scores"] = {str(k): v for k, v in self.slice_scores.items()}
        document["edited"] = self.edited
        document["notes"] = list(self.notes)
        document["predecessors"] = {k: asdict(v) for k, v in self.predecessors.items()}
        document["run"] = self.run
        return json.dumps(document, indent=1, allow_nan=False) + "\n"

    def write_json(self, path: str | Path) -> None:
        """Write `to_json` to a file, whole or not at all."""
        with replacing(path) as temporary:
            temporary.write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def read_json(cls, path: str | Path) -> Suggestion:
        """Read a ``suggestion.json``.

        Raises
        ------
        MedcontourError
            When the file is missing, is no JSON or is not of this schema.
        """
        path = Path(path)
        if path.is_dir():
            path = path / "suggestion.json"
        try:
            document = parse(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise MedcontourError(
                f"{path} cannot be read ({error.strerror}); give the suggestion.json, "
                "or the folder, that `medcontour suggest` wrote."
            ) from error
        except (ValueError, RecursionError) as error:  # nested more deeply than Python goes
            raise MedcontourError(
                f"{path} is not a whole JSON file; run `medcontour suggest` again."
            ) from error
        schema = document.get("schema") if isinstance(document, dict) else None
        if schema != SCHEMA:
            raise MedcontourError(
                f'{path} has the schema {schema!r} where this version reads "{SCHEMA}"; '
                "give a suggestion.json written by `medcontour suggest`."
            )
        try:
            check_document(document)
            return cls._from_document(document)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise MedcontourError(
                f"{path} lacks or garbles a part of the schema ({error}); "
                "run `medcontour suggest` again."
            ) from error

    @classmethod
    def _from_document(cls, document: dict[str, Any]) -> Suggestion:
        scan = dict(document["scan"])
        scan["shape"] = tuple(scan["shape"])
        classifier = dict(document["classifier"])
        classifier["labels"] = tuple(classifier["labels"])
        return cls(
            scan=ScanReference(**scan),
            classifier=ClassifierReference(**classifier),
            settings=dict(document["settings"]),
            findings=tuple(_finding_from_dict(item) for item in document["findings"]),
            slice_scores={int(k): float(v) for k, v in document["slice_scores"].items()},
            run=dict(document["run"]),
            edited=bool(document["edited"]),
            notes=tuple(document["notes"]),
            predecessors={
                name: ObjectReference(**item)
                for name, item in document.get("predecessors", {}).items()
            },
        )


def contour_to_dict(contour: PlacedContour) -> dict[str, Any]:
    """Give a contour as the contract's JSON holds it."""
    return {
        "slice": contour.slice,
        "parameters": contour.parameters,
        "polygon_lps_mm": contour.polygon_lps_mm.tolist(),
        "area_mm2": contour.area_mm2,
        "quality": contour.quality,
    }


def _contour_from_dict(item: dict[str, Any], kind: Literal["evidence", "outline"]) -> PlacedContour:
    polygon = np.asarray(item["polygon_lps_mm"], dtype=np.float64)
    if polygon.ndim != 2 or polygon.shape[1] != 3 or len(polygon) < 3:
        raise ValueError("polygon_lps_mm must be three or more [x, y, z] points")
    return PlacedContour(
        kind=kind,
        slice=int(item["slice"]),
        parameters=dict(item["parameters"]),
        polygon_lps_mm=polygon,
        area_mm2=float(item["area_mm2"]),
        quality=dict(item["quality"]),
    )


def _finding_to_dict(finding: Finding) -> dict[str, Any]:
    return {
        "slice": finding.slice,
        "sop_instance_uid": finding.sop_instance_uid,
        "label": finding.label,
        "score": finding.score,
        "status": finding.status,
        "evidence": asdict(finding.evidence) if finding.evidence else None,
        "evidence_contours": [contour_to_dict(c) for c in finding.evidence_contours],
        "outlines": [contour_to_dict(c) for c in finding.outlines],
        "note": finding.note,
    }


def _finding_from_dict(item: dict[str, Any]) -> Finding:
    return Finding(
        slice=int(item["slice"]),
        sop_instance_uid=item["sop_instance_uid"],
        label=item["label"],
        score=float(item["score"]),
        status=item["status"],
        evidence=Evidence(**item["evidence"]) if item["evidence"] is not None else None,
        evidence_contours=tuple(
            _contour_from_dict(contour, "evidence") for contour in item["evidence_contours"]
        ),
        outlines=tuple(_contour_from_dict(contour, "outline") for contour in item["outlines"]),
        note=item["note"],
    )
