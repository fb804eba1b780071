"""NIfTI volumes, turned to the radiological display without resampling."""

from __future__ import annotations

import gzip
import math
from pathlib import Path
from typing import BinaryIO, cast

import nibabel
import numpy as np
import numpy.typing as npt

from medcontour.errors import MedcontourError
from medcontour.scan.claims import DEFLATE, check_claim
from medcontour.scan.measured import measured_voxels
from medcontour.scan.quiet import quietly
from medcontour.scan.scan import FileGrid, Scan
from medcontour.scan.values import grey_where_equal, spread_window

__all__ = ["check_voxels", "read_nifti"]

FloatArray = npt.NDArray[np.float64]

_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])

# xyzt_units of NIfTI-1 that are not millimetres; 0 (unknown) is taken for them.
_OTHER_UNITS = {1: "metres", 3: "micrometres"}

# For slices across the patient's (0: left-right, 1: back-front, 2: feet-head) axis, the patient
# axes of (slice, row, column) and the sign, in RAS, of the way in which each of them ascends.
_DISPLAY = {
    2: ((2, 1, 0), (1, -1, -1)),  # axial: slices to S, rows to P, columns to L
    1: ((1, 2, 0), (-1, -1, -1)),  # coronal: slices to P, rows to I, columns to L
    0: ((0, 2, 1), (-1, -1, -1)),  # sagittal: slices to L, rows to I, columns to P
}


def read_nifti(path: Path) -> Scan:
    """Read a NIfTI-1 or NIfTI-2 volume (.nii, .nii.gz) of two or three dimensions.

    The affine is the sform where its code is above 0, else the qform, as nibabel takes it.
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
            affine_ras = _affine_ras(image, shape, path)
            notes = _notes(image, shape)
    except MedcontourError:
        raise
    except Exception as error:  # nibabel, gzip and zlib raise anything at damaged files.
        raise MedcontourError(
            f"{path} cannot be read as NIfTI: it is damaged, truncated or another kind of file; "
            "copy or export it again."
        ) from error
    grid = FileGrid(shape, affine_ras, *_display_axes(affine_ras, shape))
    colour = [data[..., channel] for channel in range(3)] if data.ndim == 4 else [data]
    turned = [np.ascontiguousarray(grid.to_scan(channel)) for channel in colour]
    voxels = turned[0] if len(turned) == 1 else grey_where_equal(np.stack(turned, -1))
    voxels, measured, fillings = measured_voxels(voxels, str(path))
    affine_lps = _affine_lps(grid)
    columns, rows = affine_lps[:3, 0], affine_lps[:3, 1]
    if abs(columns @ rows) > 1e-3 * np.linalg.norm(columns) * np.linalg.norm(rows):
        raise MedcontourError(
            f"{path} has a sheared affine: the rows and columns of a slice are not at right "
            "angles; resample it to a rectangular grid first, for example with "
            "nibabel.processing.resample_to_output."
        )
    origins = affine_lps[:3, 3] + np.arange(len(voxels))[:, None] * affine_lps[:3, 2]
    return Scan(
        voxels=voxels,
        affine_lps=affine_lps,
        slice_origins_lps=origins,
        units="mm",
        modality="OT",
        source=str(path.resolve()),
        window=spread_window(voxels, measured),
        grid=grid,
        measured=measured,
        notes=notes + fillings,
    )


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
            while stream.read(2**20):  # to the end, where gzip's checksum stands
                pass
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


def check_voxels(image: nibabel.Nifti1Image, path: Path) -> None:
    """Refuse a header that claims more voxels than its file can hold, before they are read.

    Raises
    ------
    MedcontourError
        With how many bytes are wanted and there.
    """
    wanted = math.prod(int(n) for n in image.shape) * image.get_data_dtype().itemsize
    check_claim(wanted, path.stat().st_size, str(path), DEFLATE if _is_packed(path) else 1)


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _opened(path: Path) -> BinaryIO:
    """Open a file for reading, unpacked where it starts as gzip does."""
    return cast(BinaryIO, gzip.open(path) if _is_packed(path) else path.open("rb"))


def _is_volume(shape: tuple[int, ...]) -> bool:
    return len(shape) >= 2 and all(length == 1 for length in shape[3:])


def _affine_ras(image: nibabel.Nifti1Image, shape: tuple[int, ...], path: Path) -> FloatArray:
    """Find the file's index to RAS mm; a single slice without a third axis gets its normal."""
    unit = _OTHER_UNITS.get(int(image.header["xyzt_units"]) & 7)
    if unit:
        raise MedcontourError(
            f"{path} is measured in {unit}, not millimetres; write a copy in millimetres first."
        )
    affine = np.array(image.affine, dtype=np.float64)
    if shape[2] == 1 and not affine[:3, 2].any():
        normal = np.cross(affine[:3, 0], affine[:3, 1])
        affine[:3, 2] = normal / (np.linalg.norm(normal) or 1.0)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    known = bool(np.isfinite(affine).all() and (spacing > 0).all())
    if not known or abs(np.linalg.det(affine[:3, :3] / spacing)) < 1e-3:
        raise MedcontourError(
            f"{path} has an affine that places no voxels (an axis has no length or direction); "
            "mend its sform and qform first."
        )
    return affine


