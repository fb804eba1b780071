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

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.floating[Any]]
Points = NDArray[np.floating[Any]]


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
class Nodule:
    """A star-convex nodule: a rotated ellipsoid with smooth bumps.

    Attributes
    ----------
    centre : tuple of float
        (x, y, z) in mm.
    semi_axes : tuple of float
        In mm, before rotation.
    rotation : numpy.ndarray
        3 x 3, rows are the ellipsoid's axes.
    bumps : numpy.ndarray
        (n, 4): unit directions and relative heights.
    hu, halo_hu : float
        Attenuation of the core and of the shell around it; equal for a solid nodule.
    core : float
        Radius of the core relative to the whole.
    touches_vessel : bool
        A vessel of at least 1.2 mm radius meets its surface.
    """

    centre: tuple[float, float, float]
    semi_axes: tuple[float, float, float]
    rotation: Points
    bumps: Points
    hu: float
    halo_hu: float
    core: float
    touches_vessel: bool = False

    def distance(self, points: Points) -> tuple[Points, Points]:
        """Gap in mm along the ray from the centre (negative inside) and the relative radius."""
        offset = points - np.asarray(self.centre)
        radius = np.linalg.norm(offset, axis=-1) + 1e-6
        unit = offset / radius[..., None]
        scaled = unit @ (self.rotation / np.asarray(self.semi_axes)[:, None]).T
        surface = 1.0 / np.maximum(np.linalg.norm(scaled, axis=-1), 1e-6)
        for bump in self.bumps:
            surface = surface * (1.0 + bump[3] * np.exp(4.0 * (unit @ bump[:3] - 1.0)))
        return radius - surface, radius / surface


@dataclass(frozen=True)
class Tree:
    """Vessels: tapering segments, (n, 3) starts and ends in mm and their radii."""

    start: Points
    end: Points
    radius_start: Points
    radius_end: Points


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


@dataclass
class _Anatomy:
    """Sizes in mm of one patient, drawn from the seed."""

    rng: np.random.Generator
    body: tuple[float, float] = field(init=False)

    def __post_init__(self) -> None:
        u = self.rng.uniform
        self.body = (u(148, 166), u(100, 120))
        self.body_power = u(2.2, 2.7)
        self.fat = u(7, 20)
        self.muscle = u(9, 14)
        self.cage = (
            self.body[0] - self.fat - self.muscle - 8,
            self.body[1] - 0.6 * self.fat - self.muscle - u(8, 14),
        )
        self.cage_y = u(-10, -3)
        self.apex = u(86, 102)
        self.widest = u(-40, -15)
        self.dome = (u(-92, -78), u(-104, -88))  # right, left
        self.dome_height = u(26, 40)
        self.mediastinum = u(24, 33)
        self.heart = (u(14, 26), u(-30, -18), u(-66, -52))
        self.heart_axes = (u(50, 62), u(38, 48), u(48, 58))
        self.heart_turn = u(0.3, 0.75)
        self.hila = [(-u(34, 40), u(2, 12), u(-14, -2)), (u(36, 42), u(4, 14), u(-8, 4))]
        self.hilum_size = u(9, 13)
        self.vertebra = (u(16, 20), u(13, 16))
        self.vertebra_step = u(21, 26)
        self.vertebra_phase = u(0, 20)
        self.spine_y = self.cage_y + self.cage[1] - u(4, 12)
        self.rib_step = self.vertebra_step
        self.rib_drop = u(62, 84)
        self.rib_size = (u(3.0, 4.0), u(5.5, 7.0))
        self.bone = u(480, 700)
        self.aorta = u(11, 14)
        self.blood = u(38, 60)
        self.lung = u(-880, -825)
        self.scapula = u(-10, 25)
        self.table_gap = u(4, 12)


def _radial(x: Array, y: Array, a: float, b: float, power: float = 2.0) -> Array:
    """Gap in mm along the ray from the origin to a superellipse; negative inside."""
    if power == 2.0:
        rho = np.hypot(x / a, y / b)
    else:
        rho = (np.abs(x / a) ** power + np.abs(y / b) ** power) ** (1 / power)
    rho = np.maximum(rho, 1e-3)
    return np.asarray(np.hypot(x, y) * (1 - 1 / rho) - (rho <= 1e-3) * min(a, b), np.float32)


