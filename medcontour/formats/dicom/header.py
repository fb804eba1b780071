"""What our DICOM objects share: the patient and study of the source, and our equipment."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from datetime import datetime
from importlib.metadata import version
from typing import Literal

from highdicom import AlgorithmIdentificationSequence
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.valuerep import DA, TM

from medcontour.formats.labels import Label
from medcontour.results.model import Suggestion
from medcontour.scan.quiet import quietly
from medcontour.scan.scan import Scan

__all__ = [
    "CHARACTER_SET",
    "MANUFACTURER",
    "algorithm_identification",
    "discreetly",
    "generation",
    "identified",
    "lacking",
    "long_string",
    "now",
    "odd_kind",
    "series_description",
    "series_number",
    "sources",
    "tracking_identifier",
]

MANUFACTURER = "medcontour"
CHARACTER_SET = "ISO_IR 192"  # UTF-8: a label may be in any script

MOST_NUMBERED = 10**6
"""A source's series number from which none is made: (0020,0011) ends at 2^31 - 1."""

_CODE = ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")
_REMOVAL = (
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
)
_TYPE_2 = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
)


def sources(scan: Scan) -> list[Dataset]:
    """Give the slices' headers, mended so that an object made from them is valid.

    The first also gives the patient and study: attributes of type 2 that are missing are empty in
    it, and so are a sex, dates and times that the standard does not allow (anonymisers leave
    such); what it says of a removed identity is there where it is whole. An empty SOP class or
    instance UID is taken from the file meta information. The scan's own headers stay as they are.
    """
    first = deepcopy(scan.datasets[0])
    for keyword in _TYPE_2:
        if keyword not in first:
            setattr(first, keyword, "")
    if first.PatientSex not in ("M", "F", "O"):
        first.PatientSex = ""
    for keyword, kind in (("PatientBirthDate", DA), ("StudyDate", DA), ("StudyTime", TM)):
        try:
            kind(first[keyword].value)
        except ValueError:
            setattr(first, keyword, "")
    _leave_whole_deidentification(first)
    return [identified(dataset) for dataset in (first, *scan.datasets[1:])]


def _leave_whole_deidentification(first: Dataset) -> None:
    """Take away what says that a patient's identity was removed, unless it says how.

    PS3.3 C.7.1.1: a removal comes with its method, as text or as whole codes. A part of it would
    make the object invalid, or say of it what nobody knows.
    """
    codes = first.get("DeidentificationMethodCodeSequence") or []
    if not codes or not all(code.get(name) for code in codes for name in _CODE):
        first.pop("DeidentificationMethodCodeSequence", None)
    if not first.get("DeidentificationMethod"):
        first.pop("DeidentificationMethod", None)
    said = first.get("PatientIdentityRemoved")
    whole = any(f"DeidentificationMethod{part}" in first for part in ("", "CodeSequence"))
    if said != "NO" and not (said == "YES" and whole):
        for keyword in _REMOVAL:
            first.pop(keyword, None)


def lacking(scan: Scan) -> str | None:
    """Say what keeps a DICOM object from referring to the scan's images, or None."""
    if not scan.datasets:
        return "A DICOM object refers to DICOM images and this scan is not DICOM"
    for dataset in map(identified, scan.datasets):
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID"):
            if not dataset.get(keyword):
                return f"The images have no {keyword} to refer to"
    return None


def odd_kind(scan: Scan) -> str | None:
    """Say that the images are of a kind that highdicom's objects cannot refer to, or None."""
    sop_class = identified(scan.datasets[0]).SOPClassUID
    if sop_class.is_private or sop_class.is_retired:
        return f"The images are of a private or retired kind ({sop_class.name})"
    return None


def identified(dataset: Dataset) -> Dataset:
    """Give a header with the class and instance UIDs that the file's meta information has."""
    if dataset.get("SOPClassUID") and dataset.get("SOPInstanceUID"):
        return dataset
    dataset, meta = deepcopy(dataset), getattr(dataset, "file_meta", Dataset())
    dataset.SOPClassUID = dataset.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID", "")
    dataset.SOPInstanceUID = dataset.get("SOPInstanceUID") or meta.get(
        "MediaStorageSOPInstanceUID", ""
    )
    return dataset


@contextmanager
def discreetly() -> Iterator[None]:
    """Keep pydicom and highdicom from quoting a patient's name or dates in warnings and logs."""
    logger = logging.getLogger("highdicom.base")
    disabled, logger.disabled = logger.disabled, True
    try:
        with quietly():
            yield
    finally:
        logger.disabled = disabled


def algorithm_identification() -> AlgorithmIdentificationSequence:
    """Give our name and version, for PS3.3 10.16, Algorithm Identification Macro."""
    return AlgorithmIdentificationSequence(
        name=MANUFACTURER,
        family=codes.DCM.ArtificialIntelligence,
        version=version("medcontour"),
    )


def generation(suggestion: Suggestion) -> Literal["AUTOMATIC", "SEMIAUTOMATIC"]:
    """Say how the contours came about: untouched, or changed by a person."""
    return "SEMIAUTOMATIC" if suggestion.edited else "AUTOMATIC"


def series_number(source: Dataset, kind: int) -> int:
    """Give a SeriesNumber (0020,0011) beside the source's: 3 gives 301, 302, one a kind of object.

    Lists of a study, which go by it, so show our objects after their scan.

    Examples
    --------
    >>> source = Dataset()
    >>> series_number(source, 1)
    1
    >>> source.SeriesNumber = 3
    >>> series_number(source, 1)
    301
    """
    number = source.get("SeriesNumber")
    known = isinstance(number, int) and 0 <= number <= MOST_NUMBERED
    return (100 * int(number) if known else 0) + kind


def series_description(suggestion: Suggestion) -> str:
    """Say what a viewer lists our series as."""
    return f"medcontour {'edited' if suggestion.edited else 'suggestion'}"


def long_string(text: str, suffix: str = "") -> str:
    """Fit `text` + `suffix` to DICOM's VR LO: 64 characters at most, no backslash."""
    return text.replace("\\", "/").strip()[: 64 - len(suffix)] + suffix


def tracking_identifier(label: Label) -> str:
    """Give the name of a finding in the objects that track it: its number is never cut off."""
    return long_string(label.category, label.name.removeprefix(label.category))


def now() -> tuple[DA, TM]:
    """Give the date and the time of writing."""
    moment = datetime.now()
    return DA(moment.date()), TM(moment.time())
