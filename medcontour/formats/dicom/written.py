"""The DICOM objects in a result folder, and whether they hold what its suggestion says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pydicom

from medcontour.formats.dicom.identity import object_uid
from medcontour.results.exporter import exporters
from medcontour.results.model import Suggestion
from medcontour.results.parts import ObjectReference
from medcontour.scan.quiet import quietly

__all__ = ["WrittenObject", "dicom_formats", "written_objects"]

_UIDS = ["SOPInstanceUID", "SeriesInstanceUID"]


@dataclass(frozen=True)
class WrittenObject:
    """A DICOM file of a result folder.

    `current` says that it is what the suggestion beside it gives, and not of another run.
    """

    path: Path
    reference: ObjectReference
    current: bool


def dicom_formats() -> dict[str, str]:
    """Give the formats that are DICOM objects, and their files' names."""
    return {
        name: exporter.filename
        for name, exporter in exporters().items()
        if exporter.filename.endswith(".dcm")
    }


def written_objects(folder: Path, suggestion: Suggestion) -> dict[str, WrittenObject]:
    """Find the DICOM objects that a result folder holds, by format.

    What is no DICOM object is passed over.
    """
    found = {}
    for name, filename in dicom_formats().items():
        path = folder / filename
        try:
            with quietly():
                header = pydicom.dcmread(path, specific_tags=list(_UIDS))
                reference = ObjectReference(*(str(header[keyword].value) for keyword in _UIDS))
        except Exception:  # pydicom raises anything at files that are none
            continue
        ours = {
            object_uid(suggestion.for_export(include_weak=weak, merge_findings=merged), name)
            for weak in (False, True)
            for merged in (False, True)
        }
        found[name] = WrittenObject(path, reference, reference.sop_instance_uid in ours)
    return found
