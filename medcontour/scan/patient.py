"""What a header says of the person: words that nothing but a DICOM object may repeat."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pydicom.dataset import Dataset

__all__ = ["PATIENT_KEYWORDS", "patient_words"]

_NAMES = (
    "PatientName",
    "OtherPatientNames",
    "PatientBirthName",
    "PatientMotherBirthName",
    "ResponsiblePerson",
    "ReferringPhysicianName",
    "PerformingPhysicianName",
    "OperatorsName",
)
_NUMBERS = ("PatientID", "OtherPatientIDs", "AccessionNumber", "AdmissionID")
_DATES = (
    "PatientBirthDate",
    "StudyDate",
    "SeriesDate",
    "AcquisitionDate",
    "ContentDate",
    "AdmittingDate",
)

PATIENT_KEYWORDS = (*_NAMES, *_NUMBERS, *_DATES)


def patient_words(headers: Iterable[Dataset]) -> frozenset[str]:
    """Collect names, numbers and dates of the persons in headers, part by part.

    Examples
    --------
    >>> header = Dataset()
    >>> header.PatientName, header.PatientBirthDate = "Li^Na", "19610203"
    >>> sorted(patient_words([header]))
    ['19610203', 'Li', 'LiNa', 'Na']
    """
    words: set[str] = set()
    for header in headers:
        for keyword in PATIENT_KEYWORDS:
            value = str(header.get(keyword) or "")
            parts = re.findall(r"[^\W_]+", value) if keyword in _NAMES else []
            whole = re.sub(r"[\W_]+", "", value)
            words.update(part for part in (whole, *parts) if part)
    return frozenset(words)
