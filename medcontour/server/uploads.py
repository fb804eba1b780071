"""Uploaded scans: one file, or a ZIP archive of a DICOM series, told by their content."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from medcontour.limits import readable_size
from medcontour.scan.headers import starts_as_dicom
from medcontour.scan.nifti import starts_as_nifti
from medcontour.server.bounds import Bounds
from medcontour.server.problems import Problem

__all__ = ["placed_upload"]

_ENDINGS = (
    (b"\x1f\x8b", ".nii.gz"),
    (b"NRRD", ".nrrd"),
    (b"ObjectType", ".mha"),
    (b"\x89PNG", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"II*\x00", ".tif"),
    (b"MM\x00*", ".tif"),
)
_ZIP = b"PK\x03\x04"
_PIECE = 2**20


def placed_upload(file: Path, folder: Path, bounds: Bounds) -> Path:
    """Bring what was uploaded into a folder, and give the file or folder to read.

    Names of files are made here: those that the client, or an archive, gives are used nowhere.

    Parameters
    ----------
    file
        What came; it is moved or removed.
    folder
        An empty one.
    bounds
        What an archive may hold.

    Raises
    ------
    Problem
        For what is none of these kinds, a damaged archive, and one that holds too much.
    """
    with file.open("rb") as opened:
        start = opened.read(540)
    if start.startswith(_ZIP):
        _unpack(file, folder, bounds)
        file.unlink()
        return folder
    ending = next((e for magic, e in _ENDINGS if start.startswith(magic)), None)
    if ending is None and starts_as_dicom(start):
        ending = ".dcm"
    if ending is None and starts_as_nifti(start):
        ending = ".nii"
    if ending is None:
        raise Problem(
            422,
            "What was uploaded is of a kind that is not read; give a NIfTI, NRRD or MetaImage "
            "file, a picture, a DICOM file, or a ZIP archive of a DICOM series.",
        )
    final = folder / f"scan{ending}"
    file.replace(final)
    return final


def _unpack(file: Path, folder: Path, bounds: Bounds) -> None:
    """Write the files of an archive under numbers, counting what really comes out of it."""
    room = bounds.unpacked_bytes
    try:
        with zipfile.ZipFile(file) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(entries) > bounds.files:
                raise Problem(
                    413, f"The archive holds more than {bounds.files} files; give one series."
                )
            for number, entry in enumerate(entries):
                with archive.open(entry) as packed, (folder / f"{number:06}.dcm").open("wb") as out:
                    while piece := packed.read(_PIECE):
                        room -= len(piece)
                        if room < 0:
                            raise Problem(
                                413,
                                "Unpacked, the archive holds more than "
                                f"{readable_size(bounds.unpacked_bytes)}; give one series.",
                            )
                        out.write(piece)
                if not _is_dicom(folder / f"{number:06}.dcm"):
                    (folder / f"{number:06}.dcm").unlink()
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise Problem(
            422,
            "The ZIP archive is damaged, encrypted or packed in a way that is not read; "
            "make it again.",
        ) from error
    except Problem:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if not any(folder.iterdir()):
        raise Problem(422, "The archive holds no DICOM file; give a ZIP archive of a series.")


def _is_dicom(file: Path) -> bool:
    with file.open("rb") as opened:
        return starts_as_dicom(opened.read(540))