def _ellipse(
    x: Array, y: Array, centre: tuple[float, float], a: float, b: float, turn: float = 0.0
) -> Array:
    dx, dy = x - centre[0], y - centre[1]
    c, s = np.cos(turn), np.sin(turn)
    return _radial(c * dx + s * dy, c * dy - s * dx, a, b)


def _capsule(x: Array, y: Array, p: tuple[float, float], q: tuple[float, float], r: float) -> Array:
    vx, vy = q[0] - p[0], q[1] - p[1]
    t = np.clip(((x - p[0]) * vx + (y - p[1]) * vy) / (vx * vx + vy * vy), 0, 1)
    return np.asarray(np.hypot(x - p[0] - t * vx, y - p[1] - t * vy) - r, np.float32)


def _plane(
    an: _Anatomy, x: Array, y: Array, z: float, px: float, table: bool = False
) -> tuple[Array, Array]:
    """HU of everything but vessels and nodules in one axial plane, and the share of lung."""

    def cover(gap: Array) -> Array:
        share: Array = np.clip(0.5 - gap / px, 0, 1)
        return share

    hu = np.full(x.shape, -1000.0, np.float32)

    def paint(value: float | Array, gap: Array) -> None:
        hu[...] += (value - hu) * cover(gap)

    # Shape of body and rib cage at this height.
    shoulder = 1 + 0.10 * np.clip((z - 45) / 50, 0, 1)
    body_gap = _radial(x, y, an.body[0] * shoulder, an.body[1], an.body_power)
    up = np.clip((z - an.widest) / (an.apex + 8 - an.widest), 0, 0.999)
    down = np.clip((an.widest - z) / 260, 0, 1)
    scale = (1 - up**2.6) ** 0.5 * (1 - down**2)
    cage_a, cage_b = an.cage[0] * max(scale, 0.32), an.cage[1] * max(scale**0.8, 0.32)
    centre_y = an.cage_y + (1 - max(scale, 0.32)) * 0.35 * an.cage[1]
    xc, yc = x, y - centre_y
    cage_gap = _radial(xc, yc, cage_a, cage_b, 2.15)

    paint(-105.0, body_gap)
    paint(50.0, body_gap + an.fat)
    paint(-60.0, cage_gap - an.muscle * 0.35)
    paint(45.0, cage_gap - 8 + np.abs(y) * 0.01)

    # Mediastinum and what lies under the diaphragm.
    spine_y = an.spine_y
    half = an.mediastinum * (1.0 + 0.1 * np.sin(z / 20))
    middle = _ellipse(x, y, (0.0, an.cage_y - 2), half, an.cage[1] * 0.80)
    rib_front = np.abs(x) - 4.0
    middle = np.minimum(middle, rib_front)
    middle = np.minimum(middle, _ellipse(x, y, (0.0, spine_y), an.vertebra[0] + 9, 24.0))
    ha, hb, hc = an.heart_axes
    rise = 1 - ((z - an.heart[2]) / hc) ** 2
    heart = np.full(x.shape, 50.0, np.float32)
    if rise > 0.02:
        heart = _ellipse(x, y, an.heart[:2], ha * rise**0.5, hb * rise**0.5, an.heart_turn)
    middle = np.minimum(middle, heart - 4)
    for hx, hy, hz in an.hila:
        size2 = an.hilum_size**2 - ((z - hz) * 0.7) ** 2
        if size2 > 4:
            middle = np.minimum(
                middle, _ellipse(x, y, (hx * 0.85, hy), 1.3 * size2**0.5, size2**0.5)
            )
    domes = np.where(x < 0, an.dome[0], an.dome[1]) + an.dome_height * (
        1 - ((np.abs(x) - 0.52 * cage_a) / (0.55 * cage_a)) ** 2 - ((yc + 8) / (0.95 * cage_b)) ** 2
    )
    outside = np.maximum.reduce([cage_gap + 2, -middle, (domes - z) * 0.8])
    lung_gap = np.maximum(outside, np.float32(z - an.apex))
    paint(-85.0, np.maximum(cage_gap + 3, middle))
    liver = np.where(x < 12, 62.0, 46.0).astype(np.float32)
    paint(liver, np.maximum(cage_gap + 3, np.minimum((z - domes) * 0.8, 20)))
    stomach = (58.0, -22.0, an.dome[1] + 2)
    size2 = 28.0**2 - (z - stomach[2]) ** 2
    if size2 > 9:
        paint(-960.0, np.maximum(_ellipse(x, y, stomach[:2], size2**0.5, 0.7 * size2**0.5), y + 26))

    # Great vessels, heart, airways, gullet.
    paint(an.blood, heart)
    if z < 30:
        paint(an.blood, _ellipse(x, y, (24.0, spine_y - 20), an.aorta, an.aorta))
    if -10 < z < 30:
        paint(an.blood, _ellipse(x, y, (-6.0, an.cage_y - 32), an.aorta * 1.15, an.aorta * 1.1))
        paint(an.blood, _ellipse(x, y, (-26.0, an.cage_y - 22), 9.0, 8.0))
    arch = 13.0**2 - (z - 32) ** 2
    if arch > 4:
        paint(an.blood, _capsule(x, y, (0.0, an.cage_y - 32), (22.0, spine_y - 24), arch**0.5))
    if z >= 40:
        for vx, vy, r in [(-18, -20, 7.5), (-6, -30, 6.5), (9, -22, 5.0), (20, -10, 5.5)]:
            paint(an.blood, _ellipse(x, y, (vx * 1.0, an.cage_y + vy), r, r))
    trunk = 14.0**2 - (z + 8) ** 2
    if trunk > 4:
        size = trunk**0.5
        paint(an.blood, _capsule(x, y, (14.0, an.cage_y - 34), (36.0, an.hila[1][1]), size * 0.8))
        paint(an.blood, _capsule(x, y, (4.0, an.cage_y - 14), (-36.0, an.hila[0][1]), size * 0.65))
    paint(40.0, _ellipse(x, y, (6.0, spine_y - 24), 7.0, 5.0))
    if z > 2:
        paint(30.0, _ellipse(x, y, (0.0, an.cage_y + 2), 10.5, 10.0))
        paint(-985.0, _ellipse(x, y, (0.0, an.cage_y + 2), 8.5, 8.0))
    elif z > -18:
        for side in (-1, 1):
            at = (side * (8 + 0.9 * (2 - z)), an.cage_y + 2)
            paint(30.0, _ellipse(x, y, at, 8.5, 7.0))
            paint(-985.0, _ellipse(x, y, at, 6.5, 5.2))

    # Lungs: denser towards the back.
    lung = cover(lung_gap)
    hu += (an.lung + 0.45 * (yc + 0) - hu) * lung

    # Ribs: arcs that fall from back to front and so cross each plane obliquely.
    phi = np.arctan2(np.abs(xc) / cage_a, yc / cage_b)
    fall = an.rib_drop * (1 - np.cos(phi)) / 2
    for k in range(-3, 9):
        dz = z - (an.apex - 12 + an.vertebra_phase / 3 - k * an.rib_step - fall)
        if np.abs(dz).min() > 10:
            continue
        thick, tall = an.rib_size
        du = (cage_gap - thick - 1.0) / thick
        rho = np.hypot(du, dz / tall)
        gap = np.where((phi > 0.3) & (phi < 2.75), (rho - 1) * thick, 9.0).astype(np.float32)
        cartilage = phi > 2.35
        paint(np.where(cartilage, 110, an.bone).astype(np.float32), gap)
        paint(np.where(cartilage, 90, 230).astype(np.float32), gap + 1.8)

    # Spine, breastbone, shoulder blades.
    level = (z + an.vertebra_phase) % an.vertebra_step
    va, vb = an.vertebra
    waist = 1 - 0.08 * np.sin(np.pi * level / an.vertebra_step)
    disc = level < 4
    paint(
        an.bone * 0.8 if not disc else 90.0, _ellipse(x, y, (0.0, spine_y), va * waist, vb * waist)
    )
    paint(
        190.0 if not disc else 80.0,
        _ellipse(x, y, (0.0, spine_y), va * waist - 2.2, vb * waist - 2.2),
    )
    canal = (0.0, spine_y + vb + 7)
    if level < 0.75 * an.vertebra_step:
        paint(an.bone * 0.7, _ellipse(x, y, canal, 14.0, 12.0))
        for side in (-1, 1):
            tip = (side * 33.0, canal[1] + 7)
            if level < 0.5 * an.vertebra_step:
                paint(an.bone * 0.6, _capsule(x, y, (side * 10.0, canal[1] + 2), tip, 4.2))
    paint(an.bone * 0.65, _capsule(x, y, (0.0, canal[1] + 10), (0.0, canal[1] + 20), 3.0))
    paint(25.0, _ellipse(x, y, canal, 9.5, 8.5))
    if z > -75:
        front = (0.0, centre_y - cage_b - 5)
        paint(an.bone * 0.7, _ellipse(x, y, front, 19.0, 6.0))
        paint(160.0, _ellipse(x, y, front, 16.5, 4.0))
    if z > an.scapula - 70:
        for side in (-1, 1):
            reach = np.clip((z - an.scapula + 70) / 80, 0.15, 1)
            p = (side * (0.60 * cage_a + 22), centre_y + 0.80 * cage_b + 14)
            q = (p[0] + side * 38 * reach, p[1] - 34 * reach)
            blade = np.maximum(_capsule(x, y, p, q, 3.2), body_gap + an.fat * 0.6)
            paint(an.bone * 0.7, np.maximum(blade, 5.0 - cage_gap))

    if table:
        bed = y - (an.body[1] + an.table_gap + 8) + 0.0009 * x**2
        paint(-650.0, np.maximum(np.abs(bed) - 2.0, np.abs(x) - 160).astype(np.float32))
    return hu, lung


