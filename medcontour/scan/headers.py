"""The headers of DICOM files: which of them are images, and which series they belong to."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID, MediaStorageDirectoryStorage

from medcontour.errors import MedcontourError
from medcontour.scan.claims import open_measured
from medcontour.scan.quiet import quietly

__all__ = [
    "DICOM_ENDINGS",
    "ImageFile",
    "SeriesFacts",
    "choose_series",
    "damaged",
    "image_files",
    "list_series",
    "text",
]

DICOM_ENDINGS = (".dcm", ".dicom", ".ima")

# Objects that hold pixels but are no scan: segmentations, dose.
_DERIVED = ("SEG", "RTDOSE")

_HEADER = [
    "SOPClassUID",
    "SOPInstanceUID",
    "Modality",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "PhotometricInterpretation",
    "SliceThickness",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "SequenceOfUltrasoundRegions",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
]


@dataclass(frozen=True)
class ImageFile:
    """One DICOM image file, as far as geometry and the choice of a series need it."""

    path: Path
    header: Dataset
    syntax: UID | None
    modality: str
    series: str
    frames: int
    size: tuple[int, int]

    @property
    def enhanced(self) -> bool:
        """Whether every frame carries its own place (multi-frame functional groups)."""
        return bool(self.header.get("PerFrameFunctionalGroupsSequence"))


@dataclass(frozen=True)
class SeriesFacts:
    """What one series of a folder is, without patient data.

    A SeriesDescription is left out: people write names into it.

    Attributes
    ----------
    uid
        SeriesInstanceUID (0020,000E), empty where the images have none.
    modality
        Of its first image.
    columns, rows
        Of its first image.
    slices
        Images, or frames where an image has several.
    """

    uid: str
    modality: str
    columns: int
    rows: int
    slices: int


def list_series(path: Path) -> list[SeriesFacts]:
    """List the series of DICOM images in a folder, in the order of their file names.

    Raises
    ------
    MedcontourError
        When there is no image, or one whose header is damaged.
    """
    with quietly():
        return [_facts(uid, files) for uid, files in _by_series(image_files(path)).items()]


def _by_series(images: list[ImageFile]) -> dict[str, list[ImageFile]]:
    found: dict[str, list[ImageFile]] = {}
    for image in images:
        found.setdefault(image.series, []).append(image)
    return found


def _facts(uid: str, files: list[ImageFile]) -> SeriesFacts:
    rows, columns = files[0].size
    return SeriesFacts(uid, files[0].modality, columns, rows, sum(file.frames for file in files))


def _paths(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = [Path(folder) / name for folder, _, names in os.walk(path) for name in names]
    # Files with a dot before their name are a computer's own notes ("._IM0001.dcm").
    return sorted(file for file in found if file.is_file() and file.name[0] != ".")


def image_files(path: Path) -> list[ImageFile]:
    """Read the headers of all DICOM images at `path`; what is no image is passed over.

    Raises
    ------
    MedcontourError
        When there is no image, and for an image whose header is damaged or has no pixels: passed
        over, it would be a slice missing without a word.
    """
    images, others, alien = [], Counter[str](), 0
    for file in _paths(path):
        try:
            with open_measured(file) as stream:
                header = pydicom.dcmread(
                    stream, stop_before_pixels=True, specific_tags=list(_HEADER)
                )
            for _ in chain(header.file_meta, header.iterall()):
                pass  # parses every value now, nested ones too
        except InvalidDicomError as error:
            if file.name.lower().endswith(DICOM_ENDINGS):
                raise MedcontourError(
                    f"{file.name} is no DICOM file: the letters DICM are missing at byte 128; "
                    "fetch it again, move it away, or, if it is a bare data set, add the header "
                    "with dcmtk: dcmconv IN OUT."
                ) from error
            alien += 1
            continue
        except Exception as error:  # pydicom raises anything at damaged headers.
            raise damaged(file) from error
        image = _image(file, header)
        if image is None:
            others[text(header, "Modality") or _stored_class(header).name] += 1
        else:
            images.append(image)
    if images:
        return images
    if others:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(others.items()))
        raise MedcontourError(
            f"{path} holds DICOM objects but no image ({kinds}); give the images that they refer "
            "to."
        )
    if alien:
        raise MedcontourError(
            f"{path} holds no DICOM file among its {alien} files; give the folder of the DICOM "
            "files, or a NIfTI, PNG, JPEG or TIFF file by its own name."
        )
    raise MedcontourError(f"{path} is an empty folder; give the one that holds the images.")


def damaged(file: Path) -> MedcontourError:
    """Give the error for a file whose header cannot be read, without quoting any of it."""
    return MedcontourError(
        f"{file.name} has a damaged or truncated DICOM header; fetch it again, or move it away."
    )


def _stored_class(header: Dataset) -> UID:
    uid = header.file_meta.get("MediaStorageSOPClassUID") or header.get("SOPClassUID") or ""
    return UID(str(uid))


def _image(file: Path, header: Dataset) -> ImageFile | None:
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
            syntax=header.file_meta.get("TransferSyntaxUID"),
            modality=modality,
            series=str(header.get("SeriesInstanceUID") or ""),
            frames=int(header.get("NumberOfFrames") or 1),
            size=(rows, columns),
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise damaged(file) from error


def choose_series(images: list[ImageFile], series: str | None, path: Path) -> list[ImageFile]:
    """Keep the images of one series.

    Raises
    ------
    MedcontourError
        When there are several and none is chosen, or when the chosen one is absent: with the
        UID, modality, columns, rows and slices of each (a SeriesDescription may name a patient).
    """
    by_series = _by_series(images)
    if series is None and len(by_series) == 1:
        return images
    if series in by_series:
        return by_series[series]
    listed = "; ".join(
        f"{found.uid or 'without a UID'} ({found.modality}, {found.columns} x {found.rows} x "
        f"{found.slices})"
        for found in (_facts(uid, files) for uid, files in by_series.items())
    )
    trouble = f"holds {len(by_series)} series" if series is None else f"has no series {series}"
    raise MedcontourError(
        f"{path} {trouble}; choose one by its SeriesInstanceUID (series), or give a folder with "
        f"one series alone: {listed}."
    )


def text(header: Dataset, keyword: str) -> str | None:
    """Give an attribute as text, None where it is absent or empty."""
    value = header.get(keyword)
    return str(value) if value else None
