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
    "Planes",
    "Volume",
    "file_grid",
    "is_sheared",
    "label_coverage",
    "label_masks",
    "label_type",
    "label_volume",
]

Volume = npt.NDArray[Any]
Planes = dict[int, npt.NDArray[Any]]
"""(rows, columns) arrays by slice."""


def label_masks(suggestion: Suggestion, scan: Scan) -> list[tuple[Label, Planes]]:
    """Each structure's pixels, of the kind of contour that is edited (`Suggestion.editable`).

    Returns
    -------
    (label, its (rows, columns) bool masks by slice); slices and labels without a pixel are left
    out.
    """
    masks = []
    for label in labels(suggestion):
        planes: Planes = {}
        for contour in label.contours(suggestion.editable):
            mask = pixel_mask(contour.polygon_lps_mm, scan, contour.slice)
            if mask.any():
                planes[contour.slice] = planes.get(contour.slice, False) | mask
        if planes:
            masks.append((label, planes))
    return masks


def label_coverage(suggestion: Suggestion, scan: Scan) -> list[tuple[Label, Planes]]:
    """Share of each pixel that each structure covers in its slice's plane.

    Returns
    -------
    (label, its (rows, columns) float32 shares in [0, 1] by slice); what covers nothing is left
    out. Where two curves of a label meet in a pixel, their shares are added, up to 1.
    """
    covered = []
    for label in labels(suggestion):
        shares: Planes = {}
        for contour in label.contours(suggestion.editable):
            share = pixel_coverage(contour.polygon_lps_mm, scan, contour.slice)
            shares[contour.slice] = shares.get(contour.slice, 0.0) + share
        # What rounds to nothing in 255 steps would be an empty segment.
        if any(share.max() > 0.5 / 255 for share in shares.values()):
            covered.append(
                (label, {k: np.minimum(s, 1).astype(np.float32) for k, s in shares.items()})
            )
    return covered


def label_volume(suggestion: Suggestion, scan: Scan) -> Volume:
    """One volume of label values, 0 where there is none.

    Returns
    -------
    (slices, rows, columns) uint8, or uint16 for more than 255 values. Where labels overlap, the
    later one is seen.
    """
    masks = label_masks(suggestion, scan)
    volume = np.zeros(scan.voxels.shape[:3], dtype=label_type(masks))
    for label, planes in masks:
        for k, mask in planes.items():
            volume[k][mask] = label.value
    return volume


def label_type(masks: list[tuple[Label, Planes]]) -> type[np.uint8] | type[np.uint16]:
    """The smallest type that holds all values."""
    return np.uint16 if any(label.value > 255 for label, _ in masks) else np.uint8


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
