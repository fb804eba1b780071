"""NIfTI volumes, turned to the radiological display without resampling."""

from __future__ import annotations

import gzip
import math
from pathlib import Path
from typing import BinaryIO, Literal, cast

import nibabel
import numpy as np
import numpy.typing as npt

from medcontour.errors import MedcontourError
from medcontour.scan.claims import DEFLATE, check_claim, check_room
from medcontour.scan.quiet import quietly
from medcontour.scan.scan import Scan
from medcontour.scan.volume import places_voxels, volume_scan

__all__ = ["check_voxels", "placed_affine", "read_nifti", "starts_as_nifti"]

FloatArray = npt.NDArray[np.float64]

# xyzt_units of NIfTI-1 that are not millimetres; 0 (unknown) is taken for them.
_OTHER_UNITS = {1: "metres", 3: "micrometres"}

_EACH = 9
"""Bytes that a value takes beside its own: as float twice, and where it was measured."""

_BEHIND = 2**26
"""Bytes that may follow the voxels."""


def read_nifti(path: Path) -> Scan:
    """Read a NIfTI-1 or NIfTI-2 volume (.nii, .nii.gz) of two or three dimensions.

    The affine is the sform where its code is above 0 and it places voxels, else the qform.
    Slices are cut across the file axis whose spacing is clearly the largest (1.2 times the mean
    of the two others), else across the axis nearest to feet-head; they are shown as a radiologist
    expects: axial with columns to the patient's left and rows to the back, coronal with columns
    to the left and rows to the feet, sagittal with columns to the back and rows to the feet;
    slices ascend to the head, the back, the left. `Scan.grid` leads back to the file's axes.

    Values are the file's after scl_slope and scl_inter. What is not-a-number from the border of a
    slice inwards, and what programs fill a scan with, is left out of `Scan.measured`.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    MedcontourError
        When the file is damaged, has several volumes, values that are not finite or are all
        equal, or an affine that places no voxels.
    """
    try:
        with quietly():
            image, data = _load(path)
            shape = data.shape[:3]
            affine_ras, notes = placed_affine(image, shape, path)
    except MedcontourError:
        raise
    except Exception as error:  # nibabel, gzip and zlib raise anything at damaged files.
        raise MedcontourError(
            f"{path} cannot be read as NIfTI: it is damaged, truncated or another kind of file; "
            "copy or export it again."
        ) from error
    return volume_scan(data, affine_ras, path, notes)


def starts_as_nifti(start: bytes) -> bool:
    """Whether bytes (540 or more) are how an unpacked NIfTI-1 or NIfTI-2 file starts."""
    return start[344:348] == b"n+1\0" or start[4:8] == b"n+2\0"


def _load(path: Path) -> tuple[nibabel.Nifti1Image, npt.NDArray[np.float32]]:
    """Load the header and the values, (i, j, k) or (i, j, k, 3) for colour, float32."""
    with _opened(path) as stream:
        start = stream.read(540)
        stream.seek(0)
        kinds = (nibabel.Nifti1Image, nibabel.Nifti2Image)
        kind = next(kind for kind in kinds if kind.header_class.may_contain_header(start))
        image = kind.from_stream(stream)
        shape = tuple(int(length) for length in image.shape)
        check_voxels(image, path)
        colour = image.get_data_dtype().names
        if _is_volume(shape) and image.get_data_dtype().kind != "c":
            if colour:
                raw = np.asanyarray(image.dataobj)
                data = np.stack([raw[name] for name in colour[:3]], -1).astype(np.float32)
            else:
                data = image.get_fdata(dtype=np.float32, caching="unchanged")
            _to_the_end(stream, path)
            spatial = (*shape, 1, 1)[:3]
            return image, data.reshape((*spatial, 3) if colour else spatial)
    if image.get_data_dtype().kind == "c":
        raise MedcontourError(f"{path} holds complex numbers; save their magnitude first.")
    if len(shape) < 2:
        raise MedcontourError(f"{path} has {len(shape)} dimension and is no image.")
    raise MedcontourError(
        f"{path} holds several volumes (its shape is {' x '.join(map(str, shape))}); save the one "
        "to be read in a file of its own, for example with nibabel.four_to_three or fslsplit."
    )


