"""Where an image's pixels lie on a screenshot, told by the picture alone."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.optimize import least_squares
from scipy.spatial import KDTree

WINDOW = (-1250.0, 250.0)  # HU from black to white, as the sample study's header has it
FRAME = 60  # screen pixels along the viewport's edge that hold texts and buttons


@dataclass(frozen=True)
class Mapping:
    """Index (column, row; pixel centres are integers) to screen and back, and how well it fits.

    Screen points are (x, y) in screen pixels, whose centres are integers too. `misfit` is the root
    mean square difference between the screen's grey and the image's, of 255.
    """

    scale: NDArray[np.float64]
    offset: NDArray[np.float64]
    misfit: float

    def to_screen(self, column_row: NDArray[np.float64]) -> NDArray[np.float64]:
        return column_row * self.scale + self.offset

    def to_index(self, x_y: NDArray[np.float64]) -> NDArray[np.float64]:
        return (x_y - self.offset) / self.scale


def fitted(shot: NDArray[np.int_], image: NDArray[np.float64], aspect: float) -> Mapping:
    """Fit the image to the grey pixels of a screenshot (rows, columns, 3).

    `image` has the greys (0 to 255) that its pixels are to have; `aspect` is a row's height over a
    column's width in mm. The start is what any viewer does: the whole image, upright, centred.
    """
    y, x = np.mgrid[FRAME : shot.shape[0] - FRAME : 2, FRAME : shot.shape[1] - FRAME : 2]
    there = shot[y, x]
    grey = np.ptp(there, axis=-1) < 6
    x, y, greys = x[grey], y[grey], there[grey].mean(-1)

    def difference(scale: NDArray[np.float64], offset: NDArray[np.float64]) -> NDArray[np.float64]:
        at = ((y - offset[1]) / scale[1], (x - offset[0]) / scale[0])
        shown: NDArray[np.float64] = map_coordinates(image, at, order=1, mode="nearest")
        return shown - greys

    rows, columns = image.shape
    high, wide = shot.shape[:2]
    across = min(high / (rows * aspect), wide / columns)
    scale = np.array([across, across * aspect])
    middle = (np.array([wide, high]) - 1) / 2

    # Four unknowns: by how many percent each scale is another, by how many pixels the middle is.
    def parts(p: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        scaled = scale * np.exp(p[:2] / 100)
        return scaled, middle + p[2:] - scaled * (np.array([columns, rows]) - 1) / 2

    found = least_squares(
        lambda p: difference(*parts(p)), np.zeros(4), loss="soft_l1", f_scale=4, diff_step=1e-2
    )
    scaled, offset = parts(found.x)
    misfit = float(np.sqrt(np.mean(difference(scaled, offset) ** 2)))
    return Mapping(scaled, offset, misfit)


def fitted_image(shot: NDArray[np.int_], image: pydicom.Dataset) -> Mapping:
    """Fit a CT image's own pixels, in its header's window."""
    hu = image.pixel_array * float(image.RescaleSlope) + float(image.RescaleIntercept)
    greys = 255 * np.clip((hu - WINDOW[0]) / (WINDOW[1] - WINDOW[0]), 0, 1)
    row_spacing, column_spacing = map(float, image.PixelSpacing)
    return fitted(shot, greys, row_spacing / column_spacing)


def near_colour(shot: NDArray[np.int_], colour: tuple[int, int, int]) -> NDArray[np.bool_]:
    """(rows, columns): where a line or a fill of this colour is drawn over the grey image.

    What is drawn over grey, however thinly, differs from grey in the colour's own direction.
    """
    hue = np.array(colour) - np.mean(colour)
    away = shot - shot.mean(-1, keepdims=True)
    along = away @ hue / (hue @ hue)  # 0 where it is grey, 1 where it is the colour
    across = np.linalg.norm(away - along[..., None] * hue, axis=-1) / np.linalg.norm(hue)
    drawn = (along > 0.25) & (across < 0.2 * along)
    drawn[:FRAME], drawn[-FRAME:], drawn[:, :FRAME], drawn[:, -FRAME:] = False, False, False, False
    return drawn


def drawn_points(
    shot: NDArray[np.int_], colour: tuple[int, int, int], mapping: Mapping
) -> NDArray[np.float64]:
    """(n, 2) index (column, row) of the screen pixels that have the colour."""
    y, x = np.nonzero(near_colour(shot, colour))
    return mapping.to_index(np.stack([x, y], -1).astype(float))


def shift(
    points: NDArray[np.float64], curve: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """The shift of the curve that brings it closest to the points, and what then is between them.

    Both in image pixels; the second is what 95 % of the points are within.
    """
    steps = np.linspace(0, 1, 50, endpoint=False)[:, None]
    dense = np.concatenate([a + steps * (b - a) for a, b in pairwise(curve)])
    tree = KDTree(dense)
    found = least_squares(lambda d: tree.query(points - d)[0], [0.0, 0.0], diff_step=0.05)
    return found.x, float(np.percentile(tree.query(points - found.x)[0], 95))


def at_pixel_centres(drawn: NDArray[np.bool_], mapping: Mapping, like: NDArray) -> NDArray:
    """What of a screen mask lies at each image pixel's centre: (rows, columns) of the image."""
    row, column = np.indices(like.shape)
    screen = np.rint(mapping.to_screen(np.stack([column, row], -1))).astype(int)
    inside = ((screen >= 0) & (screen < drawn.shape[::-1])).all(-1)
    x, y = np.where(inside[..., None], screen, 0).transpose(2, 0, 1)
    return drawn[y, x] & inside


def labelled(label_map: Path, image: pydicom.Dataset) -> NDArray[np.bool_]:
    """(rows, columns) of an axial image, read from a label map's file point by point in LPS mm."""
    volume = sitk.ReadImage(str(label_map))
    x0, y0, z = map(float, image.ImagePositionPatient)
    down, across = map(float, image.PixelSpacing)
    found = np.zeros((image.Rows, image.Columns), bool)
    for row, column in np.ndindex(found.shape):
        place = (x0 + column * across, y0 + row * down, z)
        found[row, column] = volume[volume.TransformPhysicalPointToIndex(place)] != 0
    assert found.sum() > 30
    return found