def _display_axes(
    affine_ras: FloatArray, shape: tuple[int, ...]
) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
    """`FileGrid.axes` and `FileGrid.flipped` for the display of a radiologist."""
    orientation = nibabel.io_orientation(affine_ras)
    patient_axis = [int(axis) for axis in orientation[:, 0]]
    spacing = np.linalg.norm(affine_ras[:3, :3], axis=0)
    longest = int(np.argmax(spacing))
    thin = [axis for axis in range(3) if shape[axis] == 1]
    if len(thin) == 1:
        across = thin[0]
    elif spacing[longest] > 1.2 * np.delete(spacing, longest).mean():
        across = longest
    else:
        across = patient_axis.index(2)
    wanted, signs = _DISPLAY[patient_axis[across]]
    first, second, third = (patient_axis.index(axis) for axis in wanted)
    flips = [
        bool(orientation[axis, 1] != sign)
        for axis, sign in zip((first, second, third), signs, strict=True)
    ]
    return (first, second, third), (flips[0], flips[1], flips[2])


def _affine_lps(grid: FileGrid) -> FloatArray:
    """Index (column, row, slice) of the scan to LPS mm, from the file's affine."""
    to_file = np.zeros((4, 4))
    to_file[3, 3] = 1.0
    for scan_axis, (axis, flip) in enumerate(zip(grid.axes, grid.flipped, strict=True)):
        to_file[axis, 2 - scan_axis] = -1.0 if flip else 1.0
        to_file[axis, 3] = grid.shape[axis] - 1 if flip else 0.0
    return np.asarray(_RAS_TO_LPS @ grid.affine_ras @ to_file)


def _notes(image: nibabel.Nifti1Image, shape: tuple[int, ...]) -> tuple[str, ...]:
    sform, sform_code = image.get_sform(coded=True)
    qform, qform_code = image.get_qform(coded=True)
    if not sform_code and not qform_code:
        return (
            "The file has neither sform nor qform: where its axes lie in the patient is a guess "
            "(its first axis is taken to run to the left).",
        )
    if sform_code and qform_code:
        corners = np.array(np.meshgrid(*[(0, length - 1) for length in shape])).reshape(3, -1)
        apart = (sform - qform)[:3] @ np.vstack([corners, np.ones(corners.shape[1])])
        furthest = float(np.linalg.norm(apart, axis=0).max())
        if furthest > 0.1:
            return (
                f"The file's sform and qform place a corner {furthest:.3g} mm apart; the sform is "
                "used.",
            )
    return ()