def _lung_points(
    an: _Anatomy, rng: np.random.Generator
) -> tuple[Points, NDArray[np.float64], NDArray[np.bool_]]:
    """Jittered points inside the lungs, their depth in mm, and which are in the left lung."""
    step = 4.0
    axis_x, axis_y = np.arange(-150, 150, step), np.arange(-120, 120, step)
    axis_z = np.arange(-125, 105, step)
    y, x = np.meshgrid(axis_y.astype(np.float32), axis_x.astype(np.float32), indexing="ij")
    inside = np.stack([_plane(an, x, y, float(z), step)[1] > 0.5 for z in axis_z])
    depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1, 1:-1] * step
    index = np.argwhere(depth > 0)
    points = np.stack([axis_x[index[:, 2]], axis_y[index[:, 1]], axis_z[index[:, 0]]], axis=1)
    points = points + rng.uniform(-step / 2, step / 2, points.shape)
    return points, depth[depth > 0] - step / 2, points[:, 0] > 0


def _grow(
    root: Points, targets: Points, rng: np.random.Generator, tip: float
) -> tuple[list[Points], list[int], Points]:
    """Join targets, nearest to the root first, to the closest node of the growing tree.

    Returns nodes, parents (-1 for the root) and radii by Murray's law from `tip` mm at the leaves.
    """
    nodes, parents = [root], [-1]
    for target in targets[np.argsort(np.linalg.norm(targets - root, axis=1))]:
        cloud = np.asarray(nodes)
        parent = int(np.argmin(np.linalg.norm(cloud - target, axis=1)))
        length = float(np.linalg.norm(target - cloud[parent]))
        steps = max(1, round(length / 9))
        for i in range(1, steps + 1):
            bend = rng.normal(0, 0.05 * length, 3) if i < steps else np.zeros(3)
            nodes.append(cloud[parent] + (target - cloud[parent]) * i / steps + bend)
            parents.append(parent if i == 1 else len(nodes) - 2)
    leaves = np.zeros(len(nodes))
    leaves[np.setdiff1d(np.arange(len(nodes)), parents)] = 1
    for i in range(len(nodes) - 1, 0, -1):
        leaves[parents[i]] += leaves[i]
    return nodes, parents, tip * leaves ** (1 / 2.7)


