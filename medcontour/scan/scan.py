"""What a scan is to the rest of the package: voxels with their exact place in the patient."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from medcontour.scan.patient import patient_words

__all__ = ["FileGrid", "Scan"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FileGrid:
    """The voxel grid of the file a volume came from, in NIfTI's terms.

    Attributes
    ----------
    shape
        Voxels along the file's own axes (i, j, k).
    affine_ras
        (4, 4) float64, index (i, j, k) to RAS mm, as stored in the file, to the bit.
    axes
        For each axis of `Scan.voxels` (slice, row, column): the file axis it runs along.
    flipped
        For each axis of `Scan.voxels`: whether it runs against that file axis.
    """

    shape: tuple[int, int, int]
    affine_ras: FloatArray
    axes: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]

    def from_scan(self, volume: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """Bring an array on `Scan.voxels`' axes (slice, row, column) onto the file's axes.

        An exact permutation and flip; nothing is resampled.
        """
        for axis, flip in enumerate(self.flipped):
            if flip:
                volume = np.flip(volume, axis)
        return np.transpose(volume, [self.axes.index(axis) for axis in range(3)])

    def to_scan(self, volume: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """Bring an array on the file's axes (i, j, k) onto (slice, row, column)."""
        volume = np.transpose(volume, self.axes)
        for axis, flip in enumerate(self.flipped):
            if flip:
                volume = np.flip(volume, axis)
        return volume


