"""The headers of DICOM files: which of them are images, and what could not be read."""

from __future__ import annotations

import io
import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
)

from medcontour.errors import MedcontourError
from medcontour.privacy import keep_private
from medcontour.scan.claims import open_measured
from medcontour.scan.folder import folder_files
from medcontour.scan.patient import PATIENT_KEYWORDS, patient_words

__all__ = [
    "DICOM_ENDINGS",
    "DicomFolder",
    "ImageFile",
    "NoImage",
    "Unread",
    "damaged",
    "image_files",
    "open_dicom",
    "starts_as_dicom",
    "text",
]

DICOM_ENDINGS = (".dcm", ".dicom", ".ima")

# Objects that hold pixels but are no scan: segmentations, dose.
_DERIVED = ("SEG", "RTDOSE")

_HEADER = [
    *PATIENT_KEYWORDS,
    "SOPClassUID",
    "SOPInstanceUID",
    "ImageType",
    "Modality",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "NumberOfSlices",
    "PhotometricInterpretation",
    "SliceThickness",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "NominalScannedPixelSpacing",
    "PixelAspectRatio",
    "SequenceOfUltrasoundRegions",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "DirectoryRecordSequence",
]

_MAGIC_AT, _MAGIC = 128, b"DICM"
# Groups that a data set without preamble may begin with: file meta information, identification.
_FIRST_GROUPS = (0x0002, 0x0008)
_LONGEST_FIRST = 256
"""Bytes of the first value of such a data set, at most: a group's length, a character set."""


class NoImage(MedcontourError):
    """There are DICOM objects, and none of them is an image."""


@dataclass(frozen=True)
class ImageFile:
    """One DICOM image file, as far as geometry and the choice of a series need it.

    `number` is its place (from 1) among the files of its folder in the order of their names.
    """

    path: Path
    header: Dataset
    syntax: UID
    modality: str
    series: str
    frames: int
    size: tuple[int, int]
    number: int = 1

    @property
    def enhanced(self) -> bool:
        """Whether every frame carries its own place (multi-frame functional groups)."""
        return bool(self.header.get("PerFrameFunctionalGroupsSequence"))


@dataclass(frozen=True)
class Unread:
    """A file that is meant to be DICOM and cannot be read: why, and of which series if known."""

    number: int
    error: MedcontourError
    series: str | None = None


@dataclass(frozen=True)
class DicomFolder:
    """What the DICOM files of a folder are.

    Attributes
    ----------
    images
        In the order of the files' names.
    unread
        What is meant to be DICOM and is damaged.
    alien
        The numbers of files of other kinds.
    total
        How many files there are.
    objects
        How many of which other DICOM objects (``"RTSTRUCT"``, ``"SEG"``).
    missing
        SOP Instance UIDs of images that an index (DICOMDIR) names and that are not there, each
        with its series.
    notes
        What was passed over while the folder was searched.
    """

    images: list[ImageFile]
    unread: list[Unread]
    alien: list[int]
    total: int
    objects: Counter[str]
    missing: dict[str, str]
    notes: tuple[str, ...]


def image_files(path: Path) -> DicomFolder:
    """Read the headers of all DICOM files at `path`: a folder, with those in it, or one file.

    A file without preamble is read as well. The index of a medium (DICOMDIR), given by itself,
    stands for the folder it lies in.

    Raises
    ------
    MedcontourError
        When there is no image, or when the one file cannot be read.
    """
    found = folder_files(path)
    images: list[ImageFile] = []
    unread: list[Unread] = []
    alien: list[int] = []
    others = Counter[str]()
    indexed: dict[str, str] = {}
    for number, file in enumerate(found.files, 1):
        keep_private(file)
        try:
            header = _header(file)
        except MedcontourError as error:
            unread.append(Unread(number, error))
            continue
        if header is None:
            alien.append(number)
            continue
        keep_private(file, patient_words([header]))
        try:
            image = _image(file, header, number)
        except MedcontourError as error:
            unread.append(Unread(number, error, text(header, "SeriesInstanceUID")))
            continue
        if image is not None:
            images.append(image)
        elif _stored_class(header) == MediaStorageDirectoryStorage:
            if not path.is_dir():
                return image_files(path.resolve().parent)
            indexed |= _indexed(header)
        else:
            others[text(header, "Modality") or _stored_class(header).name] += 1
    there = {text(image.header, "SOPInstanceUID") for image in images}
    missing = {uid: series for uid, series in indexed.items() if uid not in there}
    if not images:
        raise _no_image(path, unread, others, len(alien), found.notes)
    return DicomFolder(images, unread, alien, len(found.files), others, missing, found.notes)


def _no_image(
    path: Path, unread: list[Unread], others: Counter[str], alien: int, notes: Sequence[str]
) -> MedcontourError:
    if unread:
        return unread[0].error
    if others:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(others.items()))
        return NoImage(
            f"{path} holds DICOM objects but no image ({kinds}); give the images that they refer "
            "to."
        )
    if alien:
        return MedcontourError(
            f"{path} holds no DICOM file among its {alien} files; give the folder of the DICOM "
            "files, or a NIfTI, NRRD, MetaImage, PNG, JPEG or TIFF file by its own name."
        )
    said = f" {' '.join(notes)}" if notes else ""
    return MedcontourError(f"{path} is an empty folder; give the one that holds the images.{said}")


