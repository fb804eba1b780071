"""Headers with a pseudonym in place of the patient: the same for the same patient and key."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from pathlib import Path

from pydicom.dataset import Dataset

from medcontour.errors import MedcontourError
from medcontour.limits import check_file
from medcontour.scan.scan import Scan

__all__ = ["pseudonymised", "read_key"]

LEAST = 16
"""Bytes of a key."""

METHOD = "medcontour: patient replaced by a keyed pseudonym, dates and texts left out"

_KEPT = (
    *("SpecificCharacterSet", "ImageType", "SOPClassUID", "SOPInstanceUID", "Modality"),
    *("SliceThickness", "SpacingBetweenSlices", "PatientSex"),
    *("StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber", "InstanceNumber"),
    *("ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID"),
    "PositionReferenceIndicator",
)
_KEPT_GROUPS = (0x0028, 0x5200)
"""The pixels, and where the frames of an enhanced object are."""

_LETTERS = str.maketrans("0123456789", "GHJKMNPQRS")


def read_key(file: Path) -> bytes:
    """Read the key of pseudonyms.

    Raises
    ------
    MedcontourError
        When it cannot be read, or is shorter than 16 bytes.
    """
    check_file(file)
    try:
        key = file.read_bytes().strip()
    except OSError as error:
        raise MedcontourError(f"{file} cannot be read ({error.strerror}); give a key.") from error
    if len(key) < LEAST:
        raise MedcontourError(
            f"{file} is no key: it has {len(key)} bytes, and {LEAST} random ones are the least; "
            f"`openssl rand -hex 32 > {file}` makes one."
        )
    return key


def pseudonymised(scan: Scan, key: bytes) -> Scan:
    """Give a scan whose headers name no patient, for the DICOM objects that are made of it.

    Parameters
    ----------
    scan
        Of it the headers change, and where it lies is forgotten. One without headers stays.
    key
        Without it nobody can tell whose pseudonym one is.

    Returns
    -------
    Scan
        PatientID and PatientName are the pseudonym; sex, pixels, places and UIDs stay, so that
        what is made of it refers to the images; all else is gone.
    """
    if not scan.datasets:
        return scan
    headers = tuple(_without_patient(header, key) for header in scan.datasets)
    return replace(scan, datasets=headers, source="")


def _without_patient(header: Dataset, key: bytes) -> Dataset:
    patient = f"{header.get('PatientID', '')}\n{header.get('IssuerOfPatientID', '')}"
    if not header.get("PatientID"):  # whoever has no number is one patient a study
        patient = f"\n{header.get('PatientName', '')}\n{header.get('StudyInstanceUID', '')}"
    digits = hmac.new(key, patient.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
    made = Dataset()
    made.file_meta = header.file_meta
    for element in header:
        if element.tag.group in _KEPT_GROUPS or element.keyword in _KEPT:
            made.add(element)
    made.PatientID = digits[:16].upper().translate(_LETTERS)
    made.PatientName = f"Pseudonym^{made.PatientID}"
    made.PatientIdentityRemoved = "YES"
    made.DeidentificationMethod = METHOD
    return made