@dataclass(frozen=True, repr=False)
class Scan:
    """A scan as slices in patient space.

    Pixel indices name pixel *centres*: ``(0, 0)`` is the centre of the first pixel. Patient
    coordinates are LPS millimetres (DICOM PS3.3 C.7.6.2.1.1).

    Attributes
    ----------
    voxels
        float32, (slices, rows, columns), or (slices, rows, columns, 3) for colour. Values are
        the modality's own (Hounsfield units for CT, after RescaleSlope and RescaleIntercept).
    affine_lps
        (4, 4) float64, index (column, row, slice) to LPS mm. Where the slices are not evenly
        spaced (`regular` is False) it holds for the first slice only: use `slice_affine_lps`.
    slice_origins_lps
        (slices, 3) float64: the centre of each slice's first pixel (ImagePositionPatient).
    units
        ``"mm"``, or ``"pixel"`` for an image without physical size (PNG, JPEG), whose
        ``affine_lps`` is then the identity.
    modality
        DICOM's defined term (``"CT"``, ``"MR"``, ``"US"``, ...), ``"OT"`` where unknown.
    grid
        The file's own grid for label maps; None for a plain image.
    regular
        Whether the slices are evenly spaced, so that `affine_lps` holds for all of them.
    sop_instance_uids
        Per slice, empty where the source is no DICOM.
    datasets
        Per slice the DICOM header without pixel data, sorted as the slices; empty otherwise.
        The only place that holds patient data; never printed.
    slice_axes_lps
        (slices, 3, 2) float64: per slice the steps along a row and along a column, only where
        they are not the same to the last bit in all slices (rounding by a scanner); None means
        those of `affine_lps`.
    frame_numbers
        Per slice the number (from 1) of its frame in a multi-frame DICOM object, which is what
        ReferencedFrameNumber (0008,1160) asks for; `sop_instance_uids` and `datasets` then
        repeat that one object. Empty otherwise.
    window
        (lower, upper) values for display.
    measured
        (slices, rows, columns) bool: where the scanner measured; None where it did everywhere.
        Elsewhere (padding, a filling, not-a-number at the border) `voxels` has the lowest measured
        value, so that a network gets a number; statistics, windows, outlines, baselines and random
        places leave it out.
    notes
        Plain sentences that a reader of the result should know (two affines that disagree, an
        inverted greyscale, uneven slices). They hold no patient data.
    """

    voxels: npt.NDArray[np.float32] = field(repr=False)
    affine_lps: FloatArray
    slice_origins_lps: FloatArray = field(repr=False)
    units: Literal["mm", "pixel"]
    modality: str
    source: str = field(repr=False)
    window: tuple[float, float]
    grid: FileGrid | None = None
    regular: bool = True
    study_instance_uid: str | None = None
    series_instance_uid: str | None = None
    frame_of_reference_uid: str | None = None
    sop_instance_uids: tuple[str, ...] = field(default=(), repr=False)
    datasets: tuple[Dataset, ...] = field(default=(), repr=False)
    slice_axes_lps: FloatArray | None = field(default=None, repr=False)
    frame_numbers: tuple[int, ...] = field(default=(), repr=False)
    measured: npt.NDArray[np.bool_] | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Say in one line what it is; nothing of the patient."""
        row, column = self.pixel_spacing
        return (
            f"<Scan: {self.modality}, {self.columns} x {self.rows} x {self.slices}, "
            f"{column:.3g} x {row:.3g} {self.units}>"
        )

    @property
    def patient_words(self) -> frozenset[str]:
        """Names, numbers and dates of the patient, which only DICOM objects may repeat."""
        return patient_words(self.datasets)

    @property
    def slices(self) -> int:
        """The number of slices."""
        return int(self.voxels.shape[0])

    @property
    def rows(self) -> int:
        """The number of rows of a slice."""
        return int(self.voxels.shape[1])

    @property
    def columns(self) -> int:
        """The number of columns of a slice."""
        return int(self.voxels.shape[2])

    @property
    def pixel_spacing(self) -> tuple[float, float]:
        """Millimetres between rows, then between columns (DICOM PixelSpacing, 0028,0030)."""
        column, row = (float(np.linalg.norm(self.affine_lps[:3, axis])) for axis in (0, 1))
        return row, column

    @property
    def slice_spacing(self) -> float:
        """Millimetres between the centres of neighbouring slices, along `affine_lps`."""
        return float(np.linalg.norm(self.affine_lps[:3, 2]))

    @property
    def slice_normals_lps(self) -> FloatArray:
        """(slices, 3): the unit normal of each slice's plane."""
        if self.slice_axes_lps is None:
            axes = np.broadcast_to(self.affine_lps[:3, :2], (self.slices, 3, 2))
        else:
            axes = self.slice_axes_lps
        normals = np.cross(axes[:, :, 0], axes[:, :, 1])
        return np.asarray(normals / np.linalg.norm(normals, axis=1, keepdims=True))

    @property
    def slice_heights_mm(self) -> FloatArray:
        """(slices,): each slice's place in mm along the normal of the first one."""
        return np.asarray(self.slice_origins_lps @ self.slice_normals_lps[0])

    def sop_instance_uid(self, k: int) -> str | None:
        """The image that slice `k` is; None where the source is no DICOM."""
        return self.sop_instance_uids[k] if self.sop_instance_uids else None

    def grey(self, k: int) -> npt.NDArray[np.float32]:
        """(rows, columns) of slice `k`, colours averaged."""
        plane: npt.NDArray[np.float32] = self.voxels[k]
        if plane.ndim == 2:
            return plane
        grey: npt.NDArray[np.float32] = plane.mean(-1)
        return grey

    def measured_in(self, k: int) -> npt.NDArray[np.bool_]:
        """(rows, columns) bool: where slice `k` was measured."""
        if self.measured is None:
            return np.ones((self.rows, self.columns), dtype=bool)
        return np.asarray(self.measured[k])

    def slice_affine_lps(self, k: int) -> FloatArray:
        """(4, 4): index (column, row, 0) of slice `k` to LPS mm, from that slice's own place."""
        affine = self.affine_lps.copy()
        if self.slice_axes_lps is not None:
            affine[:3, :2] = self.slice_axes_lps[k]
        affine[:3, 3] = self.slice_origins_lps[k]
        return affine

    def to_lps(self, points: npt.ArrayLike, k: int) -> FloatArray:
        """Index points (n, 2) as (column, row) of slice `k` to (n, 3) LPS mm, in float64.

        DICOM PS3.3 equation C.7.6.2.1-1.

        Examples
        --------
        >>> import numpy as np
        >>> affine = np.diag([0.5, 2.0, 3.0, 1.0])
        >>> scan = Scan(np.zeros((1, 4, 4), np.float32), affine, np.array([[1.0, 2.0, 3.0]]),
        ...             "mm", "CT", "memory", (0.0, 1.0))
        >>> scan.to_lps([[2, 1]], 0).tolist()
        [[2.0, 4.0, 3.0]]
        """
        index = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        affine = self.slice_affine_lps(k)
        return np.asarray(index @ affine[:3, :2].T + affine[:3, 3])

    def to_index(self, points_lps: npt.ArrayLike, k: int) -> FloatArray:
        """LPS mm (n, 3) in the plane of slice `k` to index points (n, 2) as (column, row)."""
        affine = self.slice_affine_lps(k)
        offsets = np.asarray(points_lps, dtype=np.float64).reshape(-1, 3) - affine[:3, 3]
        solution, *_ = np.linalg.lstsq(affine[:3, :2], offsets.T, rcond=None)
        return np.asarray(solution.T)
