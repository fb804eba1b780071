"""NRRD and MetaImage volumes, read by SimpleITK once their headers and bytes are found whole."""

from __future__ import annotations

import bz2
import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import nrrd
import numpy as np
import numpy.typing as npt

from medcontour.errors import MedcontourError
from medcontour.limits import check_file, check_memory
from medcontour.scan.claims import check_claim
from medcontour.scan.quiet import muted, quietly
from medcontour.scan.scan import Scan
from medcontour.scan.volume import volume_scan

__all__ = ["ITK_ENDINGS", "is_itk", "read_itk"]

ITK_ENDINGS = (".nrrd", ".nhdr", ".mha", ".mhd")

_NRRD = b"NRRD000"
_META = (b"ObjectType", b"NDims")
_HEADER = 2**16
"""Bytes in which a MetaImage header ends."""
_BLOCK = 2**20
_EACH = 9
"""Bytes that a value takes beside its own: as float twice, and where it was measured."""

_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
# What NRRD calls the spaces of a patient; ITK turns them into LPS.
_SPACES = (
    *("left-posterior-superior", "right-anterior-superior", "left-anterior-superior"),
    *("lps", "ras", "las"),
)
_UNPACKERS: dict[str, Callable[[], Any]] = {
    "gz": lambda: zlib.decompressobj(47),
    "gzip": lambda: zlib.decompressobj(47),
    "zlib": lambda: zlib.decompressobj(47),
    "bz2": bz2.BZ2Decompressor,
    "bzip2": bz2.BZ2Decompressor,
}


@dataclass(frozen=True)
class _Body:
    """Where the voxels of a file are: in which file, from which byte, and packed by what."""

    path: Path
    start: int
    packing: str


def is_itk(start: bytes, name: str) -> bool:
    """Whether a file is NRRD or MetaImage, by its first bytes or by the end of its name."""
    return start.startswith((_NRRD, *_META)) or name.endswith(ITK_ENDINGS)


def read_itk(path: Path) -> Scan:
    """Read an NRRD (.nrrd, .nhdr) or MetaImage (.mha, .mhd) volume of two or three dimensions.

    Slices are cut and shown as those of `read_nifti`; `Scan.grid` leads back to the file's axes.
    Voxels in a file of their own (.nhdr, .mhd) are read where that lies in the same folder.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    MedcontourError
        When the file is damaged, keeps its voxels in several files or in another folder, has
        several values a voxel (but for colour), a space that is no patient's, or what `read_nifti`
        refuses of values and affines.
    """
    try:
        with quietly(), muted():
            with path.open("rb") as file:
                body, notes = (_nrrd if file.read(7) == _NRRD else _meta)(path)
            data, affine_lps = _load(path, body)
    except MedcontourError:
        raise
    except Exception as error:  # ITK, pynrrd and zlib raise anything at damaged files.
        raise MedcontourError(
            f"{path} cannot be read as NRRD or MetaImage: it is damaged, truncated or another kind "
            "of file; export it again, or write it as NIfTI."
        ) from error
    return volume_scan(data, _RAS_TO_LPS @ affine_lps, path, notes)


def _nrrd(path: Path) -> tuple[_Body, tuple[str, ...]]:
    """Read an NRRD header: where the voxels are, and what is to be said."""
    with path.open("rb") as file:
        header = nrrd.read_header(file)
        start = file.tell()
    detached = header.get("data file", header.get("datafile"))
    space = str(header.get("space", "")).lower()
    if space and space not in _SPACES:
        raise MedcontourError(
            f"{path} lies in a space that is no patient's ({space}); save it in LPS or RAS."
        )
    units = {str(unit).strip('"').lower() for unit in header.get("space units", ())}
    _check_units(units - {"nan", ""}, path)
    packing = str(header.get("encoding", "raw")).lower()
    skip = max(0, int(header.get("byte skip", 0)))
    if detached is None:
        return _Body(path, start + skip, packing), () if space else (_GUESS,)
    return _Body(_beside(path, str(detached)), skip, packing), () if space else (_GUESS,)


def _meta(path: Path) -> tuple[_Body, tuple[str, ...]]:
    """Read a MetaImage header: where the voxels are, and what is to be said."""
    header: dict[str, str] = {}
    with path.open("rb") as file:
        while "ElementDataFile" not in header:
            line = file.readline(_HEADER)
            if not line or file.tell() > _HEADER:
                raise ValueError("no end of the header")
            key, _, value = line.decode("utf-8", "replace").partition("=")
            header[key.strip()] = value.strip()
        start = file.tell()
    _check_units({header.get("DistanceUnits", "mm").lower()} - {"?", ""}, path)
    placed = {"TransformMatrix", "Rotation", "Orientation"} & header.keys()
    packing = "zlib" if header.get("CompressedData", "").lower() == "true" else "raw"
    if header.get("BinaryData", "True").lower() == "false":
        packing = "text"
    name = header["ElementDataFile"]
    body = path if name.upper() == "LOCAL" else _beside(path, name)
    skip = max(0, int(header.get("HeaderSize", 0)))
    return _Body(body, (start if body == path else 0) + skip, packing), () if placed else (_GUESS,)


