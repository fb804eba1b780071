"""A procedural head: a T2-weighted MR volume with one lesion.

Anatomy is defined in millimetres in NIfTI directions (RAS) and sampled wherever an affine puts the
voxels, so an oblique volume is drawn, not resampled.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float64]


def _gap(p: Array, centre: tuple[float, float, float], axes: tuple[float, float, float]) -> Array:
    """Gap in mm along the ray from the centre to an ellipsoid; negative inside."""
    offset = p - np.asarray(centre)
    rho = np.linalg.norm(offset / np.asarray(axes), axis=-1) + 1e-6
    return np.asarray(np.linalg.norm(offset, axis=-1) * (1 - 1 / rho))


def head(
    seed: int, shape: tuple[int, int, int], affine: Array
) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """Draw a head and the mask of its lesion.

    Parameters
    ----------
    seed : int
        Folds, lesion and noise follow from it.
    shape : tuple of int
        Voxels along each axis.
    affine : numpy.ndarray
        4 x 4, voxel index to RAS mm; the origin is the middle of the head.

    Returns
    -------
    tuple
        int16 intensities and uint8 lesion mask, both of `shape`.
    """
    rng = np.random.default_rng(seed)
    index = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    p = index @ affine[:3, :3].T + affine[:3, 3]
    x, y, z = np.moveaxis(p, -1, 0)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    edge = float(spacing[:2].mean())

    # One field of noise in the head's own millimetres, sampled at the voxels.
    step = 3.0
    size = 96
    lattice = ndimage.gaussian_filter(rng.standard_normal((size,) * 3), 1.7, mode="wrap")
    lattice /= lattice.std()

    def field(scale: float, shift: float) -> Array:
        where = np.moveaxis(p / step / scale + size / 2 + shift, -1, 0)
        return np.asarray(ndimage.map_coordinates(lattice, where, order=1, mode="grid-wrap"))

    image = np.full(shape, 12.0)

    def paint(value: float | Array, gap: Array) -> None:
        image[...] += (value - image) * np.clip(0.5 - gap / edge, 0, 1)

    neck = np.maximum(np.hypot(x / 54, (y + 18) / 60) * 57 - 57, z + 40)
    nose = np.maximum(_gap(p, (0, 70, -42), (44, 34, 58)), -(z + 100))
    skin = np.minimum(np.minimum(_gap(p, (0, 0, 0), (77, 97, 90)), neck), nose)
    paint(360.0, skin)
    paint(150.0 + 45 * field(0.8, 7), np.minimum(np.minimum(neck, nose) + 4, skin + 5))
    for side in (-1, 1):
        paint(820.0, _gap(p, (side * 31, 78, -24), (12, 12, 12)))
    skull = _gap(p, (0, -2, 3), (71, 91, 82))
    behind = 1 / (1 + np.exp(np.clip((y + 18) / 5, -40, 40)))
    temporal = 15 * np.exp(-(((np.abs(x) - 38) / 17) ** 2) - ((y - 8) / 27) ** 2)
    base = -30 - 38 * behind - temporal
    inner = np.maximum(skull + 7, base - z)
    paint(60.0, np.maximum(skull, -78 - z))
    paint(150.0, np.maximum(skull + 3, -75 - z))
    paint(60.0, np.maximum(skull + 4.5, inner - 6))
    paint(170.0 + 45 * field(0.8, 9), np.maximum(skin + 6, z - base + 7))
    paint(25.0, _gap(p, (0, 60, -56), (13, 26, 14)))
    paint(880.0, inner)

    # Grey matter lines the skull and the sulci; sulci follow the zero sets of two smooth fields.
    fold = np.minimum(np.abs(field(1.5, 0)), np.abs(field(1.3, 23))) * 11
    fold = fold + np.clip(-(inner + 22) * 0.5, 0, 30)
    midline = np.abs(x + 1.5 * field(1.5, 19)) + np.clip(-z - 2, 0, 40)
    cleft = np.minimum(fold - 1.3, midline - 1.5)
    floor = z + 26 + temporal * (1 - behind) + 12 * (1 - behind)
    cerebrum = np.maximum(inner + 2.5, -floor)
    cortex = np.maximum(cerebrum, -cleft)
    paint(440.0, cortex)
    paint(300.0 + 8 * field(0.7, 3), np.maximum(cerebrum + 4.0, 3.4 - cleft))
    for side in (-1, 1):
        paint(400.0, _gap(p, (side * 25, 8, 4), (8, 20, 12)))
        paint(415.0, _gap(p, (side * 11, -14, 4), (9, 13, 10)))
        front = _gap(p, (side * (9 + 0.10 * 16), 14, 15), (5.5, 24, 7))
        back = _gap(p, (side * 18, -26, 12), (6.5, 22, 8))
        paint(890.0, np.minimum(front, back))
    paint(880.0, _gap(p, (0, -8, 2), (2.6, 13, 9)))
    cerebellum = np.maximum(_gap(p, (0, -52, -46), (48, 30, 22)), inner + 3)
    leaves = np.sin(0.9 * z + 0.5 * np.abs(y + 52) + 1.2 * field(1.0, 5))
    paint(400.0 + 60 * leaves, cerebellum)
    width = 13 + 3 * np.exp(-(((z + 42) / 10) ** 2))
    stem = np.maximum(np.hypot(x, y + 18 + 0.15 * (z + 40)) - width, np.abs(z + 58) - 48)
    paint(335.0, stem)
    paint(860.0, _gap(p, (0, -36, -44), (6, 4.5, 9)))

    centre = (33.0, 4.0, 34.0)
    lobes = 1.8 * field(0.9, 11)
    lesion = _gap(p, centre, (12.5, 17.0, 11.5)) + lobes
    paint(640.0 + 35 * field(0.6, 13), lesion)
    paint(780.0, _gap(p, (35.0, 7.0, 35.0), (5, 6, 5)) + 0.5 * lobes)
    mask = lesion < 0

    image = ndimage.gaussian_filter(image, 0.45)
    image *= 1 + 0.12 * field(9.0, 41)
    noisy = np.hypot(image + rng.normal(0, 13, shape), rng.normal(0, 13, shape))
    return np.round(noisy).astype(np.int16), mask.astype(np.uint8)
