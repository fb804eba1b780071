"""A procedural thorax: anatomy drawn from a seed, sampled as a CT volume in Hounsfield units.

Everything is defined in millimetres in DICOM patient directions (LPS: x to the patient's left,
y to the back, z to the head; z = 0 near the carina), so the same seed is the same patient on any
grid. Nodules are inserted last: every volume is made with and without them, and both share
vessels and noise.

>>> from phantom import Grid, thorax
>>> study = thorax(7, Grid(shape=(4, 80, 104), spacing=(5.0, 3.8, 3.4)), nodules=1)
>>> study.ct.shape, study.ct.dtype
((4, 80, 104), dtype('int16'))
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from anatomy import Anatomy, Array, Points, ellipse, lung_points, plane, radial
from nodules import Nodule, place_nodules
from numpy.typing import NDArray
from scipy import ndimage
from vessels import grow_vessels, render_vessels


@dataclass(frozen=True)
class Grid:
    """Sampling positions: voxel centres of an axial volume centred on the body's axis.

    Parameters
    ----------
    shape : tuple of int
        Slices, rows, columns.
    spacing : tuple of float
        Distance in mm between slices, rows and columns.
    z : float
        Height in mm of the lowest slice's plane.
    thickness : float
        Slice thickness in mm; slices thinner than their distance leave gaps.
    """

    shape: tuple[int, int, int] = (40, 160, 208)
    spacing: tuple[float, float, float] = (5.0, 1.9, 1.7)
    z: float = -115.0
    thickness: float = 5.0

    @property
    def origin(self) -> tuple[float, float, float]:
        """Centre (x, y, z) in mm of voxel (slice 0, row 0, column 0)."""
        _, rows, columns = self.shape
        _, dy, dx = self.spacing
        return (-dx * (columns - 1) / 2, -dy * (rows - 1) / 2, self.z)

    def axes(self) -> tuple[Points, Points, Points]:
        """Coordinates in mm of the slices (z), rows (y) and columns (x)."""
        x0, y0, z0 = self.origin
        slices, rows, columns = self.shape
        dz, dy, dx = self.spacing
        return z0 + dz * np.arange(slices), y0 + dy * np.arange(rows), x0 + dx * np.arange(columns)


@dataclass(frozen=True)
class Thorax:
    """What `thorax` returns.

    Attributes
    ----------
    ct : numpy.ndarray
        int16 (slices, rows, columns) in HU; slices from feet to head, rows from front to back,
        columns from the patient's right to left.
    labels : numpy.ndarray
        uint8 on the same grid: 0, or the number of a nodule (1 is `nodules[0]`).
    without_nodules : numpy.ndarray
        `ct` with the same vessels and noise and no nodule.
    grid : Grid
        Where the voxels lie.
    nodules : list of Nodule
        In the order of their labels.
    """

    ct: NDArray[np.int16]
    labels: NDArray[np.uint8]
    without_nodules: NDArray[np.int16]
    grid: Grid
    nodules: list[Nodule]


def correlated(rng: np.random.Generator, shape: tuple[int, ...], sigma: tuple[float, ...]) -> Array:
    noise = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), sigma)
    return np.asarray(noise / noise.std(), np.float32)


def thorax(
    seed: int,
    grid: Grid = Grid(),
    nodules: int | list[tuple[float, bool, float, bool]] = 4,
    noise_hu: float = 22.0,
    planes: int = 3,
    table: bool = True,
) -> Thorax:
    """Make one patient's CT.

    Parameters
    ----------
    seed : int
        Anatomy, vessels, nodules and noise all follow from it.
    grid : Grid
        Where to sample.
    nodules : int or list
        How many (sizes, contrast and place drawn from the seed), or a list of (mean diameter in
        mm, solid, elongation, touches a vessel). A nodule that finds no room is left out.
    noise_hu : float
        Standard deviation in HU of the noise in soft tissue, correlated as by a smooth kernel.
    planes : int
        Planes averaged over each slice's thickness (partial volume).
    table : bool
        Put the scanner's table under the back.

    Returns
    -------
    Thorax
        Volume with and without nodules, label map, nodules.
    """
    anatomy_rng, nodule_rng, noise_rng = (
        np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(3)
    )
    an = Anatomy(anatomy_rng)
    points, depth, left = lung_points(an, anatomy_rng)
    tree = grow_vessels(an, anatomy_rng, points, depth, left)
    z, y, x = grid.axes()
    px = float(np.sqrt(grid.spacing[1] * grid.spacing[2]))
    if isinstance(nodules, int):
        u = nodule_rng.uniform
        nodules = [
            (
                float(np.exp(u(np.log(8.5), np.log(28)))),
                u() < 0.7,
                float(u(1, 1.3) if u() < 0.6 else u(1.3, 2.3)),
                u() < 0.5,
            )
            for _ in range(nodules)
        ]
    placed = place_nodules(
        nodule_rng, nodules, an, tree, points, depth, (float(z[0]), float(z[-1]))
    )

    offsets = (np.arange(planes) + 0.5) / planes - 0.5
    fine_z = (z[:, None] + grid.thickness * offsets).ravel()
    yy, xx = np.meshgrid(y.astype(np.float32), x.astype(np.float32), indexing="ij")
    drawn = [plane(an, xx, yy, float(height), px, table) for height in fine_z]
    clean = np.stack([d[0] for d in drawn])
    lung = np.stack([d[1] for d in drawn])
    texture = correlated(noise_rng, grid.shape, (0.6, 3.0 / px, 3.0 / px))
    clean += lung * np.repeat(22.0 * texture, planes, axis=0)
    clean += np.maximum(an.blood - clean, 0) * render_vessels(tree, fine_z, y, x, px)

    full = clean.copy()
    labels = np.zeros(grid.shape, np.uint8)
    for label, nodule in enumerate(placed, start=1):
        reach = 1.4 * max(nodule.semi_axes) + 2 * px
        s, j, k = (
            slice(*np.searchsorted(axis, (c - reach, c + reach)))
            for c, axis in zip(nodule.centre[::-1], (z, y, x), strict=True)
        )
        i = slice(s.start * planes, s.stop * planes)
        where = np.stack(np.meshgrid(fine_z[i], y[j], x[k], indexing="ij"), axis=-1)[..., ::-1]
        gap, rho = nodule.distance(where)
        cover = np.clip(0.5 - gap / px, 0, 1)
        core = np.clip(0.5 + (nodule.core - rho) * (sum(nodule.semi_axes) / 3) / (2 * px), 0, 1)
        value = nodule.halo_hu + (nodule.hu - nodule.halo_hu) * core
        box = full[i, j, k]
        box += np.maximum(value - box, 0) * cover
        share = cover.reshape(-1, planes, *cover.shape[1:]).mean(axis=1)
        labels[s, j, k][share > 0.5] = label

    def scan(volume: Array) -> Array:
        sigma = (0.0, 0.8 / grid.spacing[1], 0.8 / grid.spacing[2])
        sliced = volume.reshape(len(z), planes, len(y), len(x)).mean(axis=1)
        blurred: Array = ndimage.gaussian_filter(sliced, sigma)
        return blurred

    noise = noise_hu * (
        0.92
        * correlated(noise_rng, grid.shape, (0.2, 1.2 / grid.spacing[1], 1.2 / grid.spacing[2]))
        + 0.4 * correlated(noise_rng, grid.shape, (0.2, 6 / px, 6 / px))
    )
    noise *= np.where(radial(xx, yy, an.body[0], an.body[1]) < 0, 1.0, 0.5)

    def finish(volume: Array) -> NDArray[np.int16]:
        return np.clip(np.round(scan(volume) + noise), -1024, 3071).astype(np.int16)

    return Thorax(finish(full), labels, finish(clean), grid, placed)


def abdomen(seed: int, shape: tuple[int, int] = (160, 208)) -> NDArray[np.int16]:
    """Make one axial slice below the lungs, often with arms beside the body.

    Parameters
    ----------
    seed : int
        Everything follows from it.
    shape : tuple of int
        Rows, columns.

    Returns
    -------
    numpy.ndarray
        int16 (rows, columns) in HU.
    """
    rng = np.random.default_rng(seed)
    u = rng.uniform
    px = u(1.6, 2.9)
    x, y = (
        axis.astype(np.float32) * px
        for axis in np.meshgrid(
            np.arange(shape[1]) - shape[1] / 2 + u(-8, 8),
            np.arange(shape[0]) - shape[0] / 2 + u(-8, 8),
        )
    )
    hu = np.full(shape, -1000.0, np.float32)

    def paint(value: float, gap: Array) -> None:
        hu[...] += (value - hu) * np.clip(0.5 - gap / px, 0, 1)

    a, b = u(125, 170), u(85, 120)
    fat, muscle = u(6, 30), u(8, 16)
    body = radial(x, y, a, b, u(2.1, 2.7))
    paint(-105.0, body)
    paint(50.0, body + fat)
    inside = body + fat + muscle
    paint(-100.0, inside)
    if u() < 0.8:
        liver = ellipse(x, y, (-u(30, 55), u(-25, 5)), u(45, 75), u(40, 65), u(-0.4, 0.4))
        paint(u(50, 110), np.maximum(liver, inside + 2))
    for _ in range(rng.integers(5, 30)):
        r = u(7, 32)
        gap = ellipse(x, y, (u(-0.7, 0.7) * a, u(-0.7, 0.6) * b), r, r * u(0.5, 1), u(0, 3))
        gap = np.maximum(gap, inside + 3)
        paint(u(15, 140), gap)
        if u() < 0.25:
            paint(u(-980, -750), np.maximum(gap + u(2, 4), y - u(-60, 40)))
    spine = (u(-5, 5), 0.55 * b)
    paint(u(400, 650), ellipse(x, y, spine, 24.0, 19.0))
    paint(u(150, 220), ellipse(x, y, spine, 21.5, 16.5))
    paint(u(400, 600), ellipse(x, y, (spine[0], spine[1] + 27), 13.0, 10.0))
    paint(30.0, ellipse(x, y, (spine[0], spine[1] + 26), 9.0, 7.5))
    for angle in rng.uniform(0.3, 5.9, rng.integers(0, 12)):
        at = ((a - fat - muscle) * np.sin(angle), (b - fat - muscle) * np.cos(angle))
        paint(u(300, 600), ellipse(x, y, at, u(6, 14), u(3, 5), -angle))
    if u() < 0.6:
        for side in (-1, 1):
            at = (side * (a + u(22, 48)), u(-40, 70))
            r = u(20, 38)
            for value, shrink in ((-105.0, 0.0), (50.0, u(3, 9)), (600.0, r - u(10, 15))):
                paint(value, ellipse(x, y, at, r, r * u(0.85, 1.0)) + shrink)
            paint(180.0, ellipse(x, y, at, 6.0, 6.0))
    for _ in range(rng.integers(0, 3)):
        bed = y - (b + u(6, 50)) + u(0, 0.0015) * x**2
        paint(u(-800, 100), np.maximum(np.abs(bed) - u(1.5, 4), np.abs(x) - u(120, 220)))
    hu += u(12, 32) * correlated(rng, shape, (1.2 / px, 1.2 / px))
    return np.clip(np.round(hu), -1024, 3071).astype(np.int16)
