"""Pixel values: what every reader expects of them, and how they are shown."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from medcontour.errors import MedcontourError

__all__ = ["check_values", "grey_values", "grey_where_equal", "spread_window"]

FloatVoxels = npt.NDArray[np.float32]

_NOT_SEEN = 104  # grey for pixels that the classifier does not see

# Enough for two percentiles; a chest CT has a hundred times as many voxels.
_SAMPLE = 1_000_000


def check_values(voxels: FloatVoxels, name: str) -> None:
    """Refuse values in which no contour can be found.

    Parameters
    ----------
    voxels
        The scan's values, any shape.
    name
        What to call the scan in the message.

    Raises
    ------
    MedcontourError
        When there are no values, when any is NaN or infinite, or when all are equal.
    """
    if voxels.size == 0:
        raise MedcontourError(f"{name} holds no pixels (a side of length 0); export it again.")
    lowest, highest = float(voxels.min()), float(voxels.max())
    if not np.isfinite(lowest) or not np.isfinite(highest):
        count = int(voxels.size - np.count_nonzero(np.isfinite(voxels)))
        raise MedcontourError(
            f"{name} holds {count} values that are not numbers (NaN or infinite) of "
            f"{voxels.size}; write a copy without them, for example with numpy.nan_to_num."
        )
    if lowest == highest:
        raise MedcontourError(
            f"{name} has the same value everywhere ({lowest:g}); check that the right file was "
            "exported."
        )


def grey_where_equal(voxels: FloatVoxels) -> FloatVoxels:
    """Colour (..., 3) whose three channels are equal as grey (...); all else as it is."""
    if voxels.ndim == 4 and np.array_equal(voxels[..., 0], voxels[..., 1]):  # noqa: SIM102
        if np.array_equal(voxels[..., 0], voxels[..., 2]):
            return np.ascontiguousarray(voxels[..., 0])
    return voxels


def spread_window(
    voxels: FloatVoxels, measured: npt.NDArray[np.bool_] | None = None
) -> tuple[float, float]:
    """(lower, upper) for display: the 1st and 99th percentile, or 0 to 255 for colour.

    Of the measured voxels alone, where not all are.
    """
    if voxels.ndim == 4:
        return 0.0, 255.0
    step = max(1, voxels.size // _SAMPLE)
    sample = voxels.reshape(-1)[::step]
    if measured is not None and (seen := measured.reshape(-1)[::step]).any():
        sample = sample[seen]
    lower, upper = (float(value) for value in np.percentile(sample, (1, 99)))
    if lower < upper:
        return lower, upper
    return float(voxels.min()), float(voxels.max())


def grey_values(
    values: npt.NDArray[np.float32], window: tuple[float, float]
) -> npt.NDArray[np.uint8]:
    """Map a plane's values to 0..255 through a display window; not-a-number becomes mid grey.

    Parameters
    ----------
    values
        (rows, columns), or (rows, columns, 3) for colour.
    window
        The values shown black and white.
    """
    lower, upper = window
    width = max(upper - lower, 1e-30)
    grey = np.clip(np.rint((values.astype(np.float64) - lower) / width * 255), 0, 255)
    return np.asarray(np.where(np.isnan(grey), _NOT_SEEN, grey), dtype=np.uint8)