def _to_the_end(stream: BinaryIO, path: Path) -> None:
    """Read on to the end, where gzip's checksum stands, of a file that ends."""
    behind = 0
    while piece := stream.read(2**20):
        behind += len(piece)
        if behind > _BEHIND:
            raise MedcontourError(
                f"{path} holds more than its header says, or unpacks to no end: it is damaged; "
                "copy or export it again."
            )


def check_voxels(image: nibabel.Nifti1Image, path: Path) -> None:
    """Refuse a header that claims more voxels than its file, or memory, can hold.

    Raises
    ------
    MedcontourError
        With how many bytes are wanted and there.
    """
    values, each = math.prod(int(n) for n in image.shape), image.get_data_dtype().itemsize
    ahead = max(0, int(image.dataobj.offset))
    most = DEFLATE if _is_packed(path) else 1
    check_claim(values * each + ahead, path.stat().st_size, str(path), most)
    check_room(values + ahead, each + _EACH, str(path))


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _opened(path: Path) -> BinaryIO:
    """Open a file for reading, unpacked where it starts as gzip does."""
    return cast(BinaryIO, gzip.open(path) if _is_packed(path) else path.open("rb"))


def _is_volume(shape: tuple[int, ...]) -> bool:
    return len(shape) >= 2 and all(length == 1 for length in shape[3:])


def placed_affine(
    image: nibabel.Nifti1Image, shape: tuple[int, ...], path: Path
) -> tuple[FloatArray, tuple[str, ...]]:
    """Find the file's index to RAS mm, and what is to be said of it.

    The sform before the qform, where it has a code and places voxels; a single slice without a
    third axis gets its normal.

    Raises
    ------
    MedcontourError
        When the file is not measured in millimetres.
    """
    unit = _OTHER_UNITS.get(int(image.header["xyzt_units"]) & 7)
    if unit:
        raise MedcontourError(
            f"{path} is measured in {unit}, not millimetres; write a copy in millimetres first."
        )
    sform, qform = (_form(image, name, shape) for name in ("sform", "qform"))
    if sform is None and qform is None:
        return _whole(np.array(image.affine, dtype=np.float64), shape), (
            "The file has neither sform nor qform: where its axes lie in the patient is a guess "
            "(its first axis is taken to run to the left).",
        )
    if sform is None or qform is None:
        only = qform if sform is None else sform
        return np.array(only), ()
    if places_voxels(sform) != places_voxels(qform):
        good, bad = ("sform", "qform") if places_voxels(sform) else ("qform", "sform")
        return sform if good == "sform" else qform, (
            f"The file's {bad} places no voxels (an axis has no length or direction); the {good} "
            "is used.",
        )
    return sform, _apart(sform, qform, shape)


def _form(
    image: nibabel.Nifti1Image, name: Literal["sform", "qform"], shape: tuple[int, ...]
) -> FloatArray | None:
    """Read an affine that has a code, all zeros where it is damaged; None without a code."""
    if not int(image.header[f"{name}_code"]):
        return None
    try:
        form = getattr(image.header, f"get_{name}")()
    except Exception:  # nibabel raises several kinds at numbers that are no rotation
        return np.zeros((4, 4))
    return _whole(np.array(form, dtype=np.float64), shape)


def _whole(affine: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Give a single slice without a third axis its normal."""
    if shape[2] == 1 and not affine[:3, 2].any():
        normal = np.cross(affine[:3, 0], affine[:3, 1])
        affine[:3, 2] = normal / (np.linalg.norm(normal) or 1.0)
    return affine


def _apart(sform: FloatArray, qform: FloatArray, shape: tuple[int, ...]) -> tuple[str, ...]:
    corners = np.array(np.meshgrid(*[(0, length - 1) for length in shape])).reshape(3, -1)
    apart = (sform - qform)[:3] @ np.vstack([corners, np.ones(corners.shape[1])])
    furthest = float(np.linalg.norm(apart, axis=0).max())
    if furthest <= 0.1:
        return ()
    return (
        f"The file's sform and qform place a corner {furthest:.3g} mm apart; the sform is used.",
    )
