"""What a checked scan's mask says of suggested findings: whether a reader would keep them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import ndimage

from medcontour.formats.reader import read_edited
from medcontour.results import Finding, Suggestion
from medcontour.results.masks import Mask, pixel_mask
from medcontour.scan import Scan

__all__ = ["KEPT_DICE", "kept", "truth_of"]

EVIDENCE = " evidence"
"""How names of structures end that hold evidence contours."""

KEPT_DICE = 0.5
"""Above this Dice an outline is counted as kept by a reader; its center has to be inside, too."""


def truth_of(path: Path, scan: Scan) -> Mask:
    """Read a mask, or a reader's edit, of any format that edits are read in.

    Evidence that an edited file holds beside its outlines counts for nothing.

    Returns
    -------
    (slices, rows, columns) bool, in the index system of the scan: what is not 0, or is drawn.

    Raises
    ------
    MedcontourError
        As `read_edited`.
    """
    mask = np.zeros((scan.slices, scan.rows, scan.columns), dtype=np.bool_)
    for shape in read_edited(path, scan).shapes:
        if shape.kind == "evidence" or shape.name.endswith(EVIDENCE):
            continue
        if shape.polygon_lps_mm is not None:
            mask[shape.slice] |= pixel_mask(shape.polygon_lps_mm, scan, shape.slice)
        elif shape.values is not None:
            mask[shape.slice] |= shape.values >= 0.5
    return mask


def kept(finding: Finding, suggestion: Suggestion, scan: Scan, truth: Mask) -> bool:
    """Whether a reader would keep a finding's outline, rather than draw it anew or remove it.

    Its center lies in the truth, and its Dice with those objects of the truth (pieces that hang
    together) that it touches is above `KEPT_DICE`, over all slices. Without an outline it is not
    kept.
    """
    own = finding.mask(scan, suggestion.editable)
    if not own.any():
        return False
    center = tuple(np.rint(np.argwhere(own).mean(0)).astype(int))
    if not truth[center]:
        return False
    objects, _ = ndimage.label(truth, np.ones((3, 3, 3)))
    touched = np.isin(objects, np.setdiff1d(objects[own], 0))
    return bool(2 * (own & touched).sum() > KEPT_DICE * (own.sum() + touched.sum()))