_GUESS = (
    "The file does not say how its axes lie in the patient: they are taken for those of a supine "
    "patient (columns to the left, rows to the back, slices to the head)."
)


def _check_units(units: set[str], path: Path) -> None:
    if units - {"mm", "millimeter", "millimeters", "millimetre", "millimetres"}:
        raise MedcontourError(
            f"{path} is measured in {', '.join(sorted(units))}, not millimetres; write a copy in "
            "millimetres first."
        )


def _beside(path: Path, name: str) -> Path:
    """Find the file of the voxels, in the same folder."""
    if name.split()[0].upper() == "LIST" or "%" in name:
        raise MedcontourError(
            f"{path} keeps its voxels in several files; save it as one file (.nrrd or .mha)."
        )
    body = path.with_name(Path(name).name)
    if Path(name).name != name.removeprefix("./") or "\\" in name:
        raise MedcontourError(
            f"{path} keeps its voxels in another folder; put both files into one, or save it as "
            "one file (.nrrd or .mha)."
        )
    check_file(body)
    if not body.is_file():
        raise MedcontourError(
            f"{path} keeps its voxels in another file, which is not beside it; copy that as well, "
            "or save it as one file (.nrrd or .mha)."
        )
    return body


def _load(path: Path, body: _Body) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    """Load (i, j, k) or, for colour, (i, j, k, 3), and the index to LPS mm."""
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO("NrrdImageIO" if _starts(path, _NRRD) else "MetaImageIO")
    reader.ReadImageInformation()
    size = [*reader.GetSize(), 1][: max(3, len(reader.GetSize()))]
    parts = int(reader.GetNumberOfComponents())
    if "complex" in sitk.GetPixelIDValueAsString(reader.GetPixelID()):
        raise MedcontourError(f"{path} holds complex numbers; save their magnitude first.")
    if parts not in (1, 3) or math.prod(size[3:]) != 1:
        raise MedcontourError(
            f"{path} holds several volumes ({' x '.join(map(str, size))}, {parts} values a voxel); "
            "save the one to be read in a file of its own."
        )
    values = math.prod(size) * parts
    each = sitk.Image([1, 1], reader.GetPixelID(), parts if parts > 1 else 0)
    _check_body(path, body, values, each.GetSizeOfPixelComponent())
    image = reader.Execute()
    stored = sitk.GetArrayFromImage(image).reshape((*size[2::-1], parts))
    if parts == 3 and stored.dtype != np.uint8:
        raise MedcontourError(
            f"{path} holds three values a voxel and no colours; save one of them."
        )
    data = np.ascontiguousarray(np.moveaxis(stored, (0, 1, 2), (2, 1, 0)), dtype=np.float32)
    return data if parts == 3 else data[..., 0], _affine(image)


def _affine(image: Any) -> npt.NDArray[np.float64]:
    """(4, 4) index (i, j, k) to LPS mm; a picture of two axes lies flat."""
    many = image.GetDimension()
    axes = np.array(image.GetDirection()).reshape(many, many) * np.array(image.GetSpacing())
    affine = np.eye(4)
    kept = min(many, 3)
    affine[:kept, :kept] = axes[:kept, :kept]
    affine[:kept, 3] = image.GetOrigin()[:kept]
    return affine


def _starts(path: Path, start: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(start)) == start


def _check_body(path: Path, body: _Body, values: int, each: int) -> None:
    """Hold the header against the voxels' bytes, unpacked a piece at a time.

    ITK passes over the checksum of packed voxels, and asks for memory before it looks.
    """
    check_memory(values * (each + _EACH), str(path), "cut it to what is needed")
    stored = body.path.stat().st_size - body.start
    unpacker = _UNPACKERS.get(body.packing)
    if unpacker is None:
        check_claim(values * (each if body.packing == "raw" else 1), stored, str(path), 1)
        if body.packing == "raw" and stored < values * each:
            raise ValueError("fewer bytes than voxels")
        return
    wanted, there = values * each, 0
    with body.path.open("rb") as file:
        file.seek(body.start)
        for piece in _unpacked(file, unpacker()):
            there += len(piece)
            if there > wanted:
                break
    if there != wanted:
        raise ValueError("another number of bytes than voxels")


def _unpacked(file: BinaryIO, unpacker: Any) -> Iterator[bytes]:
    """Unpack to the end, where the checksum stands, a piece at a time."""
    waiting = file.read(_BLOCK)
    while not unpacker.eof:
        if not waiting and getattr(unpacker, "needs_input", True):
            raise EOFError("the packed voxels end too early")
        yield unpacker.decompress(waiting, _BLOCK)
        waiting = getattr(unpacker, "unconsumed_tail", b"")
        if not waiting and getattr(unpacker, "needs_input", True) and not unpacker.eof:
            waiting = file.read(_BLOCK)
