"""Where in a plane there is anything at all: the body, or the image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

__all__ = ["body_mask"]


@dataclass(frozen=True)
class BodyConstants:
    """What is body. Chosen by hand.

    Attributes
    ----------
    dark
        Values up to this share of the range (0.5th to 99.5th percentile) may be surround.
    least_body
        Share of the image: where less would be body, the rule does not suit the image.
    least_piece
        Share of the largest piece's area from which a piece belongs to the body.
    """

    dark: float = 0.08
    least_body: float = 0.05
    least_piece: float = 0.1


BODY = BodyConstants()


def body_mask(
    plane: npt.NDArray[np.float32], measured: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[np.bool_]:
    """Tell the body from the empty surround of a slice.

    The surround is what is dark and connected to the image's border; what it encloses (lungs,
    a cyst) belongs to the body. Small pieces beside the largest (a burnt-in marker, the table, a
    cable) do not.

    Parameters
    ----------
    plane
        (rows, columns).
    measured
        (rows, columns) bool: what is no measurement is no body; by default all is one.

    Returns
    -------
    numpy.ndarray
        (rows, columns) bool; where less than a twentieth of the image would be body, all that is
        measured.

    Examples
    --------
    >>> plane = np.zeros((8, 8), np.float32)
    >>> plane[2:6, 2:6] = 100.0
    >>> plane[4, 4] = 0.0
    >>> int(body_mask(plane).sum())
    16
    """
    if measured is None or not measured.any():
        measured = np.ones(plane.shape, dtype=bool)
    low, high = np.percentile(plane[measured], (0.5, 99.5))
    dark = (plane <= low + BODY.dark * (high - low)) | ~measured
    regions, _ = ndimage.label(dark)
    border = np.unique(np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]]))
    pieces, _ = ndimage.label(~np.isin(regions, border[border > 0]) & measured)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    body: npt.NDArray[np.bool_] = (sizes >= max(1, BODY.least_piece * sizes.max()))[pieces]
    return body if body.mean() >= BODY.least_body else measured
