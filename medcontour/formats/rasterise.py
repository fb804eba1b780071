"""From polygons to voxels: a pixel is inside when its centre is, or by the share covered."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from medcontour.formats.labels import Label, labels
from medcontour.results.masks import Mask, pixel_coverage, pixel_mask
from medcontour.results.model import Suggestion
from medcontour.scan.scan import FileGrid, Scan

__all__ = [
    "Mask",
    "Volume",
    "file_grid",
    "is_sheared",
    "label_coverage",
    "label_masks",
    "label_volume",
]

Volume = npt.NDArray[Any]


def label_masks(suggestion: Suggestion, scan: Scan) -> list[tuple[Label, Volume]]:
    """Each label's voxels, of the kind of contour that is edited (`Suggestion.editable`).

    Returns
    -------
    (label, (slices, rows, columns) bool); labels without any voxel are left out.
    """
    masks = []
    for label in labels(suggestion):
        mask = np.zeros(scan.voxels.shape[:3], dtype=np.bool_)
        for contour in label.contours(suggestion.editable):
            mask[contour.slice] |= pixel_mask(contour.polygon_lps_mm, scan, contour.slice)
        if mask.any():
            masks.append((label, mask))
    return masks


def label_coverage(suggestion: Suggestion, scan: Scan) -> list[tuple[Label, Volume]]:
    """Share of each voxel that each label covers in its slice's plane.

    Returns
    -------
    (label, (slices, rows, columns) float32 in [0, 1]); labels that cover nothing are left out.
    Where two curves of a label meet in a pixel, their shares are added, up to 1.
    """
    covered = []
    for label in labels(suggestion):
        share = np.zeros(scan.voxels.shape[:3])
        for contour in label.contours(suggestion.editable):
            share[contour.slice] += pixel_coverage(contour.polygon_lps_mm, scan, contour.slice)
        # What rounds to nothing in 255 steps would be an empty segment.
        if share.max() > 0.5 / 255:
            covered.append((label, np.minimum(share, 1).astype(np.float32)))
    return covered


def label_volume(suggestion: Suggestion, scan: Scan) -> npt.NDArray[np.uint8]:
    """One volume of label values, 0 where there is none.

    Returns
    -------
    (slices, rows, columns) uint8. Where labels overlap, the later one is seen.
    """
    volume = np.zeros(scan.voxels.shape[:3], dtype=np.uint8)
    for label, mask in label_masks(suggestion, scan):
        volume[mask] = label.value
    return volume


def file_grid(scan: Scan) -> FileGrid:
    """Give the grid that label maps of `scan` are written on.

    It is the file's own. A plain image has none: its grid is (column, row, slice), placed by
    `Scan.affine_lps`, which is the identity in LPS, as SimpleITK places the image itself.
    """
    if scan.grid is not None:
        return scan.grid
    slices, rows, columns = scan.voxels.shape[:3]
    return FileGrid(
        shape=(columns, rows, slices),
        affine_ras=np.diag([-1.0, -1.0, 1.0, 1.0]) @ scan.affine_lps,
        axes=(2, 1, 0),
        flipped=(False, False, False),
    )


def is_sheared(affine: npt.NDArray[np.float64]) -> bool:
    """Whether the axes of an affine are not at right angles (a tilted gantry)."""
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return not np.allclose(directions.T @ directions, np.eye(3), atol=1e-4)