def starts_as_dicom(start: bytes) -> bool:
    """Whether bytes (132 or more) are how DICOM files start, with a preamble or without one."""
    return start[_MAGIC_AT : _MAGIC_AT + 4] == _MAGIC or _is_bare(start)


def _is_bare(start: bytes) -> bool:
    """Whether a data set starts at once, without the preamble that a file should have."""
    if start[:4] == _MAGIC:
        return True
    if len(start) < 8 or start[_MAGIC_AT : _MAGIC_AT + 4] == _MAGIC:
        return False
    for order in "<>":
        group, _ = struct.unpack_from(f"{order}HH", start)
        if group in _FIRST_GROUPS:
            explicit = start[4:6].isalpha() and start[4:6].isupper()
            (length,) = struct.unpack_from(f"{order}I", start, 4)
            return explicit or length <= _LONGEST_FIRST
    return False


def open_dicom(path: Path, **options: Any) -> Dataset:
    """Read a DICOM file, with a preamble or without one, by `pydicom.dcmread`.

    A transfer syntax that is not stated is the one that the elements are seen to be written in.

    Raises
    ------
    InvalidDicomError
        For a file of another kind.
    MedcontourError
        When pixels are compressed in a way that is not stated.
    Exception
        Whatever pydicom raises at damaged ones.
    """
    with open_measured(path) as stream:
        start = stream.read(_MAGIC_AT + 4)
        stream.seek(0)
        bare = _is_bare(start)
        source: BinaryIO = stream
        if start[:4] == _MAGIC:
            source = io.BytesIO(bytes(_MAGIC_AT) + stream.read())
            bare = False
        dataset = pydicom.dcmread(source, force=bare, **options)
    if bare and not any(key in dataset for key in ("SOPClassUID", "SOPInstanceUID", "Rows")):
        raise InvalidDicomError("nothing that a DICOM object has")
    if not dataset.file_meta.get("TransferSyntaxUID"):
        if "PixelData" in dataset and dataset["PixelData"].is_undefined_length:
            raise MedcontourError(
                f"{path.name} does not say how its pixels are compressed (TransferSyntaxUID is "
                "missing); fetch it again, or write it again where it came from."
            )
        implicit, little = dataset.original_encoding
        written = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else written
    return dataset


def _header(file: Path) -> Dataset | None:
    """Read a file's header, None where it is no DICOM file and does not claim to be one."""
    try:
        header = open_dicom(file, stop_before_pixels=True, specific_tags=list(_HEADER))
        for _ in chain(header.file_meta, header.iterall()):
            pass  # parses every value now, nested ones too
        return header
    except MedcontourError:
        raise
    except InvalidDicomError as error:
        if file.name.lower().endswith(DICOM_ENDINGS):
            raise MedcontourError(
                f"{file.name} is no DICOM file: it neither has the letters DICM at byte 128 nor "
                "starts as a data set does; fetch it again, or move it away."
            ) from error
        return None
    except Exception as error:  # pydicom raises anything at damaged headers.
        raise damaged(file) from error


def damaged(file: Path) -> MedcontourError:
    """Give the error for a file whose header cannot be read, without quoting any of it."""
    return MedcontourError(
        f"{file.name} has a damaged or truncated DICOM header; fetch it again, or move it away."
    )


def _stored_class(header: Dataset) -> UID:
    uid = header.file_meta.get("MediaStorageSOPClassUID") or header.get("SOPClassUID") or ""
    return UID(str(uid))


def _image(file: Path, header: Dataset, number: int) -> ImageFile | None:
    """Take what is needed of an image's header; give None for an object that is no image."""
    try:
        modality = text(header, "Modality") or "OT"
        rows, columns = (int(header.get(side) or 0) for side in ("Rows", "Columns"))
        if not rows:
            index = _stored_class(header) == MediaStorageDirectoryStorage
            if not index and not header.get("SOPInstanceUID"):
                raise ValueError("every object but an index (DICOMDIR) has a UID")
            if index or "Image Storage" not in _stored_class(header).name:
                return None
        if modality in _DERIVED:
            return None
        if not rows or not columns:
            raise MedcontourError(
                f"{file.name} ({modality}) holds no pixel data: it is truncated or was stripped; "
                "fetch it again, or move it away."
            )
        return ImageFile(
            path=file,
            header=header,
            syntax=header.file_meta.TransferSyntaxUID,
            modality=modality,
            series=str(header.get("SeriesInstanceUID") or ""),
            frames=int(header.get("NumberOfFrames") or 1),
            size=(rows, columns),
            number=number,
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise damaged(file) from error


def _indexed(header: Dataset) -> dict[str, str]:
    """List the images of an index (DICOMDIR): SOP Instance UID to SeriesInstanceUID."""
    found, series = {}, ""
    for record in header.get("DirectoryRecordSequence") or ():
        kind = record.get("DirectoryRecordType")
        if kind == "SERIES":
            series = text(record, "SeriesInstanceUID") or ""
        elif kind == "IMAGE" and record.get("ReferencedSOPInstanceUIDInFile"):
            found[str(record.ReferencedSOPInstanceUIDInFile)] = series
    return found


def text(header: Dataset, keyword: str) -> str | None:
    """Give an attribute as text, None where it is absent or empty."""
    value = header.get(keyword)
    return str(value) if value else None