def _vessels(
    an: _Anatomy, rng: np.random.Generator, points: Points, depth: Points, left: NDArray[np.bool_]
) -> Tree:
    start, end, r0, r1 = [], [], [], []
    for side, hilum in enumerate(an.hila):
        inner = points[(left == bool(side)) & (depth > 5)]
        for shift in (np.array([0.0, -7.0, 5.0]), np.array([0.0, 7.0, -8.0])):
            chosen = inner[
                rng.choice(len(inner), min(len(inner), int(rng.integers(110, 150))), False)
            ]
            nodes, parents, radii = _grow(
                np.asarray(hilum) + shift, chosen, rng, rng.uniform(0.65, 0.8)
            )
            for i in range(1, len(nodes)):
                start.append(nodes[parents[i]])
                end.append(nodes[i])
                r0.append(min(radii[parents[i]], 1.25 * radii[i], 5.5))
                r1.append(min(radii[i], 5.5))
    return Tree(np.asarray(start), np.asarray(end), np.asarray(r0), np.asarray(r1))


def _draw_nodule(
    rng: np.random.Generator, diameter: float, solid: bool, elongation: float
) -> Nodule:
    """A nodule of given mean diameter at the origin."""
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    axes = np.array([elongation, 1.0, rng.uniform(0.85, 1.0)])
    axes *= diameter / 2 / axes.prod() ** (1 / 3)
    directions = rng.normal(size=(7, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    bumps = np.column_stack([directions, rng.uniform(-0.12, 0.22, 7)])
    hu = rng.uniform(0, 70)
    halo = hu if solid else rng.uniform(-520, -330)
    core = 1.0 if solid else rng.uniform(0.35, 0.6)
    return Nodule((0.0, 0.0, 0.0), (axes[0], axes[1], axes[2]), rotation, bumps, hu, halo, core)


def _place(
    rng: np.random.Generator,
    shapes: list[tuple[float, bool, float, bool]],
    an: _Anatomy,
    tree: Tree,
    points: Points,
    depth: Points,
    z_range: tuple[float, float],
) -> list[Nodule]:
    """Put nodules into the lungs, apart from one another, on a vessel or away from the larger ones.

    `shapes` holds (diameter, solid, elongation, on a vessel) each.
    """
    steps = np.linspace(0, 1, 5)[:, None, None]
    line = (tree.start + (tree.end - tree.start) * steps).reshape(-1, 3)
    caliber = (tree.radius_start + (tree.radius_end - tree.radius_start) * steps[..., 0]).ravel()
    line, caliber = line[caliber > 1.2], caliber[caliber > 1.2]
    hila = np.asarray(an.hila)
    placed: list[Nodule] = []
    for diameter, solid, elongation, on_vessel in shapes:
        draft = _draw_nodule(rng, diameter, solid, elongation)
        reach = max(draft.semi_axes)
        inside = (points[:, 2] > z_range[0] + 0.6 * reach) & (
            points[:, 2] < z_range[1] - 0.6 * reach
        )
        inside &= np.linalg.norm(points[:, None] - hila, axis=2).min(axis=1) > 34 + reach
        for shrink in (1.0, 0.8, 0.6):
            candidates = points[inside & (depth > shrink * reach + 1)]
            if len(candidates) > 30:
                break
        found = None
        for centre in candidates[rng.permutation(len(candidates))[:400]]:
            if any(
                np.linalg.norm(centre - other.centre) < reach + max(other.semi_axes) + 8
                for other in placed
            ):
                continue
            here = replace(draft, centre=tuple(centre.tolist()))
            near = np.linalg.norm(line - centre, axis=1) < 2 * reach + 8
            gap = (here.distance(line[near])[0] - caliber[near]).min(initial=50.0)
            touches = bool(gap < 0.5)
            if touches == on_vessel and (touches or gap > 2.0):
                found = replace(here, touches_vessel=touches)
                break
        if found is not None:
            placed.append(found)
    return placed


def _render_vessels(tree: Tree, z: Points, y: Points, x: Points, px: float) -> Array:
    """Share of each voxel that is vessel."""
    cover = np.zeros((len(z), len(y), len(x)), np.float32)
    for p, q, r0, r1 in zip(tree.start, tree.end, tree.radius_start, tree.radius_end, strict=True):
        margin = max(r0, r1) + px
        low, high = np.minimum(p, q) - margin, np.maximum(p, q) + margin
        i, j, k = (
            slice(*np.searchsorted(axis, (low[n], high[n]))) for n, axis in ((2, z), (1, y), (0, x))
        )
        if i.start == i.stop or j.start == j.stop or k.start == k.stop:
            continue
        grid = np.stack(np.meshgrid(z[i], y[j], x[k], indexing="ij"), axis=-1)[..., ::-1]
        along = q - p
        t = np.clip((grid - p) @ along / (along @ along + 1e-9), 0, 1)
        distance = np.linalg.norm(grid - p - t[..., None] * along, axis=-1)
        radius = r0 + (r1 - r0) * t
        share = np.clip(0.5 + (radius - distance) / px, 0, 1) * np.minimum(1, 2 * radius / px)
        np.maximum(cover[i, j, k], share, out=cover[i, j, k], casting="same_kind")
    return cover


def _correlated(
    rng: np.random.Generator, shape: tuple[int, ...], sigma: tuple[float, ...]
) -> Array:
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
    an = _Anatomy(anatomy_rng)
    points, depth, left = _lung_points(an, anatomy_rng)
    tree = _vessels(an, anatomy_rng, points, depth, left)
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
    placed = _place(nodule_rng, nodules, an, tree, points, depth, (float(z[0]), float(z[-1])))

    offsets = (np.arange(planes) + 0.5) / planes - 0.5
    fine_z = (z[:, None] + grid.thickness * offsets).ravel()
    yy, xx = np.meshgrid(y.astype(np.float32), x.astype(np.float32), indexing="ij")
    drawn = [_plane(an, xx, yy, float(height), px, table) for height in fine_z]
    clean = np.stack([d[0] for d in drawn])
    lung = np.stack([d[1] for d in drawn])
    texture = _correlated(noise_rng, grid.shape, (0.6, 3.0 / px, 3.0 / px))
    clean += lung * np.repeat(22.0 * texture, planes, axis=0)
    vessels = _render_vessels(tree, fine_z, y, x, px)
    clean += np.maximum(an.blood - clean, 0) * vessels

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
        * _correlated(noise_rng, grid.shape, (0.2, 1.2 / grid.spacing[1], 1.2 / grid.spacing[2]))
        + 0.4 * _correlated(noise_rng, grid.shape, (0.2, 6 / px, 6 / px))
    )
    noise *= np.where(_radial(xx, yy, an.body[0], an.body[1]) < 0, 1.0, 0.5)

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
    body = _radial(x, y, a, b, u(2.1, 2.7))
    paint(-105.0, body)
    paint(50.0, body + fat)
    inside = body + fat + muscle
    paint(-100.0, inside)
    if u() < 0.8:
        liver = _ellipse(x, y, (-u(30, 55), u(-25, 5)), u(45, 75), u(40, 65), u(-0.4, 0.4))
        paint(u(50, 110), np.maximum(liver, inside + 2))
    for _ in range(rng.integers(5, 30)):
        r = u(7, 32)
        gap = _ellipse(x, y, (u(-0.7, 0.7) * a, u(-0.7, 0.6) * b), r, r * u(0.5, 1), u(0, 3))
        gap = np.maximum(gap, inside + 3)
        paint(u(15, 140), gap)
        if u() < 0.25:
            paint(u(-980, -750), np.maximum(gap + u(2, 4), y - u(-60, 40)))
    spine = (u(-5, 5), 0.55 * b)
    paint(u(400, 650), _ellipse(x, y, spine, 24.0, 19.0))
    paint(u(150, 220), _ellipse(x, y, spine, 21.5, 16.5))
    paint(u(400, 600), _ellipse(x, y, (spine[0], spine[1] + 27), 13.0, 10.0))
    paint(30.0, _ellipse(x, y, (spine[0], spine[1] + 26), 9.0, 7.5))
    for angle in rng.uniform(0.3, 5.9, rng.integers(0, 12)):
        at = ((a - fat - muscle) * np.sin(angle), (b - fat - muscle) * np.cos(angle))
        paint(u(300, 600), _ellipse(x, y, at, u(6, 14), u(3, 5), -angle))
    if u() < 0.6:
        for side in (-1, 1):
            at = (side * (a + u(22, 48)), u(-40, 70))
            r = u(20, 38)
            for value, shrink in ((-105.0, 0.0), (50.0, u(3, 9)), (600.0, r - u(10, 15))):
                paint(value, _ellipse(x, y, at, r, r * u(0.85, 1.0)) + shrink)
            paint(180.0, _ellipse(x, y, at, 6.0, 6.0))
    for _ in range(rng.integers(0, 3)):
        bed = y - (b + u(6, 50)) + u(0, 0.0015) * x**2
        paint(u(-800, 100), np.maximum(np.abs(bed) - u(1.5, 4), np.abs(x) - u(120, 220)))
    hu += u(12, 32) * _correlated(rng, shape, (1.2 / px, 1.2 / px))
    return np.clip(np.round(hu), -1024, 3071).astype(np.int16)
