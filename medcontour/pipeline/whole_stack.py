"""A whole stack as a classifier of volumes takes it: one input."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from medcontour.classifier import VolumeClassifier
from medcontour.contour import VolumeGeometry
from medcontour.errors import MedcontourError
from medcontour.pipeline.planes import InputBatch
from medcontour.scan import Scan
from medcontour.shortcuts import body_mask

__all__ = ["body_places", "stack_batch", "volume_geometry"]

_PLACES = 100_000
"""Of the body's voxels, as many at most are places that a surface is put at."""

_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def volume_geometry(scan: Scan) -> VolumeGeometry:
    """Geometry of the scan's stack."""
    spacing = (scan.slice_spacing, *scan.pixel_spacing)
    return VolumeGeometry(scan.slices, scan.rows, scan.columns, spacing)


def stack_batch(scan: Scan, classifier: VolumeClassifier) -> InputBatch:
    """Prepare the whole stack: a batch of one input, (1, channels, depth, height, width).

    The preprocessing gets the voxels on the axes of the file with the file's affine, as MONAI's
    ``LoadImage`` gives them.

    Raises
    ------
    MedcontourError
        For one image, slices without a place, a colour scan or uneven slices, and as
        `medcontour.classifier.VolumeNetwork.prepare_volume`: among it, that memory does not hold
        the search.
    """
    grid = scan.grid
    what = f"{classifier.name} takes volumes"
    if scan.slices < 2:
        raise MedcontourError(f"{what}, and the scan is one image; give a stack of slices.")
    if grid is None:
        raise MedcontourError(
            f"{what}, and the scan says no place in the patient; give DICOM, NIfTI, NRRD or "
            "MetaImage."
        )
    if scan.voxels.ndim != 3:
        raise MedcontourError(
            f"{what} of one value a voxel, and the scan has colour; give a grey one."
        )
    if not scan.regular:
        raise MedcontourError(
            f"{what}, and the slices are not evenly spaced; resample them evenly first, or give a "
            "classifier of planes."
        )
    voxels = np.asarray(grid.from_scan(scan.voxels), dtype=np.float32)
    prepared = classifier.prepare_volume(voxels, grid.affine_ras)
    index_from_file = np.linalg.inv(scan.affine_lps) @ _RAS_TO_LPS @ grid.affine_ras
    index_from_input = index_from_file @ prepared.index_from_input
    index = _index(index_from_input, tuple(prepared.tensor.shape[1:]))
    return InputBatch(
        slices=tuple(range(scan.slices)),
        inputs=prepared.tensor[None],
        index_from_input=index_from_input,
        points=volume_geometry(scan).from_index(index),
        most=1,  # so that a surface does not depend on the memory there is
        measured=_measured(scan, index),
    )


def _index(index_from_input: npt.NDArray[np.float64], extent: tuple[int, ...]) -> Tensor:
    """(D, H, W, 3) float32: index (column, row, slice) of the scan of each voxel of the input."""
    index = torch.from_numpy(index_from_input[:3, 3]).float().expand(*extent, 3)
    for axis, count in enumerate(extent):
        steps = np.arange(count)[:, None] * index_from_input[:3, axis]
        shape = [count if axis == other else 1 for other in range(3)]
        index = index + torch.from_numpy(steps).float().view(*shape, 3)
    return index


def _measured(scan: Scan, index: Tensor) -> Tensor | None:
    """(1, 1, D, H, W) bool: the input's voxels that were measured; None where all were."""
    if scan.measured is None:
        return None
    column, row, k = index.round().long().unbind(-1)
    counts = zip((column, row, k), (scan.columns, scan.rows, scan.slices), strict=True)
    inside = torch.stack([(own >= 0) & (own < count) for own, count in counts]).all(0)
    # Beyond the stack is the preprocessing's own padding, which the network is to see.
    known = torch.from_numpy(scan.measured)[k * inside, row * inside, column * inside]
    return (~inside | known)[None, None]


def body_places(scan: Scan, bounds: tuple[Tensor, Tensor]) -> Tensor:
    """(M, 3) volume coordinates of voxels of the body that the network has in sight.

    Parameters
    ----------
    scan
        The scan.
    bounds
        Lowest and highest volume coordinates in sight.
    """
    masks = [body_mask(scan.grey(k), scan.measured_in(k)) for k in range(scan.slices)]
    index = np.argwhere(np.stack(masks))[:, ::-1]
    places = volume_geometry(scan).from_index(torch.from_numpy(index.copy()).float())
    low, high = (bound.cpu() for bound in bounds)
    seen = places[((places >= low) & (places <= high)).all(-1)]
    if not len(seen):
        seen = places
    return seen[:: max(1, len(seen) // _PLACES)]
