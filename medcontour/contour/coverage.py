"""How much of each pixel a polygon covers, exactly."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["polygon_coverage"]

FloatArray = npt.NDArray[np.float64]


def polygon_coverage(column_row: npt.ArrayLike, shape: tuple[int, int]) -> FloatArray:
    """Share of each pixel inside a simple polygon: by Green's theorem, without sampling.

    Every edge is cut where it crosses the border of a pixel. A piece that rises by dy covers dy of
    all pixels to its right in its row, and of its own pixel the part to its right; summed with
    their signs, the pieces leave the inside.

    Parameters
    ----------
    column_row
        (n, 2) corners as index coordinates (column, row); pixel centres are integers.
    shape
        Rows, columns of the result.

    Returns
    -------
    (rows, columns) float64 in [0, 1].

    Examples
    --------
    >>> polygon_coverage([(0, 0), (1, 0), (1, 1), (0, 1)], (2, 3)).tolist()
    [[0.25, 0.25, 0.0], [0.25, 0.25, 0.0]]
    """
    rows, columns = shape
    corners = np.asarray(column_row, dtype=np.float64).reshape(-1, 2) + 0.5  # borders: integers
    ends = np.roll(corners, -1, axis=0)
    every = np.arange(len(corners))
    across, down = (_crossings(corners[:, axis], ends[:, axis]) for axis in (0, 1))
    edge = np.concatenate([every, across[0], down[0], every])
    share = np.concatenate([0 * every, across[1], down[1], 0 * every + 1])
    order = np.lexsort((share, edge))
    edge, share = edge[order], share[order, None]
    path = corners[edge] * (1 - share) + ends[edge] * share
    middle = (path[:-1] + path[1:]) / 2
    rise = np.diff(path[:, 1])
    column, row = np.floor(middle).astype(int).T
    right = 1 - (middle[:, 0] - column)  # the part of its pixel to the right of a piece
    right, column = np.where(column < 0, 1.0, right), np.maximum(column, 0)
    seen = (row >= 0) & (row < rows) & (column < columns)
    row, column, rise, right = row[seen], column[seen], rise[seen], right[seen]
    steps = np.zeros((rows, columns + 1))
    np.add.at(steps, (row, column), rise * right)
    np.add.at(steps, (row, column + 1), rise * (1 - right))
    return np.clip(np.abs(np.cumsum(steps, axis=1)[:, :columns]), 0.0, 1.0)


def _crossings(starts: FloatArray, stops: FloatArray) -> tuple[npt.NDArray[np.int_], FloatArray]:
    """Find where edges cross integers: the edge, and the share of it before the crossing."""
    first = np.ceil(np.minimum(starts, stops)).astype(int)
    last = np.floor(np.maximum(starts, stops)).astype(int)
    counts = np.where(starts == stops, 0, last - first + 1)
    edge = np.repeat(np.arange(len(starts)), counts)
    before = np.repeat(np.cumsum(counts) - counts, counts)
    integer = np.arange(len(edge)) - before + first[edge]
    return edge, (integer - starts[edge]) / (stops - starts)[edge]
