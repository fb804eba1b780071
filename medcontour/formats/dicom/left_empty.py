"""What of the patient and study our DICOM objects leave empty, though the scan has something."""

from __future__ import annotations

from copy import deepcopy

from highdicom.base import SOPClass
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

from medcontour.formats.dicom.header import (
    CHARACTER_SET,
    MANUFACTURER,
    discreetly,
    lacking,
    sources,
)
from medcontour.formats.dicom.text import carry_text
from medcontour.scan.scan import Scan

__all__ = ["left_empty"]


def left_empty(scan: Scan) -> str | None:
    """Name the attributes that DICOM objects made from a scan leave empty, or None.

    The text itself is the patient's and is not repeated.
    """
    if lacking(scan):
        return None
    with discreetly():
        given, written = _patient_and_study(scan.datasets[0]), _patient_and_study(sources(scan)[0])
        carry_text(written, scan.datasets[0])
        lost = [
            element.keyword
            for element in given
            if not element.is_empty
            and (element.tag not in written or written[element.tag].is_empty)
        ]
    if not lost:
        return None
    return (
        "Empty in DICOM objects, since the scan's text is not in its own character set or not as "
        f"the standard has it: {', '.join(lost)}."
    )


def _patient_and_study(source: Dataset) -> Dataset:
    """Make an object that is empty but for what objects take over from their source."""
    kind = RTStructureSetStorage  # by its tables highdicom knows what to copy
    made: Dataset = SOPClass(
        study_instance_uid=source.StudyInstanceUID,
        series_instance_uid=generate_uid(),
        series_number=1,
        sop_instance_uid=generate_uid(),
        sop_class_uid=kind,
        instance_number=1,
        modality="RTSTRUCT",
        manufacturer=MANUFACTURER,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        specific_character_set=CHARACTER_SET,
    )
    patient = deepcopy(source)
    patient.SOPClassUID = kind
    made.copy_patient_and_study_information(patient)
    return made
