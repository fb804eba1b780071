"""Volumes of files that hold one array and one affine, turned to the radiological display."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import numpy.typing as npt

from medcontour.errors import MedcontourError
from medcontour.scan.measured import measured_voxels
from medcontour.scan.scan import FileGrid, Scan
from medcontour.scan.values import grey_where_equal, spread_window

__all__ = ["places_voxels", "volume_scan"]

FloatArray = npt.NDArray[np.float64]

_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])

# For slices across the patient's (0: left-right, 1: back-front, 2: feet-head) axis, the patient
# axes of (slice, row, column) and the sign, in RAS, of the way in which each of them ascends.
_DISPLAY = {
    2: ((2, 1, 0), (1, -1, -1)),  # axial: slices to S, rows to P, columns to L
    1: ((1, 2, 0), (-1, -1, -1)),  # coronal: slices to P, rows to I, columns to L
    0: ((0, 2, 1), (-1, -1, -1)),  # sagittal: slices to L, rows to I, columns to P
}


def volume_scan(
    data: npt.NDArray[np.float32], affine_ras: FloatArray, path: Path, notes: tuple[str, ...]
) -> Scan:
    """Make a scan of a file's voxels, without resampling.

    Parameters
    ----------
    data
        (i, j, k), or (i, j, k, 3) for colour, on the file's axes.
    affine_ras
        (4, 4) index (i, j, k) to RAS mm.
    path
        The file, for messages and for `Scan.source`.
    notes
        What its reader has to say.

    Raises
    ------
    MedcontourError
        When values are not finite or all equal, or when the affine is sheared within a slice or
        places no voxels.
    """
    if not places_voxels(affine_ras):
        raise MedcontourError(
            f"{path} has an affine that places no voxels (an axis has no length or direction); "
            "mend its affine (NIfTI: sform and qform) first."
        )
    shape = data.shape[:3]
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


def places_voxels(affine: FloatArray) -> bool:
    """Whether each axis has a length and a direction of its own."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or not (spacing > 0).all():
        return False
    return bool(abs(np.linalg.det(affine[:3, :3] / spacing)) >= 1e-3)


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
