"""How much of a region lies on marks or outside the body, against the same region anywhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage, signal

from medcontour.shortcuts.body import body_mask
from medcontour.shortcuts.marks import Marks, find_marks

__all__ = ["Share", "ShortcutShares", "filled_in", "share_on", "shortcut_shares"]

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Share:
    """The part of a region that lies on something, and what chance gives.

    Attributes
    ----------
    share
        0 to 1.
    chance
        Its mean over all places in the image that the region can be moved to.
    p_value
        In which part of these places it is at least as large.
    """

    share: float
    chance: float
    p_value: float


@dataclass(frozen=True)
class ShortcutShares:
    """Where a region lies that it should not."""

    marks: Share
    outside_body: Share


def share_on(region: BoolArray, place: BoolArray) -> Share:
    """Measure how much of a region lies on a place; exact, by moving it everywhere at once.

    Parameters
    ----------
    region, place
        (rows, columns); an empty region has a share of 0.

    Examples
    --------
    >>> region, place = np.zeros((2, 10, 10), bool)
    >>> region[2:4, 2:4] = place[:4, :4] = True
    >>> share = share_on(region, place)
    >>> share.share, round(share.p_value, 3)  # 9 of 81 places
    (1.0, 0.111)
    """
    if not region.any():
        return Share(0.0, 0.0, 1.0)
    own = region[ndimage.find_objects(region.astype(np.uint8))[0]]
    inside = signal.fftconvolve(place.astype(float), own[::-1, ::-1].astype(float), mode="valid")
    shares = np.round(inside).clip(0) / own.sum()
    share = float((region & place).sum() / own.sum())
    return Share(share, float(shares.mean()), float((shares >= share - 1e-9).mean()))


def shortcut_shares(
    plane: FloatArray,
    region: BoolArray,
    modality: str = "OT",
    marks: Marks | None = None,
    measured: BoolArray | None = None,
) -> ShortcutShares:
    """Say how much of a contour lies on marks and outside the body.

    Parameters
    ----------
    plane
        (rows, columns), or (rows, columns, 3) in colour.
    region
        (rows, columns) bool: the inside of a contour.
    modality
        As of `find_marks`.
    marks
        Those of the plane, where they are known.
    measured
        As of `body_mask`.

    Examples
    --------
    >>> plane = np.zeros((64, 64), np.float32)
    >>> plane[20:50, 20:50] = 0.4
    >>> plane[10, 2:15] = plane[4:17, 8] = 1.0
    >>> region = np.zeros((64, 64), bool)
    >>> region[3:18, 1:16] = True
    >>> shares = shortcut_shares(plane, region)
    >>> shares.outside_body.share, shares.marks.share > 3 * shares.marks.chance
    (1.0, True)
    """
    marks = marks or find_marks(plane, modality)
    grey = plane if plane.ndim == 2 else plane.mean(-1)
    return ShortcutShares(
        share_on(region, marks.places), share_on(region, ~body_mask(grey, measured))
    )


def filled_in(plane: FloatArray, region: BoolArray) -> FloatArray:
    """Give every pixel of a region the value of the nearest pixel outside it: the grain stays.

    Examples
    --------
    >>> filled_in(np.array([[1.0, 9.0, 9.0, 3.0]]), np.array([[False, True, True, False]]))
    array([[1., 1., 3., 3.]])
    """
    if region.all():
        return plane
    nearest = ndimage.distance_transform_edt(region, return_distances=False, return_indices=True)
    filled: FloatArray = plane[tuple(nearest)]
    return filled
