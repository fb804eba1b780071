"""Finds out what a path holds, and has it read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from medcontour.dicomweb import is_address
from medcontour.errors import MedcontourError
from medcontour.limits import check_file
from medcontour.privacy import keep_private
from medcontour.scan.dicom import read_dicom
from medcontour.scan.headers import DICOM_ENDINGS, starts_as_dicom
from medcontour.scan.image import read_image
from medcontour.scan.itk import is_itk, read_itk
from medcontour.scan.nifti import read_nifti, starts_as_nifti
from medcontour.scan.remote import read_remote
from medcontour.scan.scan import Scan

__all__ = ["file_kind", "read_scan"]

_IMAGE_STARTS = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*")
_IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
_NIFTI_ENDINGS = (".nii", ".nii.gz")

_START = 540
"""Bytes of a file that its kind is told by."""

Kind = Literal["empty", "dicom", "nifti", "itk", "picture"]


def read_scan(
    path: str | os.PathLike[str],
    *,
    series: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Scan:
    """Read a DICOM series, a volume (NIfTI, NRRD, MetaImage) or a picture with its geometry.

    Parameters
    ----------
    path
        A folder with one DICOM series (searched with its subfolders), one DICOM file, a NIfTI
        (.nii, .nii.gz), NRRD (.nrrd, .nhdr) or MetaImage (.mha, .mhd) file, or a PNG, JPEG or TIFF
        image; or, as text, the address of a series in
        an archive, ``dicomweb+https://HOST/ROOT#SERIES_UID``. A file's kind is told by its content
        first and by its name only where that says nothing.
    series
        The SeriesInstanceUID (0020,000E) to read where a folder holds several series.
    progress
        Called as the images of a series in an archive arrive: with ``"fetch"``, how many there
        are here, and how many there will be.

    Returns
    -------
    Scan
        See there for axes, units and coordinates. Nothing is resampled.

    Raises
    ------
    MedcontourError
        For everything that a user can mend: see the readers `read_dicom`, `read_nifti`,
        `read_itk`, `read_image` and `read_remote` for what each of them refuses.

    Examples
    --------
    >>> import tempfile, numpy, PIL.Image
    >>> folder = tempfile.mkdtemp()
    >>> ramp = numpy.arange(12, dtype=numpy.uint8).reshape(3, 4)
    >>> PIL.Image.fromarray(ramp).save(f"{folder}/ramp.png")
    >>> scan = read_scan(f"{folder}/ramp.png")
    >>> scan.voxels.shape, scan.units
    ((1, 3, 4), 'pixel')
    """
    if is_address(path):
        return read_remote(str(path), series, progress)
    if not os.fspath(path):
        raise MedcontourError("The path of the scan is empty; give a file or a folder.")
    path = Path(path).expanduser()
    keep_private(path)
    keep_private(path.resolve())
    check_file(path)
    try:
        if path.is_dir():
            return read_dicom(path, series)
        kind = file_kind(path)
    except FileNotFoundError as error:
        raise MedcontourError(f"{path} does not exist; check the path.") from error
    except OSError as error:
        raise MedcontourError(f"{path} cannot be opened ({error.strerror}).") from error
    if kind == "empty":
        raise MedcontourError(f"{path} is an empty file; copy or export it again.")
    if kind == "dicom":
        return read_dicom(path, series)
    if series is not None:
        raise MedcontourError(
            f"{path} is no DICOM file, so that no series can be chosen; leave the series out."
        )
    if kind is not None:
        return _READERS[kind](path)
    raise MedcontourError(
        f"{path} is of a kind that is not read; give a DICOM folder or file, a NIfTI (.nii, "
        ".nii.gz), NRRD (.nrrd) or MetaImage (.mha, .mhd) file, or a PNG, JPEG or TIFF image."
    )


def file_kind(path: Path) -> Kind | None:
    """Of which kind a file is, by its content first; None for what is not read.

    Raises
    ------
    OSError
        Where it cannot be opened.
    """
    with path.open("rb") as file:
        start = file.read(_START)
    name = path.name.lower()
    if not start:
        return "empty"
    if starts_as_dicom(start) or name.endswith(DICOM_ENDINGS):
        return "dicom"
    if name.endswith(_NIFTI_ENDINGS) or starts_as_nifti(start):
        return "nifti"
    if is_itk(start, name):
        return "itk"
    if start.startswith(_IMAGE_STARTS) or name.endswith(_IMAGE_ENDINGS):
        return "picture"
    return None


_READERS: dict[Kind, Callable[[Path], Scan]] = {
    "nifti": read_nifti,
    "itk": read_itk,
    "picture": read_image,
}
