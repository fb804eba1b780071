"""The result of the main job: contours placed in patient space, with their evidence."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from medcontour.dicomweb import is_address
from medcontour.errors import MedcontourError
from medcontour.files import replacing
from medcontour.limits import read_text
from medcontour.privacy import holds_word, keep_private, stored_path
from medcontour.results.check import check_document, parse
from medcontour.results.document import (
    classifier_from_dict,
    finding_from_dict,
    finding_to_dict,
    from_first_schema,
    scan_from_dict,
)
from medcontour.results.finding import Finding
from medcontour.results.html import html_table
from medcontour.results.numbering import slice_numbers
from medcontour.results.parts import (
    ClassifierReference,
    FindingSlice,
    ObjectReference,
    PlacedContour,
    ScanReference,
)
from medcontour.results.save import Saved, save
from medcontour.scan import Scan

__all__ = ["VOLUME", "Suggestion"]

SCHEMA = "medcontour/suggestion/2"
VOLUME = "volume"
"""The setting ``input`` of a suggestion whose classifier takes volumes."""

FIRST_SCHEMA = "medcontour/suggestion/1"
"""Each slice was a finding; it is still read."""


@dataclass(frozen=True, repr=False)
class Suggestion:
    """What medcontour suggests for a scan.

    Attributes
    ----------
    scan, classifier
        What was read and asked.
    settings
        Everything needed to run it again.
    findings
        What was found, by number.
    slice_scores
        Probability of the target for each slice looked at, by slice index; of a classifier of
        volumes the stack's, on each.
    run
        Version, time stamp, peak memory, evaluations: the only part that differs between two
        runs with one seed.
    edited
        Whether a person changed the contours (exports then say SEMIAUTOMATIC).
    notes
        What the reader of the scan had to say of it.
    predecessors
        By export format: the DICOM object that an edit began from. What is exported refers to it.
    source
        The scan itself, which exports need; not part of the JSON.
    folder
        Where it was read from, which the scan's path in `settings` is relative to.
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
    source: Scan | None = field(default=None, repr=False, compare=False)
    folder: Path | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.source is not None:  # so that a finding has its mask
            known = tuple(
                replace(
                    finding,
                    slices=tuple(replace(part, source=self.source) for part in finding.slices),
                )
                for finding in self.findings
            )
            object.__setattr__(self, "findings", known)

    @property
    def slices(self) -> tuple[FindingSlice, ...]:
        """All findings' slices, by slice."""
        every = [part for finding in self.findings for part in finding.slices]
        return tuple(sorted(every, key=lambda part: part.slice))

    def __iter__(self) -> Iterator[Finding]:
        """Go through the findings, by number."""
        return iter(self.findings)

    def __len__(self) -> int:
        """Count the findings."""
        return len(self.findings)

    def __bool__(self) -> bool:
        """A suggestion of nothing is a suggestion."""
        return True

    def __repr__(self) -> str:
        """Say in one line what was found."""
        return (
            f"<Suggestion: {len(self)} of {self.classifier.target_name} on "
            f"{len({part.slice for part in self.slices})} of {self.scan.shape[0]} slices>"
        )

    def _repr_html_(self) -> str:
        """Show the findings as a table, in a notebook."""
        unit = "mm" if self.scan.units == "mm" else "pixels"
        head = (
            "finding",
            "slices, from 1",
            "score",
            "status",
            f"longest diameter, {unit}",
            "volume, mm³",
        )
        rows = [
            (
                finding.name,
                slice_numbers(part.slice for part in finding.slices),
                f"{finding.score:.2f}",
                finding.status,
                "none"
                if finding.longest_diameter_mm is None
                else f"{finding.longest_diameter_mm:.1f}",
                "–" if finding.volume_mm3 is None else f"{finding.volume_mm3:.0f}",
            )
            for finding in self
        ]
        return html_table(repr(self).strip("<>"), head, rows)

    def for_export(self, *, include_weak: bool = False, merge_findings: bool = False) -> Suggestion:
        """Leave only what goes into label maps, structure sets and curves.

        Parameters
        ----------
        include_weak
            Whether slices no better than random places, and collapsed ones, are in it.
        merge_findings
            Whether the findings of a class become one.
        """
        kept = []
        for finding in self.findings:
            parts = tuple(p for p in finding.slices if include_weak or p.exported)
            if parts:
                kept.append(replace(finding, slices=parts))
        found = tuple(kept)
        return replace(self, findings=_merged(found) if merge_findings else found)

    def contours(self, kind: Literal["evidence", "outline"]) -> Iterable[PlacedContour]:
        """All contours of one kind, by slice."""
        for part in self.slices:
            yield from part.contours(kind)

    def save(
        self,
        out: str | Path,
        formats: Sequence[str] | None = None,
        *,
        include_weak: bool = False,
        merge_findings: bool = False,
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
            Whether contours no better than random places go into the exports as well. The JSON, the
            overlays and the report always show them, marked.
        merge_findings
            Whether formats hold one structure a class instead of one a finding.

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
        return save(self, out, formats, include_weak, merge_findings)

    @property
    def of_volume(self) -> bool:
        """Whether the classifier took the whole stack as one input, and has one score for it."""
        return self.settings.get("input") == VOLUME

    @property
    def editable(self) -> Literal["evidence", "outline"]:
        """The kind that label maps and segments carry: outlines, unless none were asked for."""
        return "evidence" if self.settings.get("outline") == "none" else "outline"

    @property
    def scan_path(self) -> str | None:
        """Where the scan lies; None where the suggestion does not say."""
        if self.source is not None:
            return self.source.source
        place: str | None = self.settings.get("scan")
        if place is None or is_address(place) or self.folder is None:
            return place
        return os.path.normpath(self.folder / place)

    def to_json(self, folder: str | Path | None = None) -> str:
        """Serialise to the contract's JSON; the same content gives the same text.

        `folder` is where it is to lie: the scan's path is kept from there, if at all
        (`medcontour.privacy`).
        """
        document: dict[str, Any] = {"schema": SCHEMA}
        document["scan"] = asdict(self.scan)
        document["classifier"] = asdict(self.classifier)
        document["settings"] = self.settings
        if "scan" in self.settings and (folder is not None or self.source is not None):
            document["settings"] = self.settings | {"scan": self._stored_scan(folder)}
        document["findings"] = [finding_to_dict(finding) for finding in self.findings]
        document["slice_scores"] = {str(k): v for k, v in self.slice_scores.items()}
        document["edited"] = self.edited
        document["notes"] = list(self.notes)
        document["predecessors"] = {k: asdict(v) for k, v in self.predecessors.items()}
        document["run"] = self.run
        return json.dumps(document, indent=1, allow_nan=False) + "\n"

    def _stored_scan(self, folder: str | Path | None) -> str | None:
        where, words = self.scan_path, self.source.patient_words if self.source else frozenset()
        if where is not None and is_address(where):
            # The UID's digits may be anything's; it is in the result anyway.
            return None if holds_word(where.partition("#")[0], words) else where
        if where is None or folder is None or not Path(where).is_absolute():
            return None
        return stored_path(where, Path(folder), words)

    def write_json(self, path: str | Path) -> None:
        """Write `to_json` to a file, whole or not at all."""
        with replacing(path) as temporary:
            temporary.write_text(self.to_json(Path(path).parent), encoding="utf-8")

    @classmethod
    def read_json(cls, path: str | Path) -> Suggestion:
        """Read a ``suggestion.json``.

        Raises
        ------
        MedcontourError
            When the file is missing, is no JSON or is not of this schema.
        """
        path = Path(path)
        keep_private(path)
        if path.is_dir():
            path = path / "suggestion.json"
        try:
            document = parse(read_text(path))
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
        if schema not in (SCHEMA, FIRST_SCHEMA):
            raise MedcontourError(
                f'{path} has the schema {schema!r} where this version reads "{SCHEMA}"; '
                "give a suggestion.json written by `medcontour suggest`."
            )
        try:
            if schema == FIRST_SCHEMA:
                document = from_first_schema(document)
            check_document(document)
            return replace(cls._from_document(document), folder=path.resolve().parent)
        except ValueError as error:
            raise MedcontourError(
                f"{path} lacks or garbles a part of the schema ({error}); "
                "run `medcontour suggest` again."
            ) from error

    @classmethod
    def _from_document(cls, document: dict[str, Any]) -> Suggestion:
        return cls(
            scan=scan_from_dict(document["scan"]),
            classifier=classifier_from_dict(document["classifier"]),
            settings=dict(document["settings"]),
            findings=tuple(finding_from_dict(item) for item in document["findings"]),
            slice_scores={int(k): float(v) for k, v in document["slice_scores"].items()},
            run=dict(document["run"]),
            edited=bool(document["edited"]),
            notes=tuple(document["notes"]),
            predecessors={
                name: ObjectReference(item["sop_instance_uid"], item["series_instance_uid"])
                for name, item in document.get("predecessors", {}).items()
            },
        )


def _merged(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """One finding a class, its slices by slice."""
    merged = []
    for label in dict.fromkeys(finding.label for finding in findings):
        own = [finding for finding in findings if finding.label == label]
        slices = sorted((p for finding in own for p in finding.slices), key=lambda p: p.slice)
        volumes = [finding.volume_mm3 for finding in own if finding.volume_mm3 is not None]
        longest = max(own, key=lambda finding: finding.longest_diameter_mm or 0.0)
        merged.append(
            Finding(
                id=own[0].id,
                number=None,
                label=label,
                slices=tuple(slices),
                volume_mm3=sum(volumes) if volumes else None,
                longest_diameter_mm=longest.longest_diameter_mm,
                short_axis_mm=longest.short_axis_mm,
                evidence_surface=own[0].evidence_surface if len(own) == 1 else None,
            )
        )
    return tuple(merged)
